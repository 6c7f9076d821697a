//! What is said to Razor's servers and by them: lines of `key=value&key=value`, several of them behind a `-` up to a line
//! with a dot.

use super::signature::Seed;
use sha1::{Digest, Sha1};

/// Pairs of one line, in the order in which they stand.
pub type Line = Vec<(String, String)>;

/// Bytes of an answer.
pub const ANSWER: usize = 65_536;
/// Lines of an answer that are read.
const LINES: usize = 1000;
/// Queries in one batch, where a server names no number.
const BATCH: usize = 50;

pub fn value<'l>(line: &'l Line, key: &str) -> Option<&'l str> {
    line.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

/// One line with its end; keys in order.
pub fn write(pairs: &[(&str, &str)]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let fields: Vec<String> = sorted.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    format!("{}\r\n", fields.join("&"))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub fn read_line(line: &str) -> Line {
    let pairs = line.trim_end_matches(['\r', '\n']).split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key.to_owned(), unescaped(value))
        })
        .collect()
}

/// Whether all of an answer has come.
pub fn is_whole(answer: &[u8]) -> bool {
    match answer.first() {
        Some(b'-') => answer.ends_with(b"\r\n.\r\n"),
        _ => answer.ends_with(b"\n"),
    }
}

/// The lines of an answer; a template's `?` are filled in.
pub fn read(answer: &[u8]) -> Vec<Line> {
    let text = String::from_utf8_lossy(answer);
    let Some(batch) = text.strip_prefix('-') else { return vec![read_line(&text)] };
    let mut lines = batch.split("\r\n").take(LINES).take_while(|line| *line != ".").filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return Vec::new() };
    let first = read_line(first);
    let open: Vec<usize> = (0..first.len()).filter(|at| first[*at].1 == "?").collect();
    if open.is_empty() {
        return std::iter::once(first).chain(lines.map(read_line)).collect();
    }
    lines
        .map(|line| {
            let mut filled = first.clone();
            for (at, value) in open.iter().zip(line.split(',')) {
                filled[*at].1 = unescaped(value);
            }
            filled
        })
        .collect()
}

/// Queries put together, as many as a server bears at once.
pub fn batches(queries: &[String], most: Option<usize>) -> Vec<String> {
    let most = most.filter(|most| *most > 0).unwrap_or(BATCH).min(BATCH);
    queries
        .chunks(most)
        .map(|some| match some {
            [one] => one.clone(),
            several => format!("-{}.\r\n", several.concat()),
        })
        .collect()
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// From which confidence on a message is spam.
    pub confidence: i64,
    /// Engines that it knows.
    pub engines: Vec<u32>,
    /// Lines of a batch.
    pub lines: Option<usize>,
    pub seed: Seed,
    /// The engine in which messages are reported.
    pub report_engine: u32,
}

impl State {
    /// Of the greeting and of the answer to `a=g&pm=state`.
    pub fn read(greeting: &Line, state: &[Line]) -> State {
        let of = |key: &str| state.iter().find_map(|line| value(line, key));
        let bits = of("se").and_then(|bits| u32::from_str_radix(bits, 16).ok());
        let seed = value(greeting, "ep4").or_else(|| of("ep4")).and_then(Seed::read).unwrap_or_default();
        State {
            confidence: of("ac").and_then(|number| number.parse().ok()).unwrap_or(1),
            engines: [4, 8]
                .into_iter()
                .filter(|engine| bits.is_none_or(|bits| bits >> (engine - 1) & 1 == 1))
                .collect(),
            lines: of("bql").and_then(|number| number.parse().ok()),
            seed,
            report_engine: of("dre").and_then(|number| number.parse().ok()).unwrap_or(4),
        }
    }
}

