//! Two machines that share a model against one that was told everything, over real mail: together, parted, together again.
//!
//! `SEKISHO_DATA=... cargo test -p sekisho --bench nodes` (or `cargo bench`), with redis-server and PostgreSQL installed; behind
//! `--` may stand `redis` or `postgresql`, and `every=3` for every third message.
//! Every message of sa-corpus is said to one of two machines, in chunks in the order of its index. In the middle third the
//! database is killed. Judged are all messages of all corpora; counted is whose verdicts differ, and the errors of each.
#![allow(clippy::print_stdout, reason = "a bench prints its result")]

#[path = "../../store/tests/server/mod.rs"]
mod server;

use learn::{Extractor, Features, Model, SPAM_FROM, User};
use mail::{Limits, Message, ViewConfig, Views};
use server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const CHUNK: usize = 100;

struct Mail {
    path: PathBuf,
    spam: bool,
    features: Features,
}

fn mail(path: PathBuf, spam: bool, extractor: &mut Extractor) -> Mail {
    let raw = std::fs::read(&path).expect("a mail is readable");
    let message = Message::parse(&raw, &Limits::default());
    let config = ViewConfig::default();
    Mail { path, spam, features: extractor.extract(&Views::new(&message, &config)) }
}

fn sekisho(arguments: &[&str]) -> (bool, Vec<u8>) {
    let output = Command::new(env!("CARGO_BIN_EXE_sekisho")).args(arguments).output().expect("sekisho runs");
    (output.status.success(), output.stdout)
}

struct Node {
    config: String,
    folder: String,
}

impl Node {
    fn new(folder: &Path, name: &str, location: &str) -> Node {
        let model = folder.join(name);
        let config = folder.join(format!("{name}.toml"));
        let text = format!("[learn]\nfolder = {model:?}\n[learn.exchange]\nlocation = {location:?}\nfold = 1000\n");
        std::fs::write(&config, text).expect("writes");
        Node { config: config.display().to_string(), folder: model.display().to_string() }
    }

    fn teach(&self, mails: &[Mail]) {
        for (class, spam) in [("--spam", true), ("--ham", false)] {
            let paths: Vec<String> =
                mails.iter().filter(|mail| mail.spam == spam).map(|mail| mail.path.display().to_string()).collect();
            if !paths.is_empty() {
                let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
                assert!(sekisho(&[&["learn", "--config", &self.config, class], &paths[..]].concat()).0);
            }
        }
    }

    fn sync(&self) -> bool {
        sekisho(&["learn", "sync", "--config", &self.config]).0
    }

    fn model(&self) -> Model {
        let (_, bytes) = sekisho(&["sa-learn", &format!("--dbpath={}", self.folder), "--backup"]);
        Model::from_bytes(&bytes).expect("a model").0
    }
}

fn verdicts(model: &Model, mails: &[Mail]) -> Vec<bool> {
    mails.iter().map(|mail| model.score(&mail.features, User::default()).probability() >= SPAM_FROM).collect()
}

fn compare(what: &str, mails: &[Mail], one: &[bool], other: &[bool]) {
    let errors =
        |verdicts: &[bool]| verdicts.iter().zip(mails).filter(|(verdict, mail)| **verdict != mail.spam).count();
    let differ = one.iter().zip(other).filter(|(one, other)| one != other).count();
    let percent = |part: usize| 100.0 * part as f64 / mails.len().max(1) as f64;
    println!(
        "  {what}: {differ} of {} verdicts differ ({:.3} %); errors {:.3} % and {:.3} %",
        mails.len(),
        percent(differ),
        percent(errors(one)),
        percent(errors(other))
    );
}

