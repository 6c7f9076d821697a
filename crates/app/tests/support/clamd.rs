//! The real clamd in a folder of its own, with a database of its own.

use super::{Folder, wait_until};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The string of EICAR, put together here so that no scanner takes this file for it.
pub fn eicar() -> Vec<u8> {
    [&b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-"[..], b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

pub struct Clamd {
    child: Child,
    pub socket: PathBuf,
}

impl Clamd {
    /// Finds the test string, and whatever else these lines of an .ndb file say.
    pub fn start(folder: &Folder, signatures: &str, more: &str) -> Clamd {
        let hex: String = eicar().iter().map(|byte| format!("{byte:02x}")).collect();
        folder.file("clamd/db/own.ndb", &format!("Eicar-Test-Signature:0:*:{hex}\n{signatures}"));
        let home = folder.0.join("clamd");
        let socket = home.join("clamd.sock");
        let _ = fs::remove_file(&socket);
        let config = format!(
            "LocalSocket {0}/clamd.sock\nDatabaseDirectory {0}/db\nTemporaryDirectory {0}\nForeground yes\n{more}",
            home.display()
        );
        let config = folder.file("clamd/clamd.conf", &config);
        let log = fs::File::create(home.join("log")).unwrap();
        let child = Command::new("clamd")
            .arg("-c")
            .arg(config)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("clamd: {error}"));
        let clamd = Clamd { child, socket };
        wait_until("clamd answers", || UnixStream::connect(&clamd.socket).is_ok());
        clamd
    }

    pub fn signal(&self, name: &str) {
        super::signal(&self.child, name);
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
