//! Messages made for rules that no mail at hand hits: a rule that was never exercised must not count as agreeing.
//!
//! A pattern is turned round (`draw`): from its tree a text is drawn that it matches. The text goes where the rule
//! looks (`draft`). For a check there is a hand-written message (`cases.txt`), or a mail that hits it. A meta is made
//! true by few of the rules that it names; failing that, by adding one or two of them to a mail that has the others.
//! Every message is tried on our engine while it is made, and the best one is kept even where we do not hit: SpamAssassin
//! may. What could not be made is told with its reason.

use super::draft::{Draft, Entity, Style};
use super::draw::{Seed, draw};
use super::ours::Judge;
use anyhow::Result;
use rules::{Flags, Kind, Meta, Pattern, Rule, RuleId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

const CASES: &str = include_str!("cases.txt");

/// Settings under which generated messages are judged.
pub const SETTINGS: &str = include_str!("cases.cf");

/// Tries of drawing a text from one pattern.
const DRAWS: u64 = 300;
/// Messages built for one rule until ours hits.
const ATTEMPTS: u64 = 24;
/// Metas of metas.
const DEPTH: u32 = 8;
/// Mails that are larger are not built upon.
const LARGEST_BASE: usize = 40_000;
/// Mails built upon for one meta.
const BASES: usize = 10;

/// A mail and what we said of it.
pub struct Mail {
    pub path: PathBuf,
    pub hits: BTreeMap<String, f64>,
}

pub struct Generated {
    pub files: Vec<PathBuf>,
    /// Why a rule has no message, or one that we do not hit.
    pub reasons: BTreeMap<String, String>,
}

/// Writes a message for each rule that is not in `hit`, and every hand-written case.
pub fn generate(judge: &Judge, hit: &BTreeSet<String>, mails: &[Mail]) -> Result<Generated> {
    let dir = super::spamassassin::target_dir().join("parity/generated");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let mut maker = Maker::new(judge, mails);
    let mut generated = Generated { files: Vec::new(), reasons: BTreeMap::new() };
    let mut done = hit.clone();
    for (place, case) in cases().into_iter().enumerate() {
        let message = case.draft.into_message(Style::number(0));
        done.extend(judge.judge_bytes(&message).hits.into_keys());
        let path = dir.join(format!("case-{place:03}.eml"));
        std::fs::write(&path, message)?;
        generated.files.push(path);
    }
    // What looks at the message itself first: its messages often make metas true by the way.
    let mut open: Vec<&Rule> = judge.ruleset().rules.iter().filter(|r| r.active && !hit.contains(&r.name)).collect();
    open.sort_by_key(|rule| matches!(rule.kind, Kind::Meta(_)));
    for rule in open {
        if done.contains(&rule.name) {
            continue;
        }
        let (message, reason) = maker.message_for(rule);
        if let Some(message) = message {
            if reason.is_none() {
                done.extend(judge.judge_bytes(&message).hits.into_keys());
            }
            let path = dir.join(format!("{}.eml", rule.name));
            std::fs::write(&path, message)?;
            generated.files.push(path);
        }
        if let Some(reason) = reason {
            generated.reasons.insert(rule.name.clone(), reason);
        }
    }
    eprintln!(
        "{} messages generated, {} rules without one that we hit",
        generated.files.len(),
        generated.reasons.len()
    );
    Ok(generated)
}

/// A hand-written message, and the rules it is for.
struct Case {
    rules: Vec<String>,
    draft: Draft,
}

/// `### RULE...`, header lines (`-Name:` leaves a usual one out), an empty line, a body; `\xFF` is a byte.
fn cases() -> Vec<Case> {
    let blocks = CASES.split("\n### ").skip(1);
    blocks
        .map(|block| {
            let (names, text) = block.split_once('\n').unwrap_or((block, ""));
            let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
            let mut draft = Draft::default();
            let mut part = Entity { headers: Vec::new(), body: bytes(body) };
            for line in head.lines() {
                if let Some(verbatim) = line.strip_prefix('|') {
                    draft.raw.push(bytes(verbatim));
                } else if let Some(name) = line.strip_prefix('-') {
                    draft.absent.push(name.trim_end_matches(':').to_owned());
                } else if let Some((_, last)) = draft.headers.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
                    last.push(b'\n');
                    last.extend(bytes(line));
                } else if let Some((name, value)) = line.split_once(':') {
                    let value = bytes(value.strip_prefix(' ').unwrap_or(value));
                    if name.eq_ignore_ascii_case("Content-Type")
                        || name.eq_ignore_ascii_case("Content-Transfer-Encoding")
                    {
                        part.headers.push((name.to_owned(), value));
                    } else {
                        draft.headers.push((name.to_owned(), value));
                    }
                }
            }
            if !body.is_empty() {
                if part.headers.is_empty() {
                    part.headers.push(("Content-Type".into(), b"text/plain".to_vec()));
                }
                draft.entities.push(part);
            }
            Case { rules: names.split_whitespace().map(str::to_owned).collect(), draft }
        })
        .collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let text = text.replace("@LONG@", &"x".repeat(70_000));
    let text = text.replace("@PARTS@", &"--b\nContent-Type: text/plain\n\nx\n".repeat(1_100));
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.extend_from_slice(b"\\x");
                rest = after;
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

struct Maker<'a> {
    judge: &'a Judge,
    mails: &'a [Mail],
    /// Hand-written drafts by rule.
    cases: HashMap<String, Draft>,
    /// Mails small enough to build upon, the smallest first, with what they hit.
    bases: Vec<(usize, HashMap<RuleId, f64>)>,
    /// What makes a meta true, worked out once.
    sets: HashMap<(String, u32), Rc<Vec<Wanted>>>,
    seed: Seed,
    style: Style,
}

