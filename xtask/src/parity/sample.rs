//! Messages made for rules that no mail at hand hits: a rule that was never exercised must not count as agreeing.
//!
//! A pattern is turned round: from its tree a text is drawn that it should match (and is asked whether it does). The
//! text goes where the rule looks: a header, a paragraph, a link, the raw HTML, a part's header. A meta is made true by
//! the fewest of the rules that it names. Rules that only evals can make true are left out, and counted as never hit.

use super::ours::Judge;
use anyhow::Result;
use patterns::ir::{Node, Tree};
use rules::{Kind, Meta, Pattern, Rule, RuleId};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// Tries of drawing a text from one pattern.
const DRAWS: u64 = 400;
/// Messages built for one rule until ours hits.
const VARIANTS: u64 = 6;
/// Metas of metas.
const DEPTH: u32 = 6;

/// Writes a message for each rule that is not in `hit`; returns their paths.
pub fn generate(judge: &Judge, hit: &BTreeSet<String>) -> Result<Vec<PathBuf>> {
    let dir = super::spamassassin::target_dir().join("parity/generated");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let mut files = Vec::new();
    for rule in judge.ruleset().rules.iter().filter(|r| r.active && !hit.contains(&r.name)) {
        let mut last = None;
        for variant in 0..VARIANTS {
            let mut maker = Maker { judge, seed: Seed::new(&rule.name, variant), made: HashMap::new() };
            let mut draft = Draft::default();
            if !maker.satisfy(rule, &mut draft, DEPTH) {
                continue;
            }
            let message = draft.into_message(variant);
            let hits = judge.judge_bytes(&message).hits.contains_key(&rule.name);
            last = Some(message);
            if hits {
                break;
            }
        }
        if let Some(message) = last {
            let path = dir.join(format!("{}.eml", rule.name));
            std::fs::write(&path, message)?;
            files.push(path);
        }
    }
    eprintln!("{} messages generated", files.len());
    Ok(files)
}

/// A small deterministic generator (xorshift), so that a run can be repeated.
struct Seed(u64);

