//! `sekisho serve` in clamd's place: the same words as the real clamd, and its own clients against us.

mod support;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::fs;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::clamd::{Clamd, eicar};
use support::{Folder, Postfix, Sekisho, contains, free_port, wait_until};

/// With no signatures but those that the test brings.
fn serve(folder: &Folder, more: &str) -> Sekisho {
    let none = if more.contains("[signatures]") { "" } else { "[signatures]\nfolders = []\n" };
    let config = format!(
        "[[listen]]\nprotocol = \"clamd\"\nsocket = \"unix:{0}/ours.sock\"\nmode = \"0666\"\n\
         [[listen]]\nprotocol = \"clamd\"\nsocket = \"inet:127.0.0.1:0\"\n\
         [rules]\nset = \"shipped\"\n[store]\nlocation = \"\"\n{none}{more}",
        folder.0.display()
    );
    Sekisho::start(folder, &config)
}

/// Files to be scanned.
fn things(folder: &Folder) -> String {
    let place = folder.0.join("things");
    fs::create_dir_all(place.join("dirty/below")).unwrap();
    fs::create_dir_all(place.join("clean")).unwrap();
    fs::write(place.join("eicar.com"), eicar()).unwrap();
    fs::write(place.join("dirty/one"), eicar()).unwrap();
    fs::write(place.join("dirty/below/two"), eicar()).unwrap();
    fs::write(place.join("dirty/good"), "nothing in here\n").unwrap();
    fs::write(place.join("clean/good"), "nothing in here\n").unwrap();
    fs::write(place.join("clean/empty"), "").unwrap();
    let encoded = "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNU\nLUZJTEUhJEgrSCo=\n";
    fs::write(
        place.join("mail.eml"),
        format!(
            "From: a@example.net\nTo: b@example.test\nSubject: look\nMIME-Version: 1.0\n\
             Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhello\n--b\n\
             Content-Type: application/octet-stream; name=a.bin\nContent-Transfer-Encoding: base64\n\n{encoded}\n--b--\n"
        ),
    )
    .unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    place.display().to_string()
}

fn stream(chunks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in chunks.iter().chain(&[&b""[..]]) {
        bytes.extend_from_slice(&(chunk.len() as u32).to_be_bytes());
        bytes.extend_from_slice(chunk);
    }
    bytes
}

/// Everything that comes back; what breaks the connection is part of it.
fn all(stream: &mut impl Read) -> String {
    let mut said = Vec::new();
    let error = stream.read_to_end(&mut said).err().map(|error| format!("<{error}>")).unwrap_or_default();
    String::from_utf8_lossy(&said).into_owned() + &error
}

fn ask(socket: &Path, bytes: &[u8]) -> String {
    let mut connection = UnixStream::connect(socket).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let _ = connection.write_all(bytes); // a server that has heard enough may have left
    all(&mut connection)
}

/// Bytes, the last of them with a descriptor.
fn pass(connection: &UnixStream, bytes: &[u8], file: &impl AsFd) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptors = [file.as_fd()];
    assert!(beside.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let sent = rustix::net::sendmsg(connection, &[IoSlice::new(bytes)], &mut beside, SendFlags::empty());
    assert_eq!(sent, Ok(bytes.len()));
}

