//! A Postfix of its own: own folders, own ports, stopped in the end. Needs root, as Postfix does. The tests of `app` use
//! it too.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Postfix {
    folder: PathBuf,
}

/// What `virtual` delivers as.
const NOBODY: u32 = 65_534;

impl Postfix {
    /// `listen`: ports of the loopback address, each with options for its `smtpd`. `main`: lines of `main.cf` beyond the
    /// common ones. `None`: there is no Postfix here, or nobody who may start one.
    pub fn start(folder: &Path, listen: &[(u16, String)], main: &str) -> Option<Postfix> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
        if !root || !Path::new("/usr/sbin/postfix").exists() {
            eprintln!("skipped: there is no Postfix that this user may start");
            return None;
        }
        for name in ["etc", "queue", "data", "mail"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let line = passwd.lines().find(|line| line.starts_with("postfix:")).expect("Postfix has a user");
        let user: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
        chown(folder.join("data"), Some(user), None).unwrap();
        chown(folder.join("mail"), Some(NOBODY), None).unwrap();
        let here = folder.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {here}/queue\ndata_directory = {here}/data\n\
             config_directory = {here}/etc\nmaillog_file = {here}/log\nmaillog_file_prefixes = {here}\n\
             command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmydestination =\nalias_maps =\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
             virtual_mailbox_base = {here}/mail\nvirtual_uid_maps = static:{NOBODY}\n\
             virtual_gid_maps = static:{NOBODY}\nmilter_default_action = tempfail\n\
             smtpd_authorized_xclient_hosts = 127.0.0.0/8\n{main}"
        );
        let mut master = String::new();
        for (port, options) in listen {
            master.push_str(&format!("127.0.0.1:{port} inet n - n - - smtpd {options}\n"));
        }
        for (name, kind, private, process) in [
            ("pickup", "unix", "n", "pickup"),
            ("cleanup", "unix", "n", "cleanup"),
            ("qmgr", "unix", "n", "qmgr"),
            ("rewrite", "unix", "-", "trivial-rewrite"),
            ("bounce", "unix", "-", "bounce"),
            ("defer", "unix", "-", "bounce"),
            ("trace", "unix", "-", "bounce"),
            ("proxymap", "unix", "-", "proxymap"),
            ("smtp", "unix", "-", "smtp"),
            ("lmtp", "unix", "-", "lmtp"),
            ("error", "unix", "-", "error"),
            ("retry", "unix", "-", "error"),
            ("virtual", "unix", "-", "virtual"),
            ("anvil", "unix", "-", "anvil"),
            ("tlsmgr", "unix", "-", "tlsmgr"),
            ("showq", "unix", "n", "showq"),
            ("flush", "unix", "n", "flush"),
            ("postlog", "unix-dgram", "n", "postlogd"),
        ] {
            let private = if private == "n" { "n" } else { "y" };
            let unprivileged = if process == "virtual" { "n" } else { "-" };
            let limit = match process {
                "qmgr" | "pickup" | "anvil" | "tlsmgr" | "postlogd" => "1",
                "cleanup" | "bounce" | "flush" => "0",
                _ => "-",
            };
            let wakeup = match process {
                "qmgr" => "300",
                "pickup" => "60",
                _ => "-",
            };
            master.push_str(&format!("{name} {kind} {private} {unprivileged} n {wakeup} {limit} {process}\n"));
        }
        std::fs::write(folder.join("etc/main.cf"), main).unwrap();
        std::fs::write(folder.join("etc/master.cf"), master).unwrap();
        let postfix = Postfix { folder: folder.to_owned() };
        assert!(postfix.control("start"), "{}", postfix.log());
        Some(postfix)
    }

    pub fn control(&self, verb: &str) -> bool {
        let etc = self.folder.join("etc");
        let status = Command::new("/usr/sbin/postfix").arg("-c").arg(etc).arg(verb).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.control("stop");
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder); // else it is left for a look
        }
    }
}