/// Rules, and how often each is to hit.
type Wanted = Vec<(RuleId, f64)>;

impl<'a> Maker<'a> {
    fn new(judge: &'a Judge, mails: &'a [Mail]) -> Maker<'a> {
        let mut by_rule = HashMap::new();
        for case in cases() {
            for rule in case.rules {
                by_rule.entry(rule).or_insert_with(|| case.draft.clone());
            }
        }
        let mut sized: Vec<(u64, usize)> = mails
            .iter()
            .enumerate()
            .filter_map(|(i, mail)| Some((std::fs::metadata(&mail.path).ok()?.len(), i)))
            .filter(|(size, _)| *size <= LARGEST_BASE as u64)
            .collect();
        sized.sort_unstable();
        let index = |mail: &Mail| {
            mail.hits.iter().filter_map(|(name, count)| Some((judge.ruleset().find(name)?, *count))).collect()
        };
        let bases = sized.into_iter().map(|(_, i)| (i, index(&mails[i]))).collect();
        Maker {
            judge,
            mails,
            cases: by_rule,
            bases,
            sets: HashMap::new(),
            seed: Seed::new("", 0),
            style: Style::number(0),
        }
    }

    /// A message that hits; or the best that was made, if any, and why it is not better.
    fn message_for(&mut self, rule: &Rule) -> (Option<Vec<u8>>, Option<String>) {
        if let Kind::Meta(meta) = &rule.kind
            && let Some(reason) = self.impossible(rule, meta)
        {
            return (None, Some(reason));
        }
        let mut best = None;
        let mut reason = None;
        for attempt in 0..ATTEMPTS {
            self.seed = Seed::new(&rule.name, attempt);
            self.style = Style::number(attempt % Style::COUNT);
            let mut draft = Draft::default();
            if !self.want(rule, 1.0, &mut draft, DEPTH) {
                if attempt > 8 && best.is_none() {
                    break;
                }
                continue;
            }
            match self.attempt(rule, draft) {
                Ok(message) => return (Some(message), None),
                Err((message, why)) => {
                    if best.is_none() {
                        best = Some(message);
                        reason = Some(why);
                    }
                }
            }
        }
        if let Kind::Meta(meta) = &rule.kind
            && let Some(message) = self.on_a_mail(rule, meta)
        {
            return (Some(message), None);
        }
        let reason = reason.unwrap_or_else(|| match &rule.kind {
            Kind::Meta(_) => "no set of its rules could be made".into(),
            Kind::Eval(eval) => format!("no message at hand for the check {}", eval.function),
            Kind::Empty => "tests nothing by itself".into(),
            _ => "no text could be drawn from its pattern".into(),
        });
        (best, Some(reason))
    }

    /// Writes the draft and tries it; once more without a usual header that stands in a meta's way.
    fn attempt(&mut self, rule: &Rule, mut draft: Draft) -> Result<Vec<u8>, (Vec<u8>, String)> {
        let message = draft.clone().into_message(self.style);
        let hits = self.judge.judge_bytes(&message).hits;
        if hits.contains_key(&rule.name) {
            return Ok(message);
        }
        let Kind::Meta(meta) = &rule.kind else {
            return Err((message, "a text was drawn, but it does not hit".into()));
        };
        let rules = self.judge.ruleset();
        let (mut lacking, mut unwanted) = (Vec::new(), Vec::new());
        for id in meta.dependencies.iter().copied().filter(|id| rules.rule(*id).active) {
            let name = &rules.rule(id).name;
            let there = hits.contains_key(name);
            let value = meta.expression.evaluate(true, &mut Vec::new(), |other| {
                let count = hits.get(&rules.rule(other).name).copied().unwrap_or(0.0);
                if other == id { f64::from(u8::from(!there)) } else { count }
            });
            if value != 0.0 {
                if there { &mut unwanted } else { &mut lacking }.push(id);
            }
        }
        for id in &unwanted {
            if let Kind::Header(rules::HeaderTest { header, .. }) | Kind::HeaderExists { header } =
                &rules.rule(*id).kind
            {
                let name = header.split(':').next().unwrap_or_default();
                draft.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
                draft.absent.push(header_of(name).to_owned());
                let message = draft.clone().into_message(self.style);
                if self.judge.judge_bytes(&message).hits.contains_key(&rule.name) {
                    return Ok(message);
                }
                draft.absent.pop();
            }
        }
        let names = |ids: &[RuleId]| ids.iter().map(|id| rules.rule(*id).name.as_str()).collect::<Vec<_>>().join(" ");
        let mut why = String::from("made, but it does not hit");
        if !lacking.is_empty() {
            why += &format!("; would with {}", names(&lacking));
        }
        if !unwanted.is_empty() {
            why += &format!("; would without {}", names(&unwanted));
        }
        if lacking.is_empty() && unwanted.is_empty() {
            let there: Vec<RuleId> =
                meta.dependencies.iter().copied().filter(|id| hits.contains_key(&rules.rule(*id).name)).collect();
            why += &format!("; more than one rule off: it has {}", names(&there));
        }
        Err((message, why))
    }

    /// A mail that lacks one or two things which can be added, or has one header too many.
    fn on_a_mail(&mut self, rule: &Rule, meta: &Meta) -> Option<Vec<u8>> {
        let rules = self.judge.ruleset();
        let open: Vec<RuleId> = meta.dependencies.iter().copied().filter(|id| self.possible(*id)).collect();
        let mut stack = Vec::new();
        let mut plans: Vec<(usize, Vec<RuleId>)> = Vec::new();
        for most in 1..=2 {
            for (mail, hits) in self.bases.iter().take(if most == 1 { usize::MAX } else { 500 }) {
                let mut holds = |flipped: &[RuleId]| {
                    meta.expression.evaluate(true, &mut stack, |id| {
                        let count = hits.get(&id).copied().unwrap_or(0.0);
                        if flipped.contains(&id) { f64::from(u8::from(count == 0.0)) } else { count }
                    }) != 0.0
                };
                for (i, one) in open.iter().enumerate() {
                    if most == 1 && holds(&[*one]) {
                        plans.push((*mail, vec![*one]));
                    }
                    if most == 2 && open.len() <= 12 {
                        plans.extend(
                            open[i + 1..]
                                .iter()
                                .filter(|two| holds(&[*one, **two]))
                                .map(|two| (*mail, vec![*one, *two])),
                        );
                    }
                }
                if plans.len() >= BASES * 4 {
                    break;
                }
            }
        }
        let step = (plans.len() / (BASES * 2)).max(1);
        for (mail, flips) in plans.into_iter().step_by(step).take(BASES * 2) {
            let base = std::fs::read(&self.mails[mail].path).ok()?;
            for variant in 0..4 {
                self.seed = Seed::new(&rule.name, 1000 + variant);
                self.style = Style::number(variant);
                let mut draft = Draft { base: Some(base.clone()), ..Draft::default() };
                let made = flips.iter().all(|id| {
                    let flip = rules.rule(*id);
                    if self.mails[mail].hits.contains_key(&flip.name) {
                        self.avoid(flip, &mut draft)
                    } else {
                        self.want(flip, 1.0, &mut draft, DEPTH)
                    }
                });
                if !made {
                    break;
                }
                let message = draft.into_message(self.style);
                if self.judge.judge_bytes(&message).hits.contains_key(&rule.name) {
                    return Some(message);
                }
            }
        }
        None
    }

    /// Leaves the header out that the rule looks at.
    fn avoid(&self, rule: &Rule, draft: &mut Draft) -> bool {
        let (Kind::Header(rules::HeaderTest { header, .. }) | Kind::HeaderExists { header }) = &rule.kind else {
            return false;
        };
        draft.absent.push(header_of(header.split(':').next().unwrap_or_default()).to_owned());
        true
    }

    /// Can it be true at all, with what is off left at 0? Tells why not.
    fn impossible(&mut self, rule: &Rule, meta: &Meta) -> Option<String> {
        let rules = self.judge.ruleset();
        let mut off: Vec<&str> = meta.undefined.iter().map(String::as_str).collect();
        off.extend(meta.dependencies.iter().map(|id| rules.rule(*id)).filter(|r| !r.active).map(|r| r.name.as_str()));
        if meta.undecidable {
            return Some("SpamAssassin never decides it either: it depends on a meta that does not run".into());
        }
        if !self.candidates(rule, meta, 1.0).is_empty() {
            return None;
        }
        let off = if off.is_empty() { "nothing that is off".to_owned() } else { off.join(" ") };
        Some(format!("cannot be true without the network, Bayes or a check we have no message for; off: {off}"))
    }

    fn possible(&self, id: RuleId) -> bool {
        let rule = self.judge.ruleset().rule(id);
        rule.active
            && match &rule.kind {
                Kind::Eval(_) | Kind::Empty | Kind::AskDns(_) => {
                    self.cases.contains_key(&rule.name) || self.bases.iter().any(|(_, hits)| hits.contains_key(&id))
                }
                _ => true,
            }
    }

    /// Sets of dependencies, with counts, that make the expression true (or as large as wanted); the cheapest first.
    fn candidates(&mut self, rule: &Rule, meta: &Meta, count: f64) -> Rc<Vec<Wanted>> {
        let key = (rule.name.clone(), count as u32);
        if let Some(known) = self.sets.get(&key) {
            return Rc::clone(known);
        }
        let found = Rc::new(self.work_out(meta, count));
        self.sets.insert(key, Rc::clone(&found));
        found
    }

    fn work_out(&mut self, meta: &Meta, count: f64) -> Vec<Wanted> {
        let open: Vec<RuleId> = meta.dependencies.iter().copied().filter(|id| self.possible(*id)).collect();
        let rules = self.judge.ruleset();
        let mut stack = Vec::new();
        let mut found: Vec<Wanted> = Vec::new();
        for weight in [1.0, 2.0, 3.0, 6.0, 12.0, 60.0] {
            let countable = |id: RuleId| {
                let rule = rules.rule(id);
                weight == 1.0 || rule.tflags.has(Flags::MULTIPLE) || matches!(rule.kind, Kind::Meta(_))
            };
            let mut holds = |chosen: &[RuleId]| {
                let value = meta.expression.evaluate(true, &mut stack, |id| match chosen.contains(&id) {
                    true if countable(id) => weight,
                    true => 1.0,
                    false => 0.0,
                });
                if count > 1.0 { value >= count } else { value != 0.0 }
            };
            if holds(&[]) {
                found.push(Vec::new());
            }
            for _ in 0..if open.len() > 40 { 40 } else { 150 } {
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
                chosen.sort_unstable();
                found.push(chosen.into_iter().map(|id| (id, if countable(id) { weight } else { 1.0 })).collect());
            }
            if !found.is_empty() {
                break;
            }
        }
        let cost = |chosen: &Wanted| -> usize {
            chosen
                .iter()
                .map(|(id, _)| match &rules.rule(*id).kind {
                    Kind::Meta(_) => 2,
                    Kind::Eval(_) if !self.cases.contains_key(&rules.rule(*id).name) => 4,
                    _ => 1,
                })
                .sum()
        };
        found.sort_by(|a, b| cost(a).cmp(&cost(b)).then_with(|| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)));
        found.dedup();
        found
    }

    /// Adds to the draft what makes the rule hit, so many times; false where that is beyond us.
    fn want(&mut self, rule: &Rule, count: f64, draft: &mut Draft, depth: u32) -> bool {
        if let Some(case) = self.cases.get(&rule.name) {
            let case = case.clone();
            draft.headers.extend(case.headers);
            draft.raw.extend(case.raw);
            draft.absent.extend(case.absent);
            draft.entities.extend(case.entities);
            return true;
        }
        match &rule.kind {
            Kind::Meta(meta) => depth > 0 && self.want_meta(rule, meta, count, draft, depth - 1),
            Kind::Eval(_) => self.want_base(rule, draft),
            _ => (0..count as usize).all(|_| self.want_one(rule, draft)),
        }
    }

    fn want_meta(&mut self, rule: &Rule, meta: &Meta, count: f64, draft: &mut Draft, depth: u32) -> bool {
        let candidates = self.candidates(rule, meta, count);
        for _ in 0..3 {
            if candidates.is_empty() {
                return false;
            }
            // The cheapest mostly, others now and then.
            let pick = if self.seed.one_in(2) { 0 } else { self.seed.below(candidates.len().min(12)) };
            let mut trial = draft.clone();
            let all = candidates[pick].iter().all(|(id, count)| {
                let rule = self.judge.ruleset().rule(*id);
                self.is_there(rule, &trial) || self.want(rule, *count, &mut trial, depth)
            });
            if all {
                *draft = trial;
                return true;
            }
        }
        false
    }

    /// Does a header already in the draft do? Two lines of one header often undo each other.
    fn is_there(&self, rule: &Rule, draft: &Draft) -> bool {
        let Kind::Header(test) = &rule.kind else { return false };
        let (Some(id), false) = (test.pattern.id, test.negated) else { return false };
        let name = header_of(test.header.split(':').next().unwrap_or_default());
        draft.headers.iter().any(|(n, value)| n.eq_ignore_ascii_case(name) && self.judge.database().is_match(id, value))
    }

    /// A mail that hits the check becomes what the message is built upon.
    fn want_base(&mut self, rule: &Rule, draft: &mut Draft) -> bool {
        if draft.base.is_some() {
            return false;
        }
        let Some(id) = self.judge.ruleset().find(&rule.name) else { return false };
        let with: Vec<usize> =
            self.bases.iter().filter(|(_, hits)| hits.contains_key(&id)).map(|(mail, _)| *mail).take(20).collect();
        if with.is_empty() {
            return false;
        }
        let mail = with[if self.seed.one_in(2) { 0 } else { self.seed.below(with.len()) }];
        draft.base = std::fs::read(&self.mails[mail].path).ok();
        draft.base.is_some()
    }

    fn want_one(&mut self, rule: &Rule, draft: &mut Draft) -> bool {
        match &rule.kind {
            Kind::Header(test) => {
                let name = test.header.split(':').next().unwrap_or_default();
                if test.negated {
                    // Most values do not match; the usual ones are there anyway.
                    if !["from", "to", "subject", "date", "message-id"].contains(&name.to_ascii_lowercase().as_str()) {
                        draft.add_header(header_of(name), b"zq".to_vec(), false);
                    }
                    return true;
                }
                let unset = test.if_unset.as_deref().unwrap_or_default();
                if test.pattern.id.is_some_and(|id| self.judge.database().is_match(id, unset)) && self.seed.one_in(2) {
                    draft.absent.push(header_of(name).to_owned());
                    return true;
                }
                let Some(text) = self.text_for(&test.pattern, &[b""]) else { return false };
                self.place_header(draft, &test.header, text);
            }
            Kind::HeaderExists { header } => self.place_header(draft, header, b"present".to_vec()),
            Kind::MimeHeader(test) => {
                if test.negated {
                    draft.part_headers.push((test.header.clone(), b"zq".to_vec()));
                    return true;
                }
                let Some(text) = self.text_for(&test.pattern, &[b""]) else { return false };
                draft.part_headers.push((test.header.clone(), unfolded(text)));
            }
            Kind::Body(pattern) | Kind::Text(pattern) => {
                let Some(text) = self.text_for(pattern, &[b""]) else { return false };
                draft.paragraphs.push(text);
            }
            Kind::RawBody(pattern) => {
                let Some(text) = self.text_for(pattern, &[b""]) else { return false };
                draft.html.push(text);
            }
            Kind::Full(pattern) => {
                let Some(text) = self.text_for(pattern, &[b""]) else { return false };
                if self.style.bare { &mut draft.raw } else { &mut draft.html }.push(text);
            }
            Kind::Uri(pattern) => {
                let prefixes: [&[u8]; 6] = [
                    b"",
                    b"http://",
                    b"http://www.example.com/",
                    b"http://www.example",
                    b"http://www.example.com/?a=",
                    b"mailto:someone",
                ];
                let Some(text) = self.text_for(pattern, &prefixes) else { return false };
                draft.links.push(text);
            }
            Kind::UriDetail(conditions) => {
                let mut link = b"http://www.example.com/".to_vec();
                let mut shown = b"here".to_vec();
                for condition in conditions.iter().filter(|c| !c.negated) {
                    let prefixes: &[&[u8]] = &[b"", b"http://", b"http://www.example.com/"];
                    let Some(text) = self.text_for(&condition.pattern, prefixes) else { return false };
                    match condition.key {
                        rules::UriKey::Text => shown = text,
                        rules::UriKey::Type => {}
                        rules::UriKey::Domain | rules::UriKey::Host => {
                            link = [b"http://", text.as_slice(), b"/"].concat()
                        }
                        rules::UriKey::Raw | rules::UriKey::Cleaned => link = text,
                    }
                }
                draft.html.push([b"<a href=\"", link.as_slice(), b"\">", &shown, b"</a>"].concat());
            }
            Kind::Meta(_) | Kind::Eval(_) | Kind::AskDns(_) | Kind::Empty => return false,
        }
        true
    }

    /// A text that the pattern matches, behind one of the prefixes.
    fn text_for(&mut self, pattern: &Pattern, prefixes: &[&[u8]]) -> Option<Vec<u8>> {
        let id = pattern.id?;
        let tree = patterns::perl::parse(pattern.body(), pattern.flags).ok()?;
        // Bytes that are no UTF-8 are taken for another charset and changed: only if there is nothing better.
        let mut raw = None;
        for _ in 0..DRAWS {
            let Some(text) = draw(&tree, &mut self.seed) else { continue };
            let starts_as_uri = text.starts_with(b"http") || text.starts_with(b"mailto:") || text.starts_with(b"ftp");
            for prefix in prefixes {
                if prefixes.len() > 1 && prefix.is_empty() && !starts_as_uri {
                    continue;
                }
                for (before, after) in [(&b""[..], &b""[..]), (b"", b" "), (b"a ", b" z"), (b"", b"/")] {
                    let candidate = [prefix, before, &text, after].concat();
                    if !self.judge.database().is_match(id, &candidate) {
                        continue;
                    }
                    // A space at the end of a line is lost on the way.
                    let longer = [&candidate[..], b"z"].concat();
                    let ends_in_space = candidate.ends_with(b" ") && self.judge.database().is_match(id, &longer);
                    let candidate = if ends_in_space { longer } else { candidate };
                    if std::str::from_utf8(&candidate).is_ok() {
                        return Some(candidate);
                    }
                    raw.get_or_insert(candidate);
                }
            }
        }
        raw
    }

    /// Puts a value under the header that a request looks at; pseudo headers go where their text comes from.
    fn place_header(&mut self, draft: &mut Draft, request: &str, value: Vec<u8>) {
        let name = request.split(':').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("ALL") || name.starts_with("ALL-") {
            let value = value.strip_prefix(b"\n").unwrap_or(&value).to_vec();
            let first = value.split(|b| *b == b'\n').next().unwrap_or_default();
            let colon = first.iter().position(|b| *b == b':').unwrap_or(0);
            let is_header = colon > 0 && first[..colon].iter().all(|b| b.is_ascii_graphic());
            draft.raw.push(if is_header { value } else { [b"X-Other: ", value.as_slice()].concat() });
            return;
        }
        if name.starts_with("X-Spam-Relays") {
            draft.add_relay(&value, self.style.join);
            return;
        }
        let value = if request.ends_with(":name") {
            [b"\"", value.as_slice(), b"\" <someone@example.com>"].concat()
        } else if (request.contains(":addr") || name == "EnvelopeFrom") && value.starts_with(b"@") {
            [b"someone", value.as_slice()].concat()
        } else if (request.contains(":addr") || name == "EnvelopeFrom") && !value.contains(&b'@') {
            [b"someone@", value.as_slice()].concat()
        } else {
            value
        };
        // Folded values stay folded: a line feed needs white space behind it.
        let value = unfolded(value);
        draft.add_header(header_of(name), value, self.style.join);
    }
}

/// Where a pseudo header's text comes from.
fn header_of(name: &str) -> &str {
    match name {
        "ToCc" => "To",
        "MESSAGEID" => "Message-ID",
        "EnvelopeFrom" => "Return-Path",
        "X-Spam-Relays-Untrusted" | "X-Spam-Relays-External" | "X-Spam-Relays-Trusted" | "X-Spam-Relays-Internal" => {
            "Received"
        }
        other => other,
    }
}

/// A header value whose lines are continued.
fn unfolded(value: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for (i, byte) in value.iter().enumerate() {
        match byte {
            b'\r' | 0 => out.push(b' '),
            b'\n' if matches!(value.get(i + 1), Some(b' ' | b'\t')) => out.push(b'\n'),
            b'\n' => out.push(b' '),
            other => out.push(*other),
        }
    }
    out
}