/// What may differ: our version, the mark of unofficial signatures, numbers of descriptors, the order of a folder's files.
fn alike(reply: &str) -> Vec<String> {
    let mut lines: Vec<String> = reply
        .replace(".UNOFFICIAL", "")
        .replace(concat!("-sekisho-", env!("CARGO_PKG_VERSION")), "")
        .split_inclusive(['\n', '\0'])
        .map(|line| match (line.find("fd["), line.find("]: ")) {
            (Some(start), Some(end)) => format!("{}fd{}", &line[..start], &line[end..]),
            _ => line.to_owned(),
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_same_words_as_the_real_one() {
    let folder = Folder::new("clamd-words");
    let place = things(&folder);
    let real = Clamd::start(&folder, "", "StreamMaxLength 100K\n");
    let _ours = serve(&folder, "[clamd]\nstream = \"100KiB\"\n");
    let socket = folder.0.join("ours.sock");
    let in_stream = |framing: &str, bytes: &[u8]| [framing.as_bytes(), &stream(&[bytes])].concat();
    let mut questions: Vec<Vec<u8>> = [
        "PING",
        "PING\n",
        "PING\r\n",
        "zPING\0",
        "nPING\n",
        "nPING\r\n",
        "nping\n",
        "nPING x\n",
        "VERSION\n",
        "zVERSION\0",
        "nVERSIONCOMMANDS\n",
        "VERSIONCOMMANDS\n",
        "nFOO\n",
        "zFOO\0",
        "nEND\n",
        "\n",
        "z\0",
        "nSCAN\n",
        "nSCAN \n",
        "nSCAN relative\n",
        "nSCAN /does/not/exist\n",
        "nCONTSCAN /does/not/exist\n",
        "nDETSTATS\n",
        "nRELOAD\n",
        "nINSTREAM x\n",
        "nFILDES\nx",
        "zIDSESSION\0zPING\0zVERSION\0zEND\0",
        "zIDSESSION\0zCONTSCAN /tmp\0",
        "zIDSESSION\0zFOO\0",
        "nIDSESSION\nnIDSESSION\n",
        "SCAN /dev/null\n",
        "nMULTISCAN /dev/null\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    for command in ["SCAN", "CONTSCAN", "MULTISCAN", "ALLMATCHSCAN"] {
        for what in ["eicar.com", "mail.eml", "clean", "clean/empty", "clean/good", "dirty/good", "no such thing"] {
            questions.push(format!("n{command} {place}/{what}\n").into_bytes());
        }
    }
    questions.push(format!("CONTSCAN {place}/dirty\n").into_bytes()); // amavisd
    questions.push(format!("nMULTISCAN {place}/dirty\n").into_bytes());
    questions.push(format!("SCAN {place}/eicar.com").into_bytes()); // pyClamd
    let mail = fs::read(format!("{place}/mail.eml")).unwrap();
    questions.push(in_stream("zINSTREAM\0", &eicar()));
    questions.push(in_stream("nINSTREAM\n", &mail)); // rspamd
    questions.push(in_stream("nINSTREAM\n", b"clean"));
    questions.push(in_stream("zINSTREAM\0", b""));
    questions.push(in_stream("INSTREAM\n", b"clean"));
    questions.push([b"zINSTREAM\0", &stream(&[&mail[..100], &mail[100..]])[..]].concat());
    let session = [&b"zIDSESSION\0zPING\0"[..], &in_stream("zINSTREAM\0", &eicar()), &in_stream("zINSTREAM\0", b"x")];
    questions.push([&session.concat()[..], format!("zSCAN {place}/dirty/one\0zEND\0").as_bytes()].concat());
    for question in &questions {
        let (real, ours) = (ask(&real.socket, question), ask(&socket, question));
        let shown = String::from_utf8_lossy(&question[..question.len().min(60)]).into_owned();
        assert_eq!(alike(&ours), alike(&real), "{shown:?}");
    }

    // In a folder the first file found is enough, whichever is the first.
    for command in ["SCAN", "ALLMATCHSCAN"] {
        let question = format!("z{command} {place}/dirty\0");
        for socket in [&real.socket, &socket] {
            let said = ask(socket, question.as_bytes());
            assert!(said.matches("FOUND").count() == 1 && !said.contains("OK"), "{said}");
        }
    }

    // Descriptors: after the command, and in the same packet; a folder's is none.
    let (file, directory) = (fs::File::open(format!("{place}/mail.eml")).unwrap(), fs::File::open(&place).unwrap());
    let passed = |socket: &Path, first: &[u8], second: &[u8], file: &fs::File| {
        let mut connection = UnixStream::connect(socket).unwrap();
        if !first.is_empty() {
            connection.write_all(first).unwrap();
        }
        pass(&connection, second, file);
        connection.write_all(b"").unwrap();
        all(&mut connection)
    };
    for (first, second, file) in [
        (&b"zFILDES\0"[..], &b"\0"[..], &file),
        (b"nFILDES\n", b"x", &file),
        (b"FILDES\n", b"x", &file),
        (b"", b"nFILDES\nx", &file),
        (b"zFILDES\0", b"\0", &directory),
        (b"zIDSESSION\0zFILDES\0", b"\0zEND\0", &file),
    ] {
        let (real, ours) = (passed(&real.socket, first, second, file), passed(&socket, first, second, file));
        assert_eq!(alike(&ours), alike(&real), "{first:?} {second:?}");
        assert!(ours.contains(if std::ptr::eq(file, &directory) { "ERROR" } else { "FOUND" }), "{ours}");
    }
    let said = passed(&socket, b"", b"zIDSESSION\0", &file);
    assert_eq!(said, "1: PROTOCOL ERROR: ancillary data sent without FILDES. ERROR\0");

    // STATS has our own figures, in clamd's form.
    let (real, ours) = (ask(&real.socket, b"nSTATS\n"), ask(&socket, b"nSTATS\n"));
    for reply in [&real, &ours] {
        for piece in
            ["POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live ", "\nQUEUE: 0 items\n", "\nMEMSTATS: heap ", "\nEND\n"]
        {
            assert!(reply.contains(piece), "{piece:?} in {reply}");
        }
    }
}

/// As the real one says it.
#[test]
fn signatures_are_asked_and_reloaded() {
    let folder = Folder::new("clamd-signatures");
    let place = things(&folder);
    let own = "Own.Good-1:0:*:6e6f7468696e6720696e2068657265\nOwn.Here-2:0:*:696e2068657265??\n";
    let real = Clamd::start(&folder, own, "");
    let database = folder.0.join("clamd/db");
    let sekisho = serve(&folder, &format!("[signatures]\nfolders = [\"{}\"]\n", database.display()));
    let socket = folder.0.join("ours.sock");
    let questions = |more: &[&str]| {
        let mut questions = vec![[b"zINSTREAM\0", &stream(&[b"there is nothing in here, really"])[..]].concat()];
        for command in ["SCAN", "CONTSCAN", "ALLMATCHSCAN"] {
            for what in ["clean/good", "eicar.com", "mail.eml", "clean/empty"].iter().chain(more) {
                questions.push(format!("n{command} {place}/{what}\n").into_bytes());
            }
        }
        questions
    };
    let words = |reply: String| {
        let mut lines: Vec<String> = reply.split_inclusive(['\n', '\0']).map(str::to_owned).collect();
        lines.sort();
        // The real one names what it finds once for each copy that it makes of a text; we once.
        lines.dedup();
        lines
    };
    for question in questions(&["dirty/good"]) {
        let (real, ours) = (ask(&real.socket, &question), ask(&socket, &question));
        assert!(!ours.contains("ERROR"), "{ours}");
        assert_eq!(words(ours), words(real), "{:?}", String::from_utf8_lossy(&question));
    }
    folder.file("clamd/db/new.ndb", "Own.New-3:0:*:6272616e64206e6577\n");
    let question = [b"zINSTREAM\0", &stream(&[b"a brand new thing"])[..]].concat();
    assert_eq!(ask(&socket, &question), "stream: OK\0");
    assert_eq!(ask(&socket, b"zRELOAD\0"), "RELOADING\0");
    wait_until("the new signature is in force", || ask(&socket, &question) == "stream: Own.New-3.UNOFFICIAL FOUND\0");
    drop(sekisho);
}

/// Every scan gets its answer by a whole set, the one before or the one after.
#[test]
fn scans_go_on_while_signatures_are_exchanged() {
    let folder = Folder::new("clamd-exchange");
    let write = |number: u32| {
        // Enough of them that reading takes a while.
        let mut text = format!("Own.Always-1:0:*:616c776179732068657265\nOwn.Set-{number}:0:*:{}\n", hex(number));
        (0..20_000).for_each(|other| text += &format!("Own.Other-{other}:0:*:{other:08x}6f7468657220{number:02x}\n"));
        folder.file("sigs/own.ndb.draft", &text);
        fs::rename(folder.0.join("sigs/own.ndb.draft"), folder.0.join("sigs/own.ndb")).unwrap();
    };
    fs::create_dir_all(folder.0.join("sigs")).unwrap();
    write(0);
    let sekisho = serve(&folder, &format!("[signatures]\nfolders = [\"{}/sigs\"]\n", folder.0.display()));
    let socket = folder.0.join("ours.sock");
    let always = [b"zINSTREAM\0", &stream(&[b"it is always here"])[..]].concat();
    let of_set = |number: u32| [b"zINSTREAM\0", &stream(&[format!("set number {number:04}").as_bytes()])[..]].concat();
    let over = AtomicBool::new(false);
    let scans: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut scans = 0;
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(ask(&socket, &always), "stream: Own.Always-1.UNOFFICIAL FOUND\0");
                        scans += 1;
                    }
                    scans
                })
            })
            .collect();
        for number in 1..=4 {
            write(number);
            assert_eq!(ask(&socket, b"zRELOAD\0"), "RELOADING\0");
            let expected = format!("stream: Own.Set-{number}.UNOFFICIAL FOUND\0");
            wait_until("the new set is in force", || ask(&socket, &of_set(number)) == expected);
            assert_eq!(ask(&socket, &of_set(number - 1)), "stream: OK\0");
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(scans > 4, "{scans}");
    drop(sekisho);
}