impl Seed {
    fn new(name: &str, variant: u64) -> Seed {
        let start =
            name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Seed((start ^ variant.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// What a message must contain.
#[derive(Default, Clone)]
struct Draft {
    headers: Vec<(String, Vec<u8>)>,
    paragraphs: Vec<Vec<u8>>,
    html: Vec<Vec<u8>>,
    links: Vec<Vec<u8>>,
    part_headers: Vec<(String, Vec<u8>)>,
    /// Header lines above all others, for `ALL` and `full` rules.
    raw: Vec<Vec<u8>>,
}

struct Maker<'a> {
    judge: &'a Judge,
    seed: Seed,
    made: HashMap<RuleId, bool>,
}

impl Maker<'_> {
    /// Adds to the draft what makes the rule hit; false where that is beyond us.
    fn satisfy(&mut self, rule: &Rule, draft: &mut Draft, depth: u32) -> bool {
        match &rule.kind {
            Kind::Header(test) => {
                if test.negated {
                    // Any value at all is likely not to match.
                    place_header(draft, &test.header, b"zq".to_vec());
                    return true;
                }
                let Some(text) = self.draw(&test.pattern) else { return false };
                place_header(draft, &test.header, text);
                true
            }
            Kind::HeaderExists { header } => {
                place_header(draft, header, b"present".to_vec());
                true
            }
            Kind::MimeHeader(test) => {
                let Some(text) = self.draw(&test.pattern) else { return false };
                draft.part_headers.push((test.header.clone(), unfolded(text)));
                true
            }
            Kind::Body(pattern) | Kind::Text(pattern) => self.draw(pattern).is_some_and(|text| {
                draft.paragraphs.push(text);
                true
            }),
            Kind::RawBody(pattern) => self.draw(pattern).is_some_and(|text| {
                draft.html.push(text);
                true
            }),
            Kind::Full(pattern) => self.draw(pattern).is_some_and(|text| {
                draft.raw.push(text);
                true
            }),
            Kind::Uri(pattern) => self.draw(pattern).is_some_and(|text| {
                draft.links.push(text);
                true
            }),
            Kind::Meta(meta) if depth > 0 => self.satisfy_meta(meta, draft, depth - 1),
            _ => false,
        }
    }

    /// Finds the smallest set of dependencies that makes the expression true, and satisfies them.
    fn satisfy_meta(&mut self, meta: &Meta, draft: &mut Draft, depth: u32) -> bool {
        let rules = self.judge.ruleset();
        let open: Vec<RuleId> = meta.dependencies.iter().copied().filter(|id| rules.rule(*id).active).collect();
        let mut stack = Vec::new();
        let mut holds = |chosen: &[RuleId]| {
            meta.expression.evaluate(true, &mut stack, |id| if chosen.contains(&id) { 1.0 } else { 0.0 }) != 0.0
        };
        let mut candidates: Vec<Vec<RuleId>> = Vec::new();
        if holds(&[]) {
            candidates.push(Vec::new());
        }
        for _ in 0..200 {
            // A random order, as short a beginning of it as holds, then without whatever is not needed.
            let mut order = open.clone();
            for i in (1..order.len()).rev() {
                order.swap(i, self.seed.below(i + 1));
            }
            let Some(length) = (1..=order.len()).find(|n| holds(&order[..*n])) else { continue };
            let mut chosen = order[..length].to_vec();
            let mut i = 0;
            while i < chosen.len() {
                let mut without = chosen.clone();
                without.remove(i);
                if holds(&without) {
                    chosen = without;
                } else {
                    i += 1;
                }
            }
            candidates.push(chosen);
        }
        candidates.sort_by_key(Vec::len);
        candidates.dedup();
        for chosen in candidates.into_iter().take(12) {
            let mut trial = draft.clone();
            if chosen.iter().all(|id| self.satisfy_known(*id, &mut trial, depth)) {
                *draft = trial;
                return true;
            }
        }
        false
    }

    fn satisfy_known(&mut self, id: RuleId, draft: &mut Draft, depth: u32) -> bool {
        if self.made.get(&id) == Some(&false) {
            return false;
        }
        let rule = self.judge.ruleset().rule(id).clone();
        let done = self.satisfy(&rule, draft, depth);
        self.made.insert(id, done);
        done
    }

    /// A text that the pattern matches.
    fn draw(&mut self, pattern: &Pattern) -> Option<Vec<u8>> {
        let id = pattern.id?;
        let tree = patterns::perl::parse(pattern.body(), pattern.flags).ok()?;
        for _ in 0..DRAWS {
            let mut out = Vec::new();
            let mut groups = HashMap::new();
            draw_node(&tree, &tree.root, &mut self.seed, &mut groups, &mut out);
            if out.len() < 20_000 && self.judge.database().is_match(id, &out) {
                return Some(out);
            }
            let mut padded = b"a ".to_vec();
            padded.extend_from_slice(&out);
            padded.extend_from_slice(b" z");
            if padded.len() < 20_000 && self.judge.database().is_match(id, &padded) {
                return Some(padded);
            }
        }
        None
    }
}

fn draw_node(tree: &Tree, node: &Node, seed: &mut Seed, groups: &mut HashMap<u32, Vec<u8>>, out: &mut Vec<u8>) {
    match node {
        Node::Byte(byte) => out.push(*byte),
        Node::Set(id) => {
            let set = tree.set(*id);
            let tame: Vec<u8> = set.iter().filter(|b| b.is_ascii_alphanumeric()).collect();
            let plain: Vec<u8> = set.iter().filter(|b| (0x20..0x7f).contains(b)).collect();
            let all: Vec<u8> = set.iter().collect();
            let from = [&tame, &plain, &all].into_iter().find(|f| !f.is_empty());
            if let Some(from) = from {
                let from = if seed.below(8) == 0 && !plain.is_empty() { &plain } else { from };
                out.push(from[seed.below(from.len())]);
            }
        }
        Node::Concat(nodes) => nodes.iter().for_each(|n| draw_node(tree, n, seed, groups, out)),
        Node::Alternate(nodes) => draw_node(tree, &nodes[seed.below(nodes.len())], seed, groups, out),
        Node::Repeat(repeat) => {
            let most = repeat.max.unwrap_or(repeat.min + 3).min(repeat.min + 3);
            let times = repeat.min as usize + seed.below((most - repeat.min) as usize + 1);
            for _ in 0..times.min(3000) {
                draw_node(tree, &repeat.node, seed, groups, out);
            }
        }
        Node::Capture(capture) => {
            let start = out.len();
            draw_node(tree, &capture.node, seed, groups, out);
            groups.insert(capture.index, out[start..].to_vec());
        }
        Node::Atomic(node) => draw_node(tree, node, seed, groups, out),
        Node::Around(around) if around.ahead && !around.negative && seed.below(2) == 0 => {
            draw_node(tree, &around.node, seed, groups, out);
        }
        Node::BackReference(reference) => {
            if let Some(text) = reference.groups.iter().find_map(|g| groups.get(g)) {
                out.extend_from_slice(&text.clone());
            }
        }
        _ => {}
    }
}

/// Puts a value under the header that a request looks at; pseudo headers go where their text comes from.
fn place_header(draft: &mut Draft, request: &str, value: Vec<u8>) {
    let name = request.split(':').next().unwrap_or_default();
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    if is("ALL") || name.starts_with("ALL-") {
        draft.raw.push(value);
    } else if name.starts_with("X-Spam-Relays") {
        draft.headers.push(("Received".into(), received_from_relay(&value)));
    } else {
        let name = if is("ToCc") {
            "To"
        } else if is("MESSAGEID") {
            "Message-ID"
        } else if is("EnvelopeFrom") {
            "Return-Path"
        } else {
            name
        };
        let value = if request.ends_with(":name") {
            [b"\"", value.as_slice(), b"\" <someone@example.com>"].concat()
        } else {
            value
        };
        let value = if request.contains(":raw") { value } else { unfolded(value) };
        draft.headers.push((name.to_owned(), value));
    }
}

/// A Received line from whose parts SpamAssassin makes this relay text.
fn received_from_relay(relay: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(relay).into_owned();
    let field = |key: &str, default: &str| {
        text.split(' ')
            .find_map(|w| w.strip_prefix(key).filter(|v| !v.is_empty()))
            .unwrap_or(default)
            .chars()
            .filter(char::is_ascii_graphic)
            .collect::<String>()
    };
    let (ip, rdns, helo) = (field("ip=", "81.2.69.160"), field("rdns=", "unknown"), field("helo=", "mail.example.com"));
    let (by, id) = (field("by=", "mx.example.net"), field("id=", "4F1D2C3B4A"));
    format!("from {helo} ({rdns} [{ip}]) by {by} (Postfix) with ESMTP id {id}; Mon, 5 Oct 2020 10:00:00 +0000")
        .into_bytes()
}

/// A header value on one line.
fn unfolded(mut value: Vec<u8>) -> Vec<u8> {
    value.iter_mut().filter(|b| matches!(**b, b'\n' | b'\r' | 0)).for_each(|b| *b = b' ');
    value
}

impl Draft {
    fn into_message(self, variant: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for raw in &self.raw {
            out.extend_from_slice(raw.strip_prefix(b"\n").unwrap_or(raw));
            if !raw.ends_with(b"\n") {
                out.push(b'\n');
            }
        }
        let has = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.push(b'\n');
        }
        // The bare minimum sometimes matters: odd variants come without the usual headers.
        let usual: &[(&str, &str)] = &[
            (
                "Received",
                "from mail.example.org (mail.example.org [81.2.69.142]) by mx.example.net (Postfix) with ESMTP id 1A2B3C4D5E for <you@example.net>; Mon, 5 Oct 2020 10:00:02 +0000 (UTC)",
            ),
            ("From", "Someone <someone@example.org>"),
            ("To", "you@example.net"),
            ("Subject", "about that matter"),
            ("Date", "Mon, 5 Oct 2020 10:00:00 +0000"),
            ("Message-ID", "<20201005100000.1234@example.org>"),
            ("MIME-Version", "1.0"),
        ];
        for (name, value) in usual.iter().filter(|(n, _)| !has(n)).skip(if variant % 3 == 2 { 4 } else { 0 }) {
            out.extend_from_slice(format!("{name}: {value}\n").as_bytes());
        }
        let html = !self.html.is_empty() || !self.links.is_empty() || variant % 2 == 1;
        let mut body = Vec::new();
        if html {
            body.extend_from_slice(b"<html><body>\n");
        }
        for paragraph in &self.paragraphs {
            let escape = html && variant % 4 != 3;
            for byte in paragraph {
                match byte {
                    b'<' if escape => body.extend_from_slice(b"&lt;"),
                    b'>' if escape => body.extend_from_slice(b"&gt;"),
                    b'&' if escape => body.extend_from_slice(b"&amp;"),
                    b => body.push(*b),
                }
            }
            body.extend_from_slice(if html { b"\n<p>\n" } else { b"\n\n" });
        }
        for link in &self.links {
            let link: Vec<u8> = link.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'"').collect();
            let scheme: &[u8] = if link.contains(&b':') { b"" } else { b"http://" };
            body.extend_from_slice(b"<a href=\"");
            body.extend_from_slice(scheme);
            body.extend_from_slice(&link);
            body.extend_from_slice(b"\">here</a>\n");
        }
        for raw in &self.html {
            body.extend_from_slice(raw);
            body.push(b'\n');
        }
        if body.is_empty() {
            body.extend_from_slice(b"Some words, so that there is a body.\n");
        }
        if html {
            body.extend_from_slice(b"</body></html>\n");
        }
        let kind: &[u8] = if html { b"text/html" } else { b"text/plain" };
        if self.part_headers.is_empty() {
            if !has("Content-Type") {
                out.extend_from_slice(b"Content-Type: ");
                out.extend_from_slice(kind);
                out.push(b'\n');
            }
            out.push(b'\n');
            out.extend_from_slice(&body);
        } else {
            out.extend_from_slice(b"Content-Type: multipart/mixed; boundary=\"=_b\"\n\n--=_b\nContent-Type: ");
            out.extend_from_slice(kind);
            out.extend_from_slice(b"\n\n");
            out.extend_from_slice(&body);
            out.extend_from_slice(b"--=_b\n");
            for (name, value) in &self.part_headers {
                if name.eq_ignore_ascii_case("ALL") {
                    out.extend_from_slice(value);
                } else {
                    out.extend_from_slice(name.as_bytes());
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(value);
                }
                out.push(b'\n');
            }
            out.extend_from_slice(b"\nattached\n--=_b--\n");
        }
        out
    }
}
