//! Conversations as data: `tests/transcripts/<protocol>/<what>.txt`, each fed whole and byte by byte.
//!
//! A line's first character says what it is; the rest may use `\r \n \t \0 \xNN \\`, and `{text*N}` repeats.
//!
//! ```text
//! #  a remark, such as which server sent this
//! @  a setting: see `settings`
//! >  from the peer. milter: a letter and the packet's data. clamd: bytes. Others: a line, CRLF is added unless it ends in
//!    `\`
//! D  a descriptor came with the last of these bytes
//! &  one part of an answer that has parts, sent at once: as with `+`
//! $  the peer ends its stream
//! ?  what the session asked, as `describe` puts it
//! +  a part of the answer that follows: see `add`
//! !  the decision, which sends the answer
//! ~  what the peer could not be told
//! T  `TLS`: the handshake is done
//! =  time passes: the peer is told to be patient
//! <  to the peer, in the same spelling as `>`
//! ```

use protocols::milter::codec::{Packet, packet};
use protocols::*;
use std::fmt::Write;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes().peekable();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'0') => out.push(0),
            Some(b'x') => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            Some(other) => out.push(other),
            None => panic!("{text}: a lone backslash"),
        }
    }
    out
}

/// `{x*300}` is three hundred x.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').and_then(|(inner, after)| Some((inner.rsplit_once('*')?, after))) {
            Some(((piece, times), after)) if times.parse::<usize>().is_ok() => {
                out.push_str(&piece.repeat(times.parse().unwrap()));
                rest = after;
            }
            _ => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = bytes;
    while let Some(b) = rest.first() {
        let run = rest.iter().take_while(|x| *x == b).count();
        if run >= 60 && b.is_ascii_alphanumeric() {
            write!(out, "{{{}*{run}}}", *b as char).unwrap();
            rest = &rest[run..];
            continue;
        }
        rest = &rest[1..];
        match b {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            0 => out.push_str("\\0"),
            b'\\' => out.push_str("\\\\"),
            32..=126 => out.push(*b as char),
            other => write!(out, "\\x{other:02x}").unwrap(),
        }
    }
    out
}

fn from_peer(protocol: &str, text: &str) -> Vec<u8> {
    let text = repeated(text);
    if protocol == "milter" {
        if let Some(raw) = text.strip_prefix("raw ") {
            return unescape(raw);
        }
        let (letter, data) = text.split_once(' ').unwrap_or((&text, ""));
        let data = unescape(data);
        let mut bytes = (data.len() as u32 + 1).to_be_bytes().to_vec();
        bytes.extend_from_slice(letter.as_bytes());
        bytes.extend(data);
        return bytes;
    }
    if protocol == "clamd" {
        return unescape(&text);
    }
    match text.strip_suffix('\\') {
        Some(open) => unescape(open),
        None => [unescape(&text).as_slice(), if protocol == "policy" { b"\n" } else { b"\r\n" }].concat(),
    }
}

fn to_peer(protocol: &str, mut bytes: &[u8], lines: &mut Vec<String>) {
    while !bytes.is_empty() {
        if protocol == "milter" {
            let Packet::Whole { letter, length } = packet(bytes, 1 << 24) else { panic!("half a packet was written") };
            lines.push(format!("< {} {}", letter as char, escape(&bytes[5..length])).trim_end().to_owned());
            bytes = &bytes[length..];
            continue;
        }
        let ends = |b: &u8| *b == b'\n' || protocol == "clamd" && *b == 0;
        let end = bytes.iter().position(ends).map_or(bytes.len(), |n| n + 1);
        let (line, rest) = bytes.split_at(end);
        if protocol == "clamd" {
            lines.push(format!("< {}", escape(line)));
            bytes = rest;
            continue;
        }
        let ending: &[u8] = if protocol == "policy" { b"\n" } else { b"\r\n" };
        lines.push(match line.strip_suffix(ending) {
            Some(line) => format!("< {}", escape(line)).trim_end().to_owned(),
            None => format!("< {}\\", escape(line)),
        });
        bytes = rest;
    }
}