fn hex(number: u32) -> String {
    format!("number {number:04}").bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn too_long_is_told_and_the_connection_not_broken() {
    let folder = Folder::new("clamd-long");
    let sekisho = serve(&folder, "[clamd]\nstream = \"1MiB\"\nread = \"1s\"\n");
    let big = vec![b'x'; 1 << 20];
    let question = [b"zINSTREAM\0", &stream(&[&big, &big])[..]].concat();
    // A client that first writes everything and then reads, as most do. The real clamd breaks this connection.
    let reply = "INSTREAM size limit exceeded. ERROR\0";
    assert_eq!(ask(&folder.0.join("ours.sock"), &question), reply);
    let mut tcp = TcpStream::connect(("127.0.0.1", sekisho.port("clamd"))).unwrap();
    tcp.write_all(&question).unwrap();
    assert_eq!(all(&mut tcp), reply);
    // Exactly the limit is allowed.
    let question = [b"zINSTREAM\0", &stream(&[&big])[..]].concat();
    assert_eq!(ask(&folder.0.join("ours.sock"), &question), "stream: OK\0");
    // Files too, and whoever falls silent is told.
    let long = folder.0.join("long");
    fs::write(&long, [&big[..], b"x"].concat()).unwrap();
    let said = ask(&folder.0.join("ours.sock"), format!("zSCAN {}\0", long.display()).as_bytes());
    assert_eq!(said, format!("{}: File size limit exceeded. ERROR\0", long.display()));
    assert_eq!(ask(&folder.0.join("ours.sock"), b"zINSTREAM\0\0\0\0\x05ab"), "COMMAND READ TIMED OUT\0");
}

#[test]
fn who_may_do_what() {
    let folder = Folder::new("clamd-may");
    let place = things(&folder);
    let mut sekisho = serve(&folder, "[clamd]\npaths = \"none\"\nreload = false\n");
    let socket = folder.0.join("ours.sock");
    let path = format!("{place}/eicar.com");
    assert_eq!(ask(&socket, format!("zSCAN {path}\0").as_bytes()), format!("{path}: Access denied. ERROR\0"));
    assert_eq!(ask(&socket, b"nRELOAD\n"), "COMMAND UNAVAILABLE\n");
    assert_eq!(ask(&socket, b"nSHUTDOWN\n"), "COMMAND UNAVAILABLE\n");
    sekisho.signal("TERM");
    assert_eq!(sekisho.ends(), Some(0));

    let mut sekisho = serve(&folder, "[clamd]\nfiles = 1\nshutdown = true\n");
    let said = ask(&socket, format!("zCONTSCAN {place}/clean\0").as_bytes());
    assert!(said.contains("More files than clamd.files allows. ERROR"), "{said}");
    assert_eq!(ask(&socket, b"nRELOAD\n"), "RELOADING\n");
    sekisho.wait_for("rules reloaded");
    assert_eq!(ask(&socket, b"SHUTDOWN\n"), "");
    assert_eq!(sekisho.ends(), Some(0));
}

/// `clamdscan` with these options: what it says, and its exit code.
fn clamdscan(config: &Path, options: &[&str]) -> (String, Option<i32>) {
    let output = Command::new("clamdscan").arg("--config-file").arg(config).args(options).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.code())
}

