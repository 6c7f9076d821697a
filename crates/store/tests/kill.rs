//! Killed at any moment, the store has all that it acknowledged and nothing half-written.
//!
//! This program starts itself as a child that writes quarantine entries and notifications and prints a line for each one
//! that was acknowledged; kills it (SIGKILL) after so many lines; opens what it left and compares. No harness: the child is
//! the same program with another argument.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use store::quarantine::NewEntry;
use store::{Bytes, Hash, Id, Location, Store, Time};

const ROUNDS: usize = 6;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, directory, round] = arguments.as_slice()
        && role == "--write"
    {
        write(Path::new(directory), round.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-kill-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    killed(&directory);
    let _ = std::fs::remove_dir_all(&directory);
    ExitCode::SUCCESS
}

fn content(round: usize, thread: usize, number: usize) -> Vec<u8> {
    // Every fourth is the same in all threads, so that contents are shared between those who write at once.
    let thread = if number.is_multiple_of(4) { 9 } else { thread };
    format!("Subject: {round} {thread} {number}\r\n\r\n").repeat(1 + number % 400).into_bytes()
}

/// The child: writes without end.
fn write(directory: &Path, round: usize) {
    let store = Store::open(&Location::in_directory(directory)).expect("opens");
    std::thread::scope(|scope| {
        for thread in 0..3usize {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0..usize::MAX {
                    let now = Time::from_seconds(1_700_000_000 + i64::try_from(number).expect("small"));
                    let random =
                        std::array::from_fn(|at| u8::try_from((thread * 80 + at + number) % 256).expect("small"));
                    let content = content(round, thread, number);
                    let new = NewEntry {
                        recipients: vec![Bytes::from("a@example.jp"), Bytes::from("b@example.jp")],
                        subject: format!("{round} 請求 {number}"),
                        ..NewEntry::default()
                    };
                    let entry = store.quarantine().put(now, &random, new, &content).expect("puts");
                    acknowledge(&format!("quarantine {} {}", entry.id, Hash::of(&content)));
                    let body = format!("{round} {thread} {number}");
                    let id = store
                        .outbox()
                        .enqueue(now, &random, "digest", b"a@example.jp", body.as_bytes())
                        .expect("enqueues");
                    acknowledge(&format!("outbox {id} {}", Hash::of(body.as_bytes())));
                }
            });
        }
    });
}

/// One write for each line: a line is there whole or not at all.
fn acknowledge(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).expect("the parent reads");
}

fn killed(directory: &Path) {
    let program: PathBuf = std::env::current_exe().expect("runs");
    let mut acknowledged: BTreeMap<(String, Id), Hash> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(&program)
            .arg("--write")
            .arg(directory)
            .arg(round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut take = |line: &str| {
            let mut words = line.split(' ');
            let mut word = || words.next().expect("three words").to_owned();
            let (shelf, id, hash) = (word(), word().parse().expect("an id"), word().parse().expect("a hash"));
            assert_eq!(acknowledged.insert((shelf, id), hash), None, "{line}: acknowledged twice");
        };
        for _ in 0..(5 + round * 17) {
            take(&lines.next().expect("the child writes on").expect("text"));
        }
        child.kill().expect("kills");
        // What it said before it died counts too.
        for line in lines {
            take(&line.expect("text"));
        }
        let status = child.wait().expect("ends");
        assert!(!status.success(), "it was killed");
        check(directory, &acknowledged);
    }
    eprintln!("{} acknowledged records survived {ROUNDS} kills", acknowledged.len());
}

fn check(directory: &Path, acknowledged: &BTreeMap<(String, Id), Hash>) {
    let store = Store::open(&Location::in_directory(directory)).expect("opens");
    for ((shelf, id), hash) in acknowledged {
        let found = match shelf.as_str() {
            "quarantine" => {
                let entry = store.quarantine().show(*id).expect("reads").expect("was acknowledged");
                Hash::of(&store.quarantine().content(&entry).expect("is whole"))
            }
            _ => Hash::of(&store.outbox().show(*id).expect("reads").expect("was acknowledged").body.0),
        };
        assert_eq!(found, *hash, "{shelf} {id}");
    }
    // What was not acknowledged may be there, but then it is whole.
    let verified = store.verify().expect("verifies");
    assert_eq!(verified.damaged, []);
    let kept = acknowledged.keys().filter(|(shelf, _)| shelf == "quarantine").count();
    assert!(verified.contents >= u64::try_from(kept).expect("small"));
    let mut before = None;
    loop {
        let page = store.outbox().list(before, 500).expect("reads");
        assert!(page.iter().all(|notice| notice.body.lossy().split(' ').count() == 3), "half-written");
        match page.last() {
            Some(last) => before = Some(last.id),
            None => break,
        }
    }
}