fn text(path: &Path) -> String {
    let mut out = format!("<{}>", escape(&path.address));
    for (keyword, value) in &path.parameters {
        write!(out, " {keyword}").unwrap();
        if let Some(value) = value {
            write!(out, "={}", escape(value)).unwrap();
        }
    }
    out
}

fn describe_peer(peer: &Peer, lines: &mut Vec<String>) {
    let mut out = String::from("? peer");
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(out, " {name}={value}").unwrap();
        }
    };
    say("address", peer.address.map(|a| a.to_string()));
    say("port", peer.port.map(|p| p.to_string()));
    say("name", peer.name.clone());
    say("reverse", peer.reverse_name.clone());
    say("helo", peer.helo.as_ref().map(|h| escape(h)));
    say("protocol", peer.protocol.clone());
    say("user", peer.authenticated.as_ref().map(|a| format!("{}/{:?}", a.name, a.mechanism)));
    say("tls", peer.tls.as_ref().map(|t| format!("{:?}/{:?}/{:?}", t.version, t.cipher, t.bits)));
    say("local", peer.local.then(|| "yes".to_owned()));
    say("inside", peer.inside.then(|| "yes".to_owned()));
    say("by", peer.server.name.clone());
    say("software", peer.server.software.clone());
    say("listener", peer.server.listener.clone());
    say("at", peer.server.address.map(|a| a.to_string()));
    if out != "? peer" {
        lines.push(out);
    }
}

fn describe_content(content: &Content, lines: &mut Vec<String>) {
    let shown = &content.bytes[..content.bytes.len().min(2000)];
    for line in shown.split_inclusive(|b| *b == b'\n') {
        lines.push(match line.strip_suffix(b"\r\n") {
            Some(line) => format!("? | {}", escape(line)).trim_end().to_owned(),
            None => format!("? | {}\\", escape(line)),
        });
    }
    if shown.len() < content.bytes.len() {
        lines.push(format!("? {} bytes in all", content.bytes.len()));
    }
    if let Some(omitted) = content.omitted {
        lines.push(format!("? omitted {} bytes at {}", omitted.bytes, omitted.at));
    }
}

fn describe(event: &Event, lines: &mut Vec<String>) {
    match event {
        Event::Ask(ask) => {
            lines.push(format!("? ask {:?}", ask.stage));
            describe_peer(&ask.peer, lines);
            let mut say = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    lines.push(format!("? {name} {value}"));
                }
            };
            say("sender", ask.sender.as_ref().map(text));
            say("recipient", ask.recipient.as_ref().map(text));
            say("before", (ask.recipients_before > 0).then(|| ask.recipients_before.to_string()));
            say("queue", ask.queue_id.clone());
            say("size", ask.size.map(|s| s.to_string()));
            say("instance", ask.instance.clone());
        }
        Event::Scan(scan) => {
            lines.push(format!("? scan {:?}", scan.want));
            describe_peer(&scan.peer, lines);
            lines.extend(scan.user.iter().map(|u| format!("? user {u}")));
            lines.extend(scan.queue_id.iter().map(|q| format!("? queue {q}")));
            lines.extend(scan.sender.iter().map(|s| format!("? sender {}", text(s))));
            lines.extend(scan.recipients.iter().take(10).map(|r| format!("? recipient {}", text(r))));
            let content = Content { bytes: scan.message_to_judge("DATE"), ..scan.content.clone() };
            describe_content(&content, lines);
        }
        Event::Tell(tell) => {
            lines.push(format!("? tell spam={:?} set={} remove={}", tell.spam, places(tell.set), places(tell.remove)));
            lines.extend(tell.user.iter().map(|u| format!("? user {u}")));
            describe_content(&tell.content, lines);
        }
        Event::Inspect(inspect) => match &inspect.material {
            Material::Bytes(bytes) => {
                lines.push(format!("? inspect {:?}", inspect.walk));
                describe_content(&bytes.clone().into(), lines);
            }
            Material::Path(path) => lines.push(format!("? inspect {:?} {}", inspect.walk, escape(path))),
            Material::Descriptor => lines.push(format!("? inspect {:?}, a descriptor", inspect.walk)),
        },
        Event::Status(_) => lines.push("? status".into()),
        Event::Reload => lines.push("? reload".into()),
        Event::Shutdown => lines.push("? shutdown".into()),
        Event::Cancelled(_) => lines.push("? cancelled".into()),
        Event::StartTls => lines.push("? starttls".into()),
        Event::Trouble(trouble) => lines.push(format!("? trouble: {trouble}")),
        Event::Close => lines.push("? close".into()),
    }
}