#[test]
fn clamdscan_works_unchanged() {
    let folder = Folder::new("clamdscan");
    let place = things(&folder);
    let sekisho = serve(&folder, "");
    let local = folder.file("local.conf", &format!("LocalSocket {}/ours.sock\n", folder.0.display()));
    let tcp = folder.file("tcp.conf", &format!("TCPSocket {}\nTCPAddr 127.0.0.1\n", sekisho.port("clamd")));
    for config in [&local, &tcp] {
        for options in
            [&[][..], &["--stream"], &["--fdpass"], &["--multiscan"], &["--multiscan", "--fdpass"], &["--allmatch"]]
        {
            if config == &tcp && options.contains(&"--fdpass") {
                continue; // descriptors pass over Unix sockets alone
            }
            let scan = |what: &str| clamdscan(config, &[options, &[&format!("{place}/{what}")]].concat());
            let (said, code) = scan("clean");
            assert_eq!(code, Some(0), "{options:?}: {said}");
            assert!(said.contains("Infected files: 0"), "{said}");
            let (said, code) = scan("dirty");
            assert_eq!(code, Some(1), "{options:?}: {said}");
            assert!(said.contains("dirty/one: Eicar-Test-Signature FOUND"), "{options:?}: {said}");
            assert!(said.contains("dirty/below/two: Eicar-Test-Signature FOUND"), "{options:?}: {said}");
            let (said, code) = scan("mail.eml");
            assert_eq!(code, Some(1), "{options:?}: {said}");
            assert!(said.contains("Infected files: 1"), "{said}");
            let (said, code) = scan("missing");
            assert_eq!(code, Some(2), "{options:?}: {said}");
        }
        let (said, code) = clamdscan(config, &["--ping", "3"]);
        assert!(code == Some(0) && said.contains("PONG"), "{said}");
        let (said, code) = clamdscan(config, &["--version"]);
        assert!(code == Some(0) && said.starts_with("ClamAV 1.4.6-sekisho-"), "{said}");
        let (said, code) = clamdscan(config, &["--reload"]);
        assert_eq!(code, Some(0), "{said}");
    }
    sekisho.wait_for("rules reloaded");
    sekisho.wait_for("found Eicar-Test-Signature");
}