fn main() {
    let Some(data) = std::env::var_os("SEKISHO_DATA").map(PathBuf::from) else {
        println!("skipped: SEKISHO_DATA names no folder of mail");
        return;
    };
    let arguments: Vec<String> = std::env::args().skip(1).map(|argument| argument.to_lowercase()).collect();
    let every = arguments.iter().find_map(|argument| argument.strip_prefix("every=")?.parse().ok()).unwrap_or(1usize);
    let mut extractor = Extractor::default();
    let index = std::fs::read_to_string(data.join("sa-corpus/index")).expect("the index is readable");
    let taught: Vec<Mail> = index
        .lines()
        .step_by(every.max(1))
        .filter_map(|line| line.split_once(' '))
        .map(|(label, name)| mail(data.join("sa-corpus").join(name), label == "spam", &mut extractor))
        .collect();
    let mut others = Vec::new();
    for (name, spam) in
        [("modern-ham/ham", false), ("list-ham/ham", false), ("ja-modern/spam", true), ("zh-modern/spam", true)]
    {
        for entry in std::fs::read_dir(data.join(name)).into_iter().flatten().flatten() {
            others.push(mail(entry.path(), spam, &mut extractor));
        }
    }
    let folder = std::env::temp_dir().join(format!("sekisho-nodes-{}", std::process::id()));
    let servers: [(&str, fn() -> Server); 2] = [("Redis", || Server::redis(true)), ("PostgreSQL", Server::postgresql)];
    let named = |name: &str| arguments.iter().any(|argument| *argument == name.to_lowercase());
    let any_named = servers.iter().any(|(name, _)| named(name));
    for (name, start) in servers.into_iter().filter(|(name, _)| named(name) || !any_named) {
        let mut server = start();
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("makes a folder");
        let start = Instant::now();
        let nodes = ["a", "b"].map(|node| Node::new(&folder, node, &server.location));
        let one = Node::new(&folder, "one", "");
        let chunks: Vec<&[Mail]> = taught.chunks(CHUNK).collect();
        let third = chunks.len() / 3;
        for (at, chunk) in chunks.iter().enumerate() {
            if at == third {
                server.crash();
            }
            if at == 2 * third {
                server.start();
            }
            nodes[at % 2].teach(chunk);
            one.teach(chunk);
            assert_eq!(nodes[at % 2].sync(), !(third..2 * third).contains(&at));
        }
        for node in [&nodes[0], &nodes[1], &nodes[0]] {
            assert!(node.sync());
        }
        let [a, b] = nodes.each_ref().map(Node::model);
        let alone = one.model();
        println!(
            "{name}: {} messages in {:.0} s; machines of {:?} and {:?}, one alone {:?}; equal to the byte: {}",
            taught.len(),
            start.elapsed().as_secs_f64(),
            a.counts(),
            b.counts(),
            alone.counts(),
            a.to_shared_bytes(1) == b.to_shared_bytes(1)
        );
        for (corpus, mails) in [("what was taught", &taught), ("other corpora", &others)] {
            compare(&format!("a and b, {corpus}"), mails, &verdicts(&a, mails), &verdicts(&b, mails));
            compare(&format!("one and a, {corpus}"), mails, &verdicts(&alone, mails), &verdicts(&a, mails));
        }
        // As one machine that was told in the order that the two agreed upon.
        let ordered = Node::new(&folder, "ordered", "");
        let (before, parted) = chunks.split_at(third);
        let (parted, after) = parted.split_at(third);
        before.iter().for_each(|chunk| ordered.teach(chunk));
        let first = (2 * third) % 2; // whose turn it was when the database came back
        for node in [first, 1 - first] {
            let own = parted.iter().enumerate().filter(|(at, _)| (third + at) % 2 == node);
            own.for_each(|(_, chunk)| ordered.teach(chunk));
            if node == first {
                after.first().into_iter().for_each(|chunk| ordered.teach(chunk));
            }
        }
        after.iter().skip(1).for_each(|chunk| ordered.teach(chunk));
        let ordered = ordered.model();
        for (corpus, mails) in [("what was taught", &taught), ("other corpora", &others)] {
            compare(
                &format!("one in their order and a, {corpus}"),
                mails,
                &verdicts(&ordered, mails),
                &verdicts(&a, mails),
            );
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
}