fn places(places: Places) -> &'static str {
    match (places.local, places.remote) {
        (false, false) => "-",
        (true, false) => "local",
        (false, true) => "remote",
        (true, true) => "both",
    }
}

fn refusal(text: &str) -> Refusal {
    let mut words = text.splitn(3, ' ');
    let code = words.next().and_then(|c| c.parse().ok()).unwrap_or(0);
    let detail = words.next().and_then(|d| d.split_once('.')).map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap()));
    Refusal { code, detail, text: String::from_utf8(unescape(&repeated(words.next().unwrap_or("")))).unwrap() }
}

fn decision(text: &str) -> Decision {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    match verb {
        "accept" => Decision::Accept,
        "unseen" => Decision::AcceptUnseen,
        "reject" => Decision::Reject(refusal(rest)),
        "defer" => Decision::Defer(refusal(rest)),
        "discard" => Decision::Discard,
        "hold" => Decision::Quarantine(rest.to_owned()),
        other => panic!("no such decision: {other}"),
    }
}

fn add(answer: &mut Answer, line: &str) {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let path = |rest: &str| {
        let mut words = rest.split(' ');
        let mut path = Path::new(words.next().unwrap_or("").as_bytes());
        words.for_each(|w| path.add_parameter(w.as_bytes()));
        path
    };
    let field = |rest: &str| {
        let (index, field) = rest.split_once(' ').unwrap();
        let (name, value) = field.split_once(": ").unwrap_or((field, ""));
        (index.parse::<u32>().unwrap(), unescape(name), unescape(value))
    };
    match verb {
        "insert" => {
            let (index, name, value) = field(rest);
            answer.edits.push(Edit::InsertHeader { index, name, value });
        }
        "replace" => {
            let (index, name, value) = field(rest);
            answer.edits.push(Edit::ReplaceHeader { index, name, value });
        }
        "delete" => {
            let (index, name, _) = field(rest);
            answer.edits.push(Edit::DeleteHeader { index, name });
        }
        "body" => answer.edits.push(Edit::ReplaceBody(unescape(&repeated(rest)))),
        "rcpt" => answer.edits.push(Edit::AddRecipient(path(rest))),
        "-rcpt" => answer.edits.push(Edit::DeleteRecipient(unescape(rest))),
        "from" => answer.edits.push(Edit::ChangeSender(path(rest))),
        "each" => answer.recipients.push(decision(rest)),
        "words" => answer.words = Some(rest.to_owned()),
        "judge" => {
            let mut words = rest.splitn(4, ' ');
            let spam = words.next() == Some("spam");
            let score = words.next().unwrap().parse().unwrap();
            let threshold = words.next().unwrap().parse().unwrap();
            let text = words.next().map(unescape);
            answer.judgement = Some(Judgement { spam, score, threshold, text });
        }
        "set" => answer.told.set = Places { local: rest.contains("local"), remote: rest.contains("remote") },
        "removed" => answer.told.removed = Places { local: rest.contains("local"), remote: rest.contains("remote") },
        "untaught" => answer.told.refused = true,
        "status" => answer.status = Some(String::from_utf8(unescape(rest)).unwrap()),
        "clean" | "found" | "failed" => answer.findings.push(finding(None, line)),
        "file" => {
            let (path, line) = rest.split_once(' ').unwrap();
            answer.findings.push(finding(Some(unescape(path)), line));
        }
        other => panic!("no such part of an answer: {other}"),
    }
}

