//! One message from begin to verdict: patterns over every view, then checks, then metas, then scores.
//!
//! In: an [`Engine`], a [`Transaction`], later [`Answers`]. Out: a [`Step`]: questions that the checks have, or the
//! verdict. A scan does no I/O; whoever drives it answers the questions and calls [`Scan::advance`] again, upon which
//! only the checks that waited run. With no questions (all tests that need no network) there is one step.

use crate::answers::{Answer, Answers, Asking, Question};
use crate::check::{Context, LimitsReached, Memo, Pending};
use crate::plan::GroupText;
use crate::score::{Counted, score};
use crate::scratch::{Scratch, Values};
use crate::{Engine, explain, geography, special};
use mail::views::Views;
use mail::{ForRecipient, Note, Transaction, Trouble, Verdict};
use patterns::Text;
use rules::{Kind, RuleId};

/// What a scan has come to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "made once a message, and the large one is what is wanted")]
pub enum Step {
    /// Checks wait for these; answer them all, then advance again.
    Ask(Vec<Question>),
    Done(Verdict),
}

/// A message being judged.
pub struct Scan<'a> {
    engine: &'a Engine,
    transaction: &'a Transaction,
    views: Views<'a>,
    memo: Memo,
    values: Values,
    counted: Vec<Counted>,
    verdict: Verdict,
    /// Indices into the plan's evals that have yet to run.
    waiting: Vec<usize>,
    began: bool,
}

/// Judges with what the message itself tells: questions get no answer.
pub fn judge(engine: &Engine, transaction: &Transaction, scratch: &mut Scratch) -> Verdict {
    judge_with_views(engine, transaction, scratch).0
}

/// As [`judge`], and hands back the views, which reports and rewriting need.
pub fn judge_with_views<'a>(
    engine: &'a Engine,
    transaction: &'a Transaction,
    scratch: &mut Scratch,
) -> (Verdict, Views<'a>) {
    judge_with_answers(engine, transaction, scratch, |_, _| Answer::Unknown)
}

/// As [`judge_with_views`], with somebody who answers at once.
pub fn judge_with_answers<'a>(
    engine: &'a Engine,
    transaction: &'a Transaction,
    scratch: &mut Scratch,
    mut answer: impl FnMut(&Question, &Views<'_>) -> Answer,
) -> (Verdict, Views<'a>) {
    let all = |questions: Vec<Question>, views: &Views<'_>, answers: &mut Answers| {
        for question in questions {
            let answer = answer(&question, views);
            answers.insert(question, answer);
        }
    };
    let (verdict, views, _) = judge_asking(engine, transaction, scratch, Answers::default(), all);
    (verdict, views)
}

/// As [`judge_with_answers`], with some answers known, and somebody who is asked everything that is open at once; hands
/// back all answers.
pub fn judge_asking<'a>(
    engine: &'a Engine,
    transaction: &'a Transaction,
    scratch: &mut Scratch,
    mut answers: Answers,
    mut answer: impl FnMut(Vec<Question>, &Views<'_>, &mut Answers),
) -> (Verdict, Views<'a>, Answers) {
    let mut scan = Scan::begin(engine, transaction, scratch);
    loop {
        match scan.advance(&answers, scratch) {
            Step::Done(verdict) => return (verdict, scan.views, answers),
            Step::Ask(questions) => {
                // Whoever leaves one open is not asked for ever.
                let asked = questions.clone();
                answer(questions, &scan.views, &mut answers);
                for question in asked {
                    if answers.get(&question).is_none() {
                        answers.insert(question, Answer::Unknown);
                    }
                }
            }
        }
    }
}

