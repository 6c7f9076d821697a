//! What single recipients want, from our store, from a real PostgreSQL, an SQLite file and a real slapd.

#[path = "../../store/tests/server/mod.rs"]
mod server;
mod support;

use server::Server;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use support::{Folder, Postfix, Sekisho, Smtp, free_port, wait_until};

const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

const ROWS: &str = "CREATE TABLE policy (address text PRIMARY KEY, spam text, reject_at double precision, note text);
    INSERT INTO policy VALUES ('sql@example.test', 'discard', NULL, 'his wish');
    INSERT INTO policy VALUES ('@example.test', 'redirect:all@example.test', NULL, NULL);
    INSERT INTO policy VALUES ('wrong@example.test', 'bounce', 5.0, NULL);";

fn config(folder: &Folder, lookup: &str) -> String {
    format!(
        "[[listen]]\nprotocol = \"milter\"\nsocket = \"unix:{0}/milter.sock\"\nmode = \"0666\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"{0}/store\"\n\
         [lookup]\nquery = \"SELECT * FROM policy WHERE address = $1\"\ncache = \"0s\"\n{lookup}",
        folder.0.display()
    )
}

/// Spam to all of these; what became of each copy.
fn fates(postfix: &Postfix, sekisho: &Sekisho, recipients: &[&str]) -> String {
    let before = sekisho.log().len();
    let mut smtp = Smtp::connect(postfix.port);
    for command in ["EHLO mx.example.net", "MAIL FROM:<joe@example.net>"] {
        assert!(smtp.ask(command).starts_with("250"));
    }
    for recipient in recipients {
        assert!(smtp.ask(&format!("RCPT TO:<{recipient}@example.test>")).starts_with("250"));
    }
    assert!(smtp.ask("DATA").starts_with("354"));
    let said = smtp.data(format!("From: joe@example.net\nSubject: hello\n\n{GTUBE}\n").as_bytes());
    wait_until("it is judged", || sekisho.log()[before..].iter().any(|line| line.contains("action=")));
    let line = sekisho.log()[before..].iter().find(|line| line.contains("action=")).unwrap().clone();
    format!("{} {line}", &said[..3])
}

/// A directory server with one entry, gone when the test is over.
struct Slapd(Child, u16);