fn finding(path: Option<Vec<u8>>, line: &str) -> Finding {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let found = match verb {
        "clean" => Found::Nothing,
        "found" => Found::Names(rest.split(' ').map(|name| String::from_utf8(unescape(name)).unwrap()).collect()),
        "failed" => Found::Failed(rest.to_owned()),
        other => panic!("no such finding: {other}"),
    };
    Finding { path, found }
}

fn settings(settings: &mut Settings, line: &str) {
    let (key, value) = line.split_once(' ').unwrap_or((line, ""));
    let number = || value.parse::<usize>().unwrap_or_else(|_| panic!("{line}: a number is needed"));
    match key {
        "ask" => {
            let ask = Stages {
                connect: value.contains("connect"),
                helo: value.contains("helo"),
                mail: value.contains("mail"),
                recipient: value.contains("recipient"),
                data: value.contains("data"),
            };
            settings.milter.ask = ask;
            settings.smtp.ask = ask;
            settings.lmtp.ask = ask;
        }
        "content" => {
            let (bytes, tail) = value.split_once(' ').unwrap();
            let content = ContentLimits { bytes: bytes.parse().unwrap(), tail: tail.parse().unwrap() };
            settings.milter.content = content;
            settings.spamd.content = content;
        }
        "stream" => settings.clamd.stream = number(),
        "line" => settings.clamd.line = number(),
        "shutdown" => settings.clamd.shutdown = true,
        "no-reload" => settings.clamd.reload = false,
        "tell" => settings.spamd.tell = value == "on",
        "message" => {
            settings.spamd.message = number() as u64;
            settings.smtp.message = number();
        }
        "errors" => settings.smtp.errors = number(),
        "starttls" => settings.smtp.starttls = true,
        "plain" => {
            settings.smtp.eight_bit = false;
            settings.smtp.utf8 = false;
            settings.smtp.delivery_status = false;
            settings.smtp.forward = false;
        }
        "bare" => settings.smtp.bare_newline = smtp::BareNewline::Refuse,
        "hops" => settings.smtp.hops = number(),
        "mark" => settings.smtp.mark = Some(value.to_owned()),
        "headers" => settings.spamd.headers = number(),
        "attributes" => settings.policy.attributes = number(),
        "actions" => settings.milter.actions = number() as u32,
        "packet" => settings.milter.packet = number(),
        "recipients" => {
            settings.milter.recipients = number();
            settings.smtp.recipients = number();
        }
        other => panic!("no such setting: {other}"),
    }
}

