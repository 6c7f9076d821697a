//! rsync, by the program of that name: it alone sends the difference only, which is what publishers ask for.

use super::transport;
use crate::feeds::state::Failure;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = "rsync";
/// Of what it says when it fails.
const SAID: usize = 300;
/// Some files could not be had: they are told one by one.
const PARTLY: i32 = 23;

/// Whether the program is there.
pub fn is_there() -> bool {
    let version = Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Brings these files of the module up to date in the folder.
pub fn fetch(url: &str, names: &[String], folder: &Path, timeout: u64, largest: u64) -> Result<(), Failure> {
    let seconds = timeout.max(1);
    let mut child = Command::new(PROGRAM)
        .args(["--checksum", "--times", "--no-motd", "--no-links", "--files-from=-"])
        .arg(format!("--timeout={seconds}"))
        .arg(format!("--contimeout={seconds}"))
        .arg(format!("--max-size={largest}"))
        .arg("--")
        .arg(format!("{}/", url.trim_end_matches('/')))
        .arg(folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::Missing("the program rsync".into()),
            _ => Failure::Ours(format!("{PROGRAM}: {error}")),
        })?;
    let list: String = names.iter().map(|name| format!("{name}\n")).collect();
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(list.as_bytes()); // who does not read it says why
    }
    let output = child.wait_with_output()?;
    match output.status.code() {
        Some(0 | PARTLY) => Ok(()),
        code => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
            let said = crate::output::readable(said.join("; ").as_bytes(), SAID);
            let code = code.map_or("a signal".into(), |code| format!("code {code}"));
            Err(transport(format!("{url}: rsync ended with {code}: {said}")))
        }
    }
}