#[test]
fn clamav_milter_works_unchanged() {
    let folder = Folder::new("clamav-milter");
    let _sekisho = serve(&folder, "");
    let port = free_port();
    let config = folder.file(
        "milter.conf",
        &format!(
            "MilterSocket inet:{port}@127.0.0.1\nClamdSocket unix:{}/ours.sock\nForeground yes\nOnInfected Reject\n\
             RejectMsg found %v\nOnFail Defer\nAddHeader Replace\nTemporaryDirectory {}\n",
            folder.0.display(),
            folder.0.display()
        ),
    );
    let mut milter = Command::new("clamav-milter").arg("-c").arg(config).spawn().unwrap();
    wait_until("clamav-milter listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    if let Some(postfix) = Postfix::start(&folder, &format!("inet:127.0.0.1:{port}")) {
        let mail = |number: u32, body: &[u8]| {
            let header = format!(
                "From: Joe <joe@example.net>\nTo: ann@example.test\nSubject: hello\n\
                 Date: Mon, 5 Jan 2026 09:45:12 +0000\nMessage-ID: <{number}@example.net>\n\n"
            );
            [header.as_bytes(), body, b"\n"].concat()
        };
        let said = postfix.send(&mail(1, &eicar()));
        assert!(said.starts_with('5') && said.contains("found Eicar-Test-Signature"), "{said}\n{}", postfix.log());
        assert!(postfix.send(&mail(2, b"nothing in here")).starts_with("250"), "{}", postfix.log());
        assert!(contains(&postfix.delivery("<2@example.net>"), "X-Virus-Status: Clean"));
    }
    milter.kill().unwrap();
    milter.wait().unwrap();
}

#[test]
fn a_client_that_half_closes_or_leaves_harms_nobody() {
    let folder = Folder::new("clamd-leaves");
    let sekisho = serve(&folder, "");
    let mut half = TcpStream::connect(("127.0.0.1", sekisho.port("clamd"))).unwrap();
    half.write_all(b"PING").unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    assert_eq!(all(&mut half), "PONG\n");
    for _ in 0..50 {
        let mut gone = UnixStream::connect(folder.0.join("ours.sock")).unwrap();
        gone.write_all(b"zINSTREAM\0\0\0\x10\0half of it").unwrap();
    }
    assert_eq!(ask(&folder.0.join("ours.sock"), b"zPING\0"), "PONG\0");
}