/// The answer to a server's challenge.
pub fn proof(challenge: &str, password: &str) -> String {
    let pad = |filler: u8| {
        let mut key = vec![filler; password.len().max(64)];
        key.iter_mut().zip(password.bytes()).for_each(|(byte, letter)| *byte ^= letter);
        // Beyond the pad a letter stands for itself.
        key.iter_mut().zip(password.bytes()).skip(64).for_each(|(byte, letter)| *byte = letter);
        key
    };
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let inner = hex(&Sha1::digest([&pad(0x5c)[..], challenge.as_bytes()].concat()));
    let outer = hex(&Sha1::digest([&pad(0x36)[..], inner.as_bytes()].concat()));
    super::signature::written(&outer)
}

/// What came back for one part of a message: engine, confidence, contested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    pub engine: u32,
    pub confidence: i64,
    pub contested: bool,
    pub spam: bool,
}

impl Said {
    pub fn read(engine: u32, line: &Line, least: i64) -> Said {
        let number = |key: &str| value(line, key).and_then(|number| number.parse::<i64>().ok());
        let known = value(line, "p") == Some("1");
        let confidence = number("cf");
        Said {
            engine,
            confidence: confidence.unwrap_or(0).clamp(0, 100),
            contested: number("ct").is_some_and(|contested| contested != 0),
            spam: known && confidence.is_none_or(|confidence| confidence >= least),
        }
    }
}

/// Figures of a message: whether it is spam, and each engine's highest confidence in a part that nobody contests.
pub fn figures(parts: &[Vec<Said>]) -> Vec<(String, i64)> {
    // The last of a part's answers says whether it is contested.
    let free = |part: &&Vec<Said>| part.last().is_some_and(|said| !said.contested);
    let spam = parts.iter().filter(free).any(|part| part.iter().any(|said| said.spam));
    let mut figures = vec![("spam".to_owned(), i64::from(spam))];
    for engine in [4, 8] {
        let all = parts.iter().flatten().filter(|said| said.engine == engine && !said.contested);
        if let Some(most) = all.map(|said| said.confidence).max() {
            figures.push((format!("e{engine}"), most));
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_batches() {
        assert_eq!(write(&[("s", "a b&"), ("a", "c")]), "a=c&s=a%20b%26\r\n");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read_line("a=c&s=a%20b\r\n"), [pair("a", "c"), pair("s", "a b")]);
        let several = read(b"-p=1&cf=88\r\np=0\r\n.\r\n");
        assert_eq!(several, [vec![pair("p", "1"), pair("cf", "88")], vec![pair("p", "0")]]);
        let template = read(b"-csl=?&x=1\r\na.example\r\nb.example\r\n.\r\n");
        assert_eq!(template[1], [pair("csl", "b.example"), pair("x", "1")]);
        assert!(is_whole(b"p=1\r\n") && is_whole(b"-p=1\r\np=0\r\n.\r\n"));
        assert!(!is_whole(b"-p=1\r\n") && !is_whole(b"p=1") && !is_whole(b""));
        let queries = ["a\r\n".to_owned(), "b\r\n".to_owned(), "c\r\n".to_owned()];
        assert_eq!(batches(&queries, Some(2)), ["-a\r\nb\r\n.\r\n", "c\r\n"]);
        for hostile in [&b"-"[..], b"-\r\n.\r\n", b"&&&==", b"-a=?\r\n,,,\r\n", b"%", b"-\xff?=?"] {
            read(hostile);
        }
    }

    #[test]
    fn the_answer_to_a_challenge_is_the_agents() {
        assert_eq!(proof("challenge", "secret"), "GNdo-181nSO7quEUUjvIu8BozJIA");
    }

    #[test]
    fn a_message_is_spam_where_no_part_is_contested() {
        let said = |text: &str| Said::read(8, &read_line(text), 20);
        let known = said("p=1&cf=90");
        assert!(known.spam && !said("p=1&cf=10").spam && !said("p=0").spam && !said("err=230").spam);
        assert_eq!(figures(&[vec![said("p=0")], vec![known]]), [("spam".to_owned(), 1), ("e8".to_owned(), 90)]);
        assert_eq!(figures(&[vec![said("p=1&cf=90&ct=1")]]), [("spam".to_owned(), 0)]);
    }
}