/// Plays the conversation and returns it as it went.
fn play(protocol: &'static Protocol, script: &str, whole: bool) -> String {
    let mut config = Settings::default();
    let lines: Vec<&str> = script.lines().collect();
    for line in &lines {
        if let Some(line) = line.strip_prefix("@ ") {
            settings(&mut config, line);
        }
    }
    let connection =
        Connection { address: "192.0.2.99".parse().ok(), port: Some(4025), own: false, listener: Some("test".into()) };
    let mut session = (protocol.open)(&Arc::new(config), &connection);
    let mut told: Vec<String> = Vec::new();
    let mut open: Option<QuestionId> = None;
    let mut answer = Answer::default();
    let drain = |session: &mut dyn Session, told: &mut Vec<String>, open: &mut Option<QuestionId>| {
        let mut output = Vec::new();
        let mut events = Vec::new();
        while let Some(event) = session.next_event() {
            output.append(session.output());
            // What is written before an event is told before it.
            to_peer(protocol.name, &std::mem::take(&mut output), &mut events);
            match &event {
                Event::Ask(e) => *open = Some(e.id),
                Event::Scan(e) => *open = Some(e.id),
                Event::Tell(e) => *open = Some(e.id),
                Event::Inspect(e) => *open = Some(e.id),
                Event::Status(id) => *open = Some(*id),
                _ => {}
            }
            describe(&event, &mut events);
        }
        to_peer(protocol.name, &std::mem::take(session.output()), &mut events);
        told.append(&mut events);
    };
    let mut n = 0;
    let mut greeted = false;
    while n < lines.len() {
        let line = lines[n];
        n += 1;
        if !greeted && !line.starts_with(['#', '@']) {
            greeted = true;
            drain(&mut *session, &mut told, &mut open);
        }
        match line.get(..1) {
            Some("#" | "@") | None => told.push(line.to_owned()),
            Some(">") => {
                told.push(line.to_owned());
                let mut bytes = from_peer(protocol.name, line.get(2..).unwrap_or(""));
                while n < lines.len() && lines[n].starts_with('>') {
                    told.push(lines[n].to_owned());
                    bytes.extend(from_peer(protocol.name, lines[n].get(2..).unwrap_or("")));
                    n += 1;
                }
                let pieces: Vec<&[u8]> = if whole { vec![&bytes] } else { bytes.chunks(1).collect() };
                for (number, piece) in pieces.iter().enumerate() {
                    session.receive(piece);
                    if number + 1 == pieces.len() && lines.get(n) == Some(&"D") {
                        told.push(lines[n].to_owned());
                        n += 1;
                        session.receive_descriptor();
                    }
                    drain(&mut *session, &mut told, &mut open);
                }
            }
            Some("$") => {
                told.push(line.to_owned());
                session.end_of_input();
                drain(&mut *session, &mut told, &mut open);
            }
            Some("=") => {
                told.push(line.to_owned());
                session.progress();
                drain(&mut *session, &mut told, &mut open);
            }
            Some("&") => {
                told.push(line.to_owned());
                let mut part = Answer::default();
                add(&mut part, &line[2..]);
                let id = open.expect("a question is open");
                part.findings.iter().for_each(|finding| session.found(id, finding));
                drain(&mut *session, &mut told, &mut open);
            }
            Some("+") => {
                told.push(line.to_owned());
                add(&mut answer, &line[2..]);
            }
            Some("!") => {
                told.push(line.to_owned());
                answer.decision = decision(&line[2..]);
                let id = open.expect("a question is open");
                for unsaid in session.answer(id, &std::mem::take(&mut answer)) {
                    told.push(format!("~ {unsaid:?}").chars().take(120).collect());
                }
                drain(&mut *session, &mut told, &mut open);
            }
            Some("T") if line == "TLS" => {
                told.push(line.to_owned());
                session.tls_started(Tls { version: Some("TLSv1.3".into()), ..Tls::default() });
                drain(&mut *session, &mut told, &mut open);
            }
            Some("?" | "<" | "~") => {}
            Some(_) => panic!("what is this line: {line}"),
        }
    }
    told.join("\n") + "\n"
}

fn scripts(protocol: &str) -> Vec<PathBuf> {
    let dir = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(protocol);
    let mut found: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|e| e.unwrap().path())
        .collect();
    found.sort();
    found
}