impl<'a> Scan<'a> {
    pub fn begin(engine: &'a Engine, transaction: &'a Transaction, scratch: &mut Scratch) -> Scan<'a> {
        let mut values = std::mem::take(&mut scratch.values);
        values.reset(engine.ruleset.rules.len());
        Scan {
            engine,
            transaction,
            views: Views::new(&transaction.message, &engine.views),
            memo: Memo::default(),
            values,
            counted: Vec::new(),
            verdict: Verdict::default(),
            waiting: (0..engine.plan.evals.len()).collect(),
            began: false,
        }
    }

    pub fn views(&self) -> &Views<'a> {
        &self.views
    }

    /// Goes on as far as the answers allow. After [`Step::Done`] the scan is over.
    pub fn advance(&mut self, answers: &Answers, scratch: &mut Scratch) -> Step {
        let mut watch = Stopwatch::start(scratch);
        if !self.began {
            self.began = true;
            self.look_around();
            self.make_views();
            watch.lap(&mut scratch.timing.views);
            self.match_patterns(scratch);
            watch.lap(&mut scratch.timing.patterns);
        }
        let questions = self.run_checks(answers);
        watch.lap(&mut scratch.timing.checks);
        if !questions.is_empty() {
            return Step::Ask(questions);
        }
        let (values, counted) = (&mut self.values, &mut self.counted);
        self.engine.plan.metas.run(values, &mut scratch.desk, |rule| counted.push(Counted::once(rule)));
        score(self.engine, std::mem::take(counted), &mut self.verdict);
        crate::checks::reputation::adjust(self.engine, &self.memo, &mut self.verdict);
        if scratch.explain {
            explain::add_evidence(self.engine, &self.views, &self.values, &mut self.verdict);
        }
        let mut verdict = std::mem::take(&mut self.verdict);
        if let Some(told) = crate::checks::dnsbl::tag(&self.memo) {
            set_tag(&mut verdict.tags, "RBL", told.into_bytes());
        }
        for (tag, values) in crate::checks::uridnsbl::tags(&self.memo) {
            verdict.tags.push((tag.to_owned(), values));
        }
        verdict.troubles.extend(self.views.limits_reached().into_iter().filter_map(limit_trouble));
        let reached = self.memo.get_or_init(LimitsReached::default);
        let reached = reached.0.borrow();
        let notes = reached.iter().map(|&(what, limit)| Note::Limit { what, limit });
        verdict.troubles.extend(notes.filter_map(limit_trouble));
        verdict.authentication = answers.authentication().cloned();
        verdict.recipients = self.for_recipients(&verdict);
        scratch.values = std::mem::take(&mut self.values);
        watch.lap(&mut scratch.timing.metas);
        scratch.timing.messages += 1;
        Step::Done(verdict)
    }

    /// Every recipient starts from the message's verdict; preferences of his own are applied by who has them (`app::policy`).
    fn for_recipients(&self, verdict: &Verdict) -> Vec<ForRecipient> {
        let recipients = self.transaction.envelope.recipients.iter();
        recipients
            .map(|recipient| ForRecipient {
                recipient: recipient.clone(),
                score: verdict.score,
                required: verdict.required,
                spam: verdict.spam,
            })
            .collect()
    }

    /// What tables of addresses say of the relays.
    fn look_around(&mut self) {
        let Some(tables) = self.engine.geography.as_deref() else { return };
        let ruleset = &self.engine.ruleset;
        if ruleset.has_plugin("RelayCountry") && tables.has_countries() {
            for (tag, countries) in geography::put_countries(tables, &self.views) {
                set_tag(&mut self.verdict.tags, tag, countries.into_bytes());
            }
        }
        if ruleset.has_plugin("ASN")
            && let Some(system) = geography::system(tables, &self.views, &ruleset.settings)
        {
            set_tag(&mut self.verdict.tags, "ASN", system.into_bytes());
        }
    }

    /// Views are made on first use; all that the patterns need are needed now.
    fn make_views(&self) {
        if self.engine.ruleset.has_plugin("TextCat") {
            crate::checks::language::put_metadata(&self.views, &self.engine.ruleset.settings);
        }
        for group in &self.engine.plan.groups {
            match &group.text {
                GroupText::Header { request, .. } => {
                    self.views.header_by_id(*request);
                }
                GroupText::Body => {
                    self.views.body();
                }
                GroupText::RawBody => {
                    self.views.rawbody();
                }
                GroupText::Uri => {
                    self.views.uris();
                }
                GroupText::Text => {
                    self.views.text();
                }
                GroupText::Full | GroupText::MimeHeader { .. } => {}
            }
        }
    }

    fn match_patterns(&mut self, scratch: &mut Scratch) {
        let engine = self.engine;
        let mut found = std::mem::take(&mut scratch.found);
        found.clear();
        let mut unset: Vec<(patterns::PatternId, u32)> = Vec::new();
        for group in &engine.plan.groups {
            let mut scan = |text: Text<'_>| {
                engine.ruleset.database.scan(group.group, text, &mut scratch.patterns, &mut found);
            };
            match &group.text {
                GroupText::Header { request, when_unset, .. } => match self.views.header_by_id(*request) {
                    Some(value) => scan(Text { bytes: &value.joined, ends: &[value.joined.len() as u32] }),
                    None => unset.extend(when_unset),
                },
                GroupText::Body => scan(text(self.views.body())),
                GroupText::RawBody => scan(text(self.views.rawbody())),
                GroupText::Uri => scan(text(&self.views.uris().text)),
                GroupText::Text => scan(text(&self.views.text().body)),
                GroupText::Full => scan(Text { bytes: self.views.full(), ends: &[self.views.full().len() as u32] }),
                GroupText::MimeHeader { name, raw } => scan(text(&special::mime_header(&self.views, name, *raw))),
            }
        }
        for existence in &engine.plan.existences {
            if self.views.header_by_id(existence.request).is_some() {
                self.hit(existence.rule, 1);
            }
        }
        for &(rule, pattern) in &engine.plan.negated {
            if found.get(pattern).is_none() && !unset.iter().any(|(id, _)| *id == pattern) {
                self.hit(rule, 1);
            }
        }
        let matched = found.hits().iter().map(|hit| (hit.pattern, hit.count));
        for (pattern, count) in matched.chain(unset) {
            for &rule in engine.plan.targets_of(pattern) {
                self.hit(rule, count);
            }
        }
        for pattern in found.limited() {
            for &rule in engine.plan.targets_of(*pattern) {
                self.verdict.troubles.push(Trouble {
                    rule: engine.ruleset.rule(rule).name.clone(),
                    what: "given up after too many steps".to_owned(),
                });
            }
        }
        scratch.found = found;
        let mut hits = Vec::new();
        special::run(engine, &self.views, &self.values, scratch, &mut self.verdict.tags, |rule, count| {
            hits.push((rule, count));
        });
        hits.into_iter().for_each(|(rule, count)| self.hit(rule, count));
    }

    fn hit(&mut self, rule: RuleId, count: u32) {
        self.values.set(rule, f64::from(count));
        self.counted.push(Counted { count, ..Counted::once(rule) });
    }

    /// Runs the checks that have not run or that waited; what they ask now. A check may wait for another's tag: those
    /// that wait run again as long as others come to an end, and are told when none is left to wait for.
    fn run_checks(&mut self, answers: &Answers) -> Vec<Question> {
        loop {
            let asking = Asking::new(answers);
            let before = self.waiting.len();
            self.run_waiting(&asking, false);
            if self.waiting.is_empty() {
                return Vec::new();
            }
            if self.waiting.len() < before {
                continue;
            }
            if !asking.is_open() {
                self.run_waiting(&asking, true);
            }
            // What is still waiting without a question has nothing to wait for.
            if !asking.is_open() {
                self.waiting.clear();
            }
            return asking.into_open();
        }
    }

    fn run_waiting(&mut self, asking: &Asking<'_>, settled: bool) {
        let engine = self.engine;
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|&index| {
            let planned = &engine.plan.evals[index];
            let rule = planned.rule.map(|rule| engine.ruleset.rule(rule));
            let arguments = match rule.map(|rule| &rule.kind) {
                Some(Kind::Eval(eval)) => &eval.arguments,
                _ => &planned.arguments,
            };
            let context = Context {
                transaction: self.transaction,
                views: &self.views,
                settings: &engine.ruleset.settings,
                rule: rule.map_or("", |rule| &rule.name),
                kind: planned.kind,
                flags: rule.map(|rule| rule.tflags.flags).unwrap_or_default(),
                network: engine.score_set.network,
                lists: &engine.plan.lists,
                tags: &self.verdict.tags,
                settled,
                memo: &self.memo,
                asking,
            };
            let finding = match (planned.run.run)(&context, arguments) {
                Ok(finding) => finding,
                Err(Pending) => return true,
            };
            for (name, value) in finding.tags {
                set_tag(&mut self.verdict.tags, name, value.into_bytes());
            }
            for (name, values) in finding.values {
                self.verdict.tags.retain(|(tag, _)| *tag != name);
                self.verdict.tags.push((name, values.into_iter().map(String::into_bytes).collect()));
            }
            if finding.value != 0.0
                && let Some(rule) = planned.rule
            {
                self.values.set(rule, if finding.value > 0.0 { finding.value } else { 1.0 });
                self.counted.push(Counted { rule, count: 1, notes: finding.notes, evidence: finding.evidence });
            }
            false
        });
        self.waiting = waiting;
    }
}

