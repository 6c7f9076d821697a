//! Conversations with other scanners: `tests/scanners/<kind>/<what>.txt`, each with the scanner's bytes fed whole and byte by
//! byte.
//!
//! ```text
//! #  a remark
//! @  session (clamd), or an ICAP server's `host/service`
//! *  a task: `ping`, `scan TEXT`, `file PATH`, `finish`
//! >  from the scanner
//! $  the scanner ends its stream
//! <  to the scanner
//! ?  what the client reports
//! ```
//!
//! Escapes `\r \n \t \0 \xNN \\`; `{text*N}` repeats; outgoing bytes are shown line by line.

use protocols::scanner::{Client, Event, KINDS, Kind, Options, Task};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '{'
            && let Some((inner, after)) = rest.split_once('}')
            && let Some((piece, times)) = inner.rsplit_once('*')
            && let Ok(times) = times.parse::<usize>()
        {
            out.extend(unescape(piece).repeat(times));
            rest = after;
            continue;
        }
        if c != '\\' {
            out.extend(c.to_string().bytes());
            continue;
        }
        let (escape, after) = rest.split_at(1);
        rest = after;
        match escape {
            "r" => out.push(b'\r'),
            "n" => out.push(b'\n'),
            "t" => out.push(b'\t'),
            "0" => out.push(0),
            "x" => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            other => out.extend(other.bytes()),
        }
    }
    out
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            0 => out.push_str("\\0"),
            b'\\' => out.push_str("\\\\"),
            32..=126 => out.push(*byte as char),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out
}

fn open(kind: &Kind, script: &str) -> Box<dyn Client> {
    let mut options = Options::default();
    for line in script.lines().filter_map(|line| line.strip_prefix("@ ")) {
        match line.split_once('/') {
            _ if line == "session" => options.session = true,
            Some((host, service)) => (options.host, options.service) = (host.into(), service.into()),
            None => panic!("{line}"),
        }
    }
    (kind.open)(&options)
}

fn give(client: &mut dyn Client, line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "ping" => client.ask(Task::Ping),
        "scan" => client.ask(Task::Scan(Arc::new(unescape(rest)))),
        "file" => client.ask(Task::File(unescape(rest))),
        "finish" => client.finish(),
        other => panic!("no such task: {other}"),
    }
}

fn drain(client: &mut dyn Client, told: &mut Vec<String>, said: &mut Vec<u8>) {
    loop {
        let event = client.next_event();
        client.fill();
        while !client.output().is_empty() {
            said.append(client.output());
            client.fill();
        }
        match event {
            None => return,
            Some(event) => {
                flush(told, said);
                told.push(match event {
                    Event::Report { task, report } => format!("? {task} {report:?}"),
                    Event::Close => "? close".into(),
                });
            }
        }
    }
}

/// What was said, line by line.
fn flush(told: &mut Vec<String>, said: &mut Vec<u8>) {
    let bytes = std::mem::take(said);
    told.extend(bytes.split_inclusive(|byte| *byte == b'\n').map(|line| format!("< {}", escape(line))));
}

fn play(kind: &Kind, script: &str, whole: bool) -> String {
    let mut client = open(kind, script);
    let (mut told, mut said) = (Vec::new(), Vec::new());
    for line in script.lines() {
        if matches!(line.get(..1), Some("?" | "<")) {
            continue;
        }
        flush(&mut told, &mut said);
        told.push(line.to_owned());
        let rest = line.get(2..).unwrap_or_default();
        match line.get(..1) {
            Some("*") => give(&mut *client, rest),
            Some(">") if whole => client.receive(&unescape(rest)),
            Some(">") => {
                for byte in unescape(rest) {
                    client.receive(&[byte]);
                    drain(&mut *client, &mut told, &mut said);
                }
            }
            Some("$") => client.end_of_input(),
            Some("#" | "@") | None => {}
            Some(other) => panic!("what is this line: {other}"),
        }
        drain(&mut *client, &mut told, &mut said);
    }
    flush(&mut told, &mut said);
    told.join("\n") + "\n"
}

fn scripts(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scanners").join(kind);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn every_kind_keeps_its_transcripts() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let scripts = scripts(kind.name);
        assert!(scripts.len() > 3, "{} has too few transcripts", kind.name);
        for path in scripts {
            let script = std::fs::read_to_string(&path).unwrap();
            for whole in [true, false] {
                let went = play(kind, &script, whole);
                if went != script {
                    wrong.push(format!("--- {} (whole: {whole}) went\n{went}--- end", path.display()));
                    break;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} transcripts went otherwise\n{}", wrong.len(), wrong.join("\n"));
}

/// Whatever a scanner answers: nothing panics or goes on for ever, and every task is reported on exactly once.
#[test]
fn noise_is_survived() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for kind in KINDS {
        for path in scripts(kind.name) {
            let script = std::fs::read_to_string(&path).unwrap();
            for _ in 0..60 {
                let mut client = open(kind, &script);
                let (mut asked, mut reported) = (0, Vec::new());
                let mut events = |client: &mut dyn Client| {
                    while let Some(event) = client.next_event() {
                        if let Event::Report { task, .. } = event {
                            assert!(!reported.contains(&task), "{}: task {task} twice", path.display());
                            reported.push(task);
                        }
                    }
                    client.fill();
                    client.output().clear();
                    reported.len()
                };
                for line in script.lines() {
                    let rest = line.get(2..).unwrap_or_default();
                    if line.starts_with('*') {
                        give(&mut *client, rest);
                        asked += usize::from(rest != "finish");
                    }
                    if line.starts_with('>') {
                        let mut bytes = unescape(rest);
                        let at = random() as usize % bytes.len().max(1);
                        match random() % 4 {
                            0 if !bytes.is_empty() => bytes[at] = random() as u8,
                            1 => bytes.truncate(at),
                            2 => bytes.insert(at, random() as u8),
                            _ => bytes.extend_from_within(at..),
                        }
                        client.receive(&bytes);
                    }
                    events(&mut *client);
                }
                client.end_of_input();
                assert_eq!(events(&mut *client), asked, "{}", path.display());
            }
        }
    }
}