#[test]
fn every_protocol_keeps_its_transcripts() {
    let mut wrong = Vec::new();
    for protocol in PROTOCOLS {
        let scripts = scripts(protocol.name);
        assert!(scripts.len() > 3, "{} has too few transcripts", protocol.name);
        for path in scripts {
            let script = std::fs::read_to_string(&path).unwrap();
            let name = format!("{}/{}", protocol.name, path.file_name().unwrap().to_string_lossy());
            for whole in [true, false] {
                // Fed whole, what a pipelining peer says next stands before what the session answers: the same lines in
                // the same order, since a transcript's peer waits wherever the answer is shown.
                let went = play(protocol, &script, whole);
                if went != script {
                    let how = if whole { "whole" } else { "byte by byte" };
                    wrong.push(format!("--- {name} ({how}) went\n{went}--- end"));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} transcripts went otherwise\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn protocols_are_sorted_and_described() {
    for pair in PROTOCOLS.windows(2) {
        assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
    }
    for known in PROTOCOLS {
        assert!(!known.about.is_empty() && known.port != 0);
        assert_eq!(protocol(known.name).map(|p| p.name), Some(known.name));
    }
}

/// Bytes that no peer would send: no session may panic, hold more than a bounded heap of input, or go on for ever.
#[test]
fn noise_is_survived() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for protocol in PROTOCOLS {
        let seeds: Vec<Vec<u8>> = scripts(protocol.name)
            .iter()
            .map(|path| {
                let script = std::fs::read_to_string(path).unwrap();
                script
                    .lines()
                    .filter_map(|l| l.strip_prefix('>'))
                    .flat_map(|l| from_peer(protocol.name, l.get(1..).unwrap_or("")))
                    .take(20_000)
                    .collect()
            })
            .collect();
        for round in 0..400 {
            let mut bytes = seeds[round % seeds.len()].clone();
            for _ in 0..1 + random() % 8 {
                if bytes.is_empty() {
                    break;
                }
                let at = random() as usize % bytes.len();
                match random() % 4 {
                    0 => bytes[at] = random() as u8,
                    1 => bytes.truncate(at),
                    2 => bytes.insert(at, random() as u8),
                    _ => {
                        let again = bytes[at..].to_vec();
                        bytes.extend(again.into_iter().take(500));
                    }
                }
            }
            let mut config = Settings::default();
            if round % 2 == 1 {
                settings(&mut config, "ask connect helo mail recipient data");
                settings(&mut config, "starttls");
                settings(&mut config, "content 60 20");
            }
            let mut session = (protocol.open)(&Arc::new(config), &Connection::default());
            let mut events = 0;
            for chunk in bytes.chunks(1 + random() as usize % 700) {
                if session.wants_input() {
                    session.receive(chunk);
                }
                while let Some(event) = session.next_event() {
                    events += 1;
                    assert!(events < 100_000, "{} goes on for ever", protocol.name);
                    let id = match &event {
                        Event::Ask(e) => Some(e.id),
                        Event::Scan(e) => Some(e.id),
                        Event::Tell(e) => Some(e.id),
                        Event::Inspect(e) => Some(e.id),
                        Event::Status(id) => Some(*id),
                        Event::StartTls => {
                            session.tls_started(Tls::default());
                            None
                        }
                        _ => None,
                    };
                    if let Some(id) = id
                        && random() % 4 != 0
                    {
                        let decision = match random() % 5 {
                            0 => Decision::Reject(Refusal::default()),
                            1 => Decision::Quarantine("x".into()),
                            2 => Decision::Discard,
                            _ => Decision::Accept,
                        };
                        let edits = vec![Edit::top("X", "y"), Edit::DeleteRecipient(b"a".into())];
                        session.answer(id, &Answer { decision, edits, ..Answer::default() });
                    }
                    session.progress();
                    if random() % 8 == 0 {
                        session.receive_descriptor();
                    }
                }
                session.output().clear();
            }
            session.end_of_input();
            let mut last = None;
            while let Some(event) = session.next_event() {
                last = Some(event);
            }
            // Whatever came: the end of the stream ends the session, unless its last question is still open.
            assert!(
                matches!(
                    last,
                    Some(
                        Event::Close
                            | Event::Scan(_)
                            | Event::Ask(_)
                            | Event::Tell(_)
                            | Event::Inspect(_)
                            | Event::Status(_)
                    ) | None
                ),
                "{}: {last:?}",
                protocol.name
            );
        }
    }
}