impl Slapd {
    fn start(folder: &Folder) -> Option<Slapd> {
        if !std::path::Path::new("/usr/sbin/slapd").exists() {
            eprintln!("skipped: there is no slapd");
            return None;
        }
        let here = folder.0.display();
        std::fs::create_dir_all(folder.0.join("ldap")).unwrap();
        let settings = folder.file(
            "slapd.conf",
            &format!(
                "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
                 include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
                 pidfile {here}/slapd.pid\ndatabase mdb\nsuffix dc=example,dc=test\n\
                 rootdn cn=admin,dc=example,dc=test\nrootpw secret\ndirectory {here}/ldap\n\
                 access to * by dn=cn=admin,dc=example,dc=test read by anonymous auth\n"
            ),
        );
        let data = folder.file(
            "data.ldif",
            "dn: dc=example,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n\n\
             dn: uid=dir,dc=example,dc=test\nobjectClass: inetOrgPerson\nuid: dir\ncn: dir\nsn: dir\n\
             mail: dir@example.test\nemployeeType: quarantine\n",
        );
        let added = Command::new("slapadd").arg("-f").arg(&settings).arg("-l").arg(&data).status().unwrap();
        assert!(added.success());
        let port = free_port();
        let child = Command::new("/usr/sbin/slapd")
            .args(["-h", &format!("ldap://127.0.0.1:{port}"), "-d", "0", "-f"])
            .arg(&settings)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("slapd answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Slapd(child, port))
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_database_a_directory_and_our_store_are_asked() {
    let folder = Folder::new("lookup");
    let mut server = Server::postgresql();
    postgres::Client::connect(&server.location, postgres::NoTls).unwrap().batch_execute(ROWS).unwrap();
    let Some(slapd) = Slapd::start(&folder) else { return };
    let database = server.location.clone();
    let lookup = |on_error: &str| {
        format!(
            "sql = \"{}\"\nldap = \"ldap://127.0.0.1:{}\"\nbind_dn = \"cn=admin,dc=example,dc=test\"\n\
             bind_password = \"secret\"\nbase = \"dc=example,dc=test\"\nattributes = {{ employeeType = \"spam\" }}\n\
             on_error = \"{on_error}\"\n",
            database, slapd.1
        )
    };
    let sekisho = Sekisho::start(&folder, &config(&folder, &lookup("ignore")));
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}/milter.sock", folder.0.display())) else { return };
    let settings = folder.0.join("sekisho.toml").display().to_string();
    let user = |arguments: &[&str]| {
        let words = [&["user"], arguments, &["--config", &settings]].concat();
        let (text, code) = support::filter(env!("CARGO_BIN_EXE_sekisho"), &words, b"");
        (String::from_utf8(text).unwrap(), code)
    };
    assert_eq!(user(&["set", "Own@example.test", "spam", "pass"]).1, Some(0));
    assert_eq!(user(&["set", "own@example.test", "spam", "bounce"]).1, Some(2));
    assert_eq!(user(&["show", "own@example.test"]).0, "spam = pass\n");

    let said = fates(&postfix, &sekisho, &["sql", "dir", "own", "else", "wrong"]);
    let each = "actions=<sql@example.test>=discard,<dir@example.test>=quarantine,<own@example.test>=pass,\
                <else@example.test>=redirect,<wrong@example.test>=";
    assert!(said.contains(each), "{said}");
    assert!(said.contains("spam: \\\"bounce\\\" is no action"), "a mistake in the table is told: {said}");

    // In effect at once; and a database that is away is told, and what holds for everybody holds.
    assert_eq!(user(&["unset", "own@example.test", "spam"]).1, Some(0));
    assert!(fates(&postfix, &sekisho, &["own"]).contains("action=redirect"));
    server.crash();
    let said = fates(&postfix, &sekisho, &["sql"]);
    assert!(said.contains("action=tag") && said.contains("trouble=\"lookup: sql"), "{said}");
    drop(sekisho);
    let mut sekisho = Sekisho::start(&folder, &config(&folder, &lookup("defer")));
    assert!(fates(&postfix, &sekisho, &["sql"]).starts_with("451"));
    server.start();
    assert!(fates(&postfix, &sekisho, &["sql"]).contains("action=discard"));

    // It ends in good order, with the database as its store, too.
    let store = config(&folder, &lookup("defer")).replace(&format!("{}/store", folder.0.display()), &database);
    for settings in [None, Some(store)] {
        if let Some(settings) = settings {
            drop(sekisho);
            sekisho = Sekisho::start(&folder, &settings);
            assert!(fates(&postfix, &sekisho, &["sql"]).contains("action=discard"));
        }
        sekisho.signal("TERM");
        assert_eq!(sekisho.ends(), Some(0), "{}", sekisho.log().join("\n"));
    }
}

#[test]
fn a_file_is_asked() {
    let folder = Folder::new("lookup-file");
    let file = folder.0.join("policy.db");
    rusqlite::Connection::open(&file).unwrap().execute_batch(ROWS).unwrap();
    let sekisho = Sekisho::start(&folder, &config(&folder, &format!("sql = \"sqlite:{}\"\n", file.display())));
    let Some(postfix) = Postfix::start(&folder, &format!("unix:{}/milter.sock", folder.0.display())) else { return };
    assert!(fates(&postfix, &sekisho, &["sql"]).contains("action=discard"));
    assert!(fates(&postfix, &sekisho, &["else"]).contains("action=redirect"));
    std::fs::remove_file(&file).unwrap();
    let said = fates(&postfix, &sekisho, &["sql"]);
    assert!(said.contains("action=tag") && said.contains("policy.db"), "{said}");
}