fn limit_trouble(note: Note) -> Option<Trouble> {
    let Note::Limit { what, limit } = note else { return None };
    let what = format!("limit reached ({what}: {limit}); what lies beyond was not looked at");
    Some(Trouble { rule: String::new(), what })
}

/// A tag has the value that was set last.
pub(crate) fn set_tag(tags: &mut Vec<(String, Vec<Vec<u8>>)>, name: &str, value: Vec<u8>) {
    match tags.iter_mut().find(|(tag, _)| tag == name) {
        Some((_, values)) => *values = vec![value],
        None => tags.push((name.to_owned(), vec![value])),
    }
}

pub(crate) fn text(units: &mail::UnitText) -> Text<'_> {
    Text { bytes: &units.bytes, ends: &units.ends }
}

impl Counted {
    fn once(rule: RuleId) -> Counted {
        Counted { rule, count: 1, notes: Vec::new(), evidence: Vec::new() }
    }
}

/// Adds up what each stage took, if anyone wants to know.
struct Stopwatch {
    clock: Option<fn() -> u64>,
    since: u64,
}

impl Stopwatch {
    fn start(scratch: &Scratch) -> Stopwatch {
        Stopwatch { clock: scratch.clock, since: scratch.clock.map_or(0, |clock| clock()) }
    }

    fn lap(&mut self, stage: &mut u64) {
        if let Some(clock) = self.clock {
            let now = clock();
            *stage += now.saturating_sub(self.since);
            self.since = now;
        }
    }
}
