//! Moving a mail teaches: the shipped sieve scripts in a real Dovecot, with mailboxes of ASCII and of Japanese names.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use support::{Folder, free_port, wait_until};

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/dovecot");
/// 迷惑メール as IMAP writes it (modified UTF-7), and ごみ箱.
const JUNK_JA: &str = "&j,dg0TDhMPww6w-";
const TRASH_JA: &str = "&MFQwf3ux-";
const NOBODY: u32 = 65534;

struct Dovecot(Child, u16, PathBuf);

impl Dovecot {
    /// `None`: there is no Dovecot that could be started.
    fn start(folder: &Folder, service: &str) -> Option<Dovecot> {
        let root = std::fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
        let modules = Path::new("/usr/lib/dovecot/modules/lib95_imap_sieve_plugin.so");
        if !root || !modules.exists() || !Path::new("/usr/lib/dovecot/imap").exists() {
            eprintln!("skipped: there is no Dovecot with IMAP and Sieve that this user may start");
            return None;
        }
        let (here, port) = (folder.0.display().to_string(), free_port());
        // The files as they are shipped, with the paths of this test.
        let installed = folder.0.join("dovecot");
        std::fs::create_dir_all(&installed).unwrap();
        // Where it was built the users may not go.
        let program = installed.join("sekisho");
        std::fs::copy(env!("CARGO_BIN_EXE_sekisho"), &program).unwrap();
        for name in ["sekisho-learn", "sekisho-spam.sieve", "sekisho-ham.sieve", "90-sekisho.conf"] {
            let text = std::fs::read_to_string(Path::new(SHIPPED).join(name)).unwrap();
            let text = text
                .replace("/usr/share/sekisho/dovecot", &installed.display().to_string())
                .replace("/usr/bin/sekisho", &program.display().to_string())
                .replace("unix:/run/sekisho/learn.sock", service);
            std::fs::write(installed.join(name), text).unwrap();
        }
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(installed.join("sekisho-learn"), executable).unwrap();
        let users =
            folder.file("users", &format!("ann@example.test:{{PLAIN}}secret:{NOBODY}:{NOBODY}::{here}/home::\n"));
        for owned in ["mail", "home"] {
            std::fs::create_dir_all(folder.0.join(owned)).unwrap();
            chown(folder.0.join(owned), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // Scripts are compiled beside their sources.
        chown(&installed, Some(NOBODY), Some(NOBODY)).unwrap();
        let settings = folder.file(
            "dovecot.conf",
            &format!(
                "base_dir = {here}/run\nlog_path = {here}/dovecot.log\nprotocols = imap\nssl = no\n\
                 disable_plaintext_auth = no\nmail_location = maildir:{here}/mail/%u\nfirst_valid_uid = {NOBODY}\n\
                 userdb {{\n driver = passwd-file\n args = {users}\n}}\npassdb {{\n driver = passwd-file\n args = {users}\n}}\n\
                 service imap-login {{\n inet_listener imap {{\n  address = 127.0.0.1\n  port = {port}\n }}\n \
                 inet_listener imaps {{\n  port = 0\n }}\n}}\n!include {}/90-sekisho.conf\n",
                installed.display(),
                users = users.display()
            ),
        );
        let child = Command::new("/usr/sbin/dovecot").arg("-F").arg("-c").arg(settings).spawn().unwrap();
        let dovecot = Dovecot(child, port, folder.0.join("dovecot.log"));
        wait_until("Dovecot answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(dovecot)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.2).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        support::signal(&self.0, "TERM"); // its children end with it
        let _ = self.0.wait();
    }
}

struct Imap(BufReader<TcpStream>);

impl Imap {
    fn log_in(port: u16) -> Imap {
        let mut imap = Imap(BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap()));
        assert!(imap.line().starts_with("* OK"));
        imap.ask("LOGIN ann@example.test secret");
        imap
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "Dovecot hung up");
        line
    }

    fn ask(&mut self, command: &str) {
        self.0.get_mut().write_all(format!("a {command}\r\n").as_bytes()).unwrap();
        self.done(command);
    }

    fn done(&mut self, command: &str) {
        loop {
            let line = self.line();
            if line.starts_with("a ") {
                assert!(line.starts_with("a OK"), "{command}: {line}");
                return;
            }
        }
    }

    fn append(&mut self, mailbox: &str, message: &str) {
        let message = message.replace('\n', "\r\n");
        self.0.get_mut().write_all(format!("a APPEND \"{mailbox}\" {{{}}}\r\n", message.len()).as_bytes()).unwrap();
        assert!(self.line().starts_with('+'));
        self.0.get_mut().write_all(format!("{message}\r\n").as_bytes()).unwrap();
        self.done("APPEND");
    }

    /// The first message of one mailbox into another.
    fn move_one(&mut self, from: &str, to: &str) {
        self.ask(&format!("SELECT \"{from}\""));
        self.ask(&format!("MOVE 1 \"{to}\""));
    }
}

fn mail(number: usize) -> String {
    format!(
        "From: \"店長\" <shop{number}@example.net>\nTo: ann@example.test\nSubject: =?UTF-8?B?44GU5rOo5paH?= {number}\n\
         Message-ID: <m{number}@example.net>\nDate: Fri, 20 Nov 2026 10:00:00 +0900\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=UTF-8\n\nご注文番号{number}を承りました。\n"
    )
}

#[test]
fn moving_mail_teaches() {
    let folder = Folder::new("imap");
    let rules = folder.file("rules.cf", "body ALWAYS /./\nscore ALWAYS 0.1\n");
    let (model, socket) = (folder.0.join("model"), folder.0.join("learn.sock"));
    let config = format!(
        "[[listen]]\nprotocol = \"spamd\"\nsocket = \"unix:{}\"\nmode = \"666\"\n[rules]\nset = \"none\"\n\
         extra = [{rules:?}]\n[store]\nlocation = \"\"\n[learn]\nfolder = {model:?}\ntell = true\n",
        socket.display()
    );
    let service = format!("unix:{}", socket.display());
    let Some(dovecot) = Dovecot::start(&folder, &service) else { return };
    let _sekisho = support::Sekisho::start(&folder, &config);
    let status = || {
        let said = Command::new(env!("CARGO_BIN_EXE_sekisho"))
            .args(["learn", "--model", model.to_str().unwrap(), "status"])
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let learnt = |ham: usize, spam: usize| {
        let wanted = format!("{ham} ham, {spam} spam learnt");
        wait_until(&format!("{wanted}; {}; Dovecot says:\n{}", status(), dovecot.log()), || status().contains(&wanted));
    };
    let mut imap = Imap::log_in(dovecot.1);
    for mailbox in ["Junk", JUNK_JA, "Trash", TRASH_JA, "Work"] {
        imap.ask(&format!("CREATE \"{mailbox}\""));
    }
    (0..3).for_each(|number| imap.append("INBOX", &mail(number)));
    // Into the mailboxes for spam, whatever their names are.
    imap.move_one("INBOX", "Junk");
    learnt(0, 1);
    imap.move_one("INBOX", JUNK_JA);
    learnt(0, 2);
    // From one of them into the other, or to the rubbish: nothing new is said.
    imap.move_one("Junk", JUNK_JA);
    learnt(0, 2);
    // Out: what was said is taken back, and the contrary said.
    imap.move_one(JUNK_JA, "INBOX");
    learnt(1, 1);
    imap.move_one(JUNK_JA, TRASH_JA);
    learnt(1, 1);
    imap.append(JUNK_JA, &mail(7));
    learnt(1, 2);
    imap.move_one(JUNK_JA, "Work");
    learnt(2, 1);
    // The user's own opinion counts too.
    assert!(status().contains("1 users with lessons of their own"), "{}", status());
    // Mail moved elsewhere says nothing.
    imap.move_one("Work", "Trash");
    imap.move_one("INBOX", "Work");
    learnt(2, 1);
    assert!(!dovecot.log().contains("Error:"), "{}", dovecot.log());
    drop(imap);
}
