//! What is written: lessons one by one for the journal, and the whole model.
//!
//! Bytes in, bytes out. Every record has its length and a check sum before it; what does not fit is [`Damaged`], and a
//! journal is good up to there.

use crate::Class;
use crate::exchange::{Mark, NODES, Pending, Place, Statement};
use crate::features::{Features, GRAM_BITS, TOKEN_BITS};
use crate::model::{Counts, Gram, Lesson, Model, Seen, Token, User};
use sha2::{Digest, Sha256};

/// The first bytes of a model; the number is that of the format and of what features are made of.
const MODEL: &[u8; 16] = b"sekisho model 2\n";
/// Without [`Place`].
const MODEL_1: &[u8; 16] = b"sekisho model 1\n";

/// Places of the tables that are written or left out together.
const BLOCK: usize = 256;
/// No lesson is longer: a message has at most so many fragments.
const LONGEST: usize = 1 << 20;

/// Bytes that are no model, or no lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damaged {
    /// Of another program, or of another version of the format.
    Foreign,
    /// Ends too early: what a crash leaves of a journal.
    Short,
    /// The check sum is wrong.
    Sum,
    /// Right sum, wrong content.
    Content,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Damaged::Foreign => "no model of this version of sekisho",
            Damaged::Short => "it ends too early",
            Damaged::Sum => "its check sum is wrong",
            Damaged::Content => "it makes no sense",
        })
    }
}

impl std::error::Error for Damaged {}

pub(crate) fn sum(bytes: &[u8]) -> [u8; 8] {
    let hash = Sha256::digest(bytes);
    std::array::from_fn(|at| hash[at])
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?.try_into().map_err(|_| Damaged::Short)
    }

    fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_le_bytes)
    }

    fn number(&mut self) -> Result<u32, Damaged> {
        let mut number = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.array::<1>()?[0];
            number |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged::Content)
    }

    fn features(&mut self) -> Result<Features, Damaged> {
        Ok(Features { grams: self.numbers(1 << GRAM_BITS)?, tokens: self.numbers(1 << TOKEN_BITS)? })
    }

    /// Ascending numbers below `limit`, as [`put_numbers`] writes them.
    fn numbers(&mut self, limit: u32) -> Result<Vec<u32>, Damaged> {
        let count = self.number()? as usize;
        if count > self.0.len() {
            return Err(Damaged::Short);
        }
        let mut numbers = Vec::with_capacity(count);
        let mut last = 0u32;
        for _ in 0..count {
            last = last.checked_add(self.number()?).filter(|n| *n < limit).ok_or(Damaged::Content)?;
            numbers.push(last);
        }
        Ok(numbers)
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    put_number(out, sorted.len() as u32);
    let mut last = 0;
    for number in sorted {
        put_number(out, number - last);
        last = number;
    }
}

fn put_seen(out: &mut Vec<u8>, digest: u128, seen: &Seen) {
    out.extend(digest.to_le_bytes());
    out.push(u8::from(seen.class == Class::Spam));
    out.extend(seen.at.to_le_bytes());
    out.extend(seen.user.0.to_le_bytes());
    out.extend(seen.error.to_le_bytes());
    out.extend(seen.square.to_le_bytes());
}

fn read_seen(reader: &mut Reader<'_>) -> Result<(u128, Seen), Damaged> {
    let digest = u128::from_le_bytes(reader.array()?);
    let class = match reader.array::<1>()? {
        [0] => Class::Ham,
        [1] => Class::Spam,
        _ => return Err(Damaged::Content),
    };
    let (at, user) = (reader.u32()?, User(reader.u64()?));
    let (error, square) = (i32::from_le_bytes(reader.array()?), reader.u32()?);
    Ok((digest, Seen { class, at, user, error, square }))
}

/// A body with its length and its sum.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 12);
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(sum(body));
    out.extend(body);
    out
}

/// The body at the beginning of `bytes`, and the length of the whole.
fn unframed(bytes: &[u8]) -> Result<(&[u8], usize), Damaged> {
    let mut reader = Reader(bytes);
    let length = reader.u32()? as usize;
    if length > LONGEST {
        return Err(Damaged::Content);
    }
    let check = reader.array()?;
    let body = reader.take(length)?;
    if sum(body) != check {
        return Err(Damaged::Sum);
    }
    Ok((body, length + 12))
}

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Lesson(Lesson),
    Mark(Mark),
}

impl Record {
    pub fn from_bytes(bytes: &[u8]) -> Result<(Record, usize), Damaged> {
        let (body, length) = unframed(bytes)?;
        let mut reader = Reader(body);
        let record = match reader.array::<1>()? {
            [kind @ (0 | 1)] => {
                let (digest, seen) = read_seen(&mut reader)?;
                let features = reader.features()?;
                Record::Lesson(Lesson { digest, forget: kind == 1, seen, features })
            }
            [2] => Record::Mark(Mark::Heard { position: reader.u64()?, node: reader.u64()?, number: reader.u64()? }),
            [3] => Record::Mark(Mark::Out(reader.u64()?)),
            [4] => Record::Mark(Mark::Said(reader.u64()?)),
            _ => return Err(Damaged::Content),
        };
        if !reader.0.is_empty() {
            return Err(Damaged::Content);
        }
        Ok((record, length))
    }
}

impl Mark {
    /// A record of the journal.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, numbers) = match *self {
            Mark::Heard { position, node, number } => (2, vec![position, node, number]),
            Mark::Out(number) => (3, vec![number]),
            Mark::Said(number) => (4, vec![number]),
        };
        let mut body = vec![kind];
        numbers.iter().for_each(|number| body.extend(number.to_le_bytes()));
        framed(&body)
    }
}

impl Lesson {
    /// A record of the journal.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = vec![u8::from(self.forget)];
        put_seen(&mut body, self.digest, &self.seen);
        put_numbers(&mut body, &self.features.grams);
        put_numbers(&mut body, &self.features.tokens);
        framed(&body)
    }

    /// Of which message a record is, and whether it takes back; without looking at the rest.
    pub fn peek(bytes: &[u8]) -> Option<(u128, bool)> {
        let mut reader = Reader(bytes.get(12..)?);
        let forget = reader.array::<1>().ok()? != [0];
        Some((u128::from_le_bytes(reader.array().ok()?), forget))
    }

    /// The record at the beginning of `bytes`, if that is a lesson, and how long it is.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Lesson, usize), Damaged> {
        match Record::from_bytes(bytes)? {
            (Record::Lesson(lesson), length) => Ok((lesson, length)),
            (Record::Mark(_), _) => Err(Damaged::Content),
        }
    }
}

impl Statement {
    /// As machines send it to each other.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = vec![1];
        body.extend(self.node.to_le_bytes());
        body.extend(self.number.to_le_bytes());
        let seen = self.what.map(|(class, user, at)| Seen { class, at, user, error: 0, square: 0 });
        put_maybe_seen(&mut body, self.digest, seen.as_ref());
        put_numbers(&mut body, &self.features.grams);
        put_numbers(&mut body, &self.features.tokens);
        framed(&body)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Statement, Damaged> {
        let (body, length) = unframed(bytes)?;
        let mut reader = Reader(body);
        if reader.array()? != [1] {
            return Err(Damaged::Foreign);
        }
        let (node, number) = (reader.u64()?, reader.u64()?);
        let (digest, seen) = read_maybe_seen(&mut reader)?;
        let features = reader.features()?;
        if !reader.0.is_empty() || length != bytes.len() {
            return Err(Damaged::Content);
        }
        let what = seen.map(|seen| (seen.class, seen.user, seen.at));
        Ok(Statement { node, number, digest, what, features })
    }
}

impl Pending {
    /// A record of the queue.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = self.number.to_le_bytes().to_vec();
        put_maybe_seen(&mut body, self.digest, self.before.as_ref());
        put_maybe_seen(&mut body, self.digest, self.after.as_ref());
        put_numbers(&mut body, &self.features.grams);
        put_numbers(&mut body, &self.features.tokens);
        framed(&body)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<(Pending, usize), Damaged> {
        let (body, length) = unframed(bytes)?;
        let mut reader = Reader(body);
        let number = reader.u64()?;
        let (digest, before) = read_maybe_seen(&mut reader)?;
        let (_, after) = read_maybe_seen(&mut reader)?;
        let features = reader.features()?;
        if !reader.0.is_empty() {
            return Err(Damaged::Content);
        }
        Ok((Pending { number, digest, before, after, features }, length))
    }
}

fn put_maybe_seen(out: &mut Vec<u8>, digest: u128, seen: Option<&Seen>) {
    match seen {
        Some(seen) => {
            out.push(1);
            put_seen(out, digest, seen);
        }
        None => {
            out.push(0);
            out.extend(digest.to_le_bytes());
        }
    }
}

fn read_maybe_seen(reader: &mut Reader<'_>) -> Result<(u128, Option<Seen>), Damaged> {
    match reader.array::<1>()? {
        [0] => Ok((u128::from_le_bytes(reader.array()?), None)),
        [1] => read_seen(reader).map(|(digest, seen)| (digest, Some(seen))),
        _ => Err(Damaged::Content),
    }
}

impl Features {
    /// As lessons hold them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_numbers(&mut out, &self.grams);
        put_numbers(&mut out, &self.tokens);
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Features, Damaged> {
        let mut reader = Reader(bytes);
        let grams = reader.numbers(1 << GRAM_BITS)?;
        let tokens = reader.numbers(1 << TOKEN_BITS)?;
        if reader.0.is_empty() { Ok(Features { grams, tokens }) } else { Err(Damaged::Content) }
    }
}

impl Model {
    /// The whole model. `generation` is the caller's, to tell which journal goes with it.
    pub fn to_bytes(&self, generation: u64) -> Vec<u8> {
        self.to_bytes_at(generation, &self.place)
    }

    pub(crate) fn to_bytes_at(&self, generation: u64, place: &Place) -> Vec<u8> {
        let mut out = MODEL.to_vec();
        out.extend(generation.to_le_bytes());
        for number in [place.epoch, place.position, place.out, place.said, u64::from(place.anew)] {
            out.extend(number.to_le_bytes());
        }
        out.extend((place.heard.len() as u32).to_le_bytes());
        for (node, number) in &place.heard {
            out.extend(node.to_le_bytes());
            out.extend(number.to_le_bytes());
        }
        out.extend(self.counts.ham.to_le_bytes());
        out.extend(self.counts.spam.to_le_bytes());
        put_blocks(&mut out, &self.grams, |gram| (gram.errors as u32, gram.squares));
        put_blocks(&mut out, &self.tokens, |token| (token.ham, token.spam));
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_unstable_by_key(|(user, _)| **user);
        out.extend((users.len() as u32).to_le_bytes());
        for (user, counts) in users {
            out.extend(user.to_le_bytes());
            out.extend(counts.ham.to_le_bytes());
            out.extend(counts.spam.to_le_bytes());
        }
        let mut seen: Vec<_> = self.seen.iter().collect();
        seen.sort_unstable_by_key(|(digest, seen)| (seen.at, **digest));
        out.extend((seen.len() as u32).to_le_bytes());
        for (digest, seen) in seen {
            put_seen(&mut out, *digest, seen);
        }
        let check = sum(&out);
        out.extend(check);
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<(Model, u64), Damaged> {
        let mut reader = Reader(bytes);
        let head = reader.take(MODEL.len())?;
        if head != MODEL && head != MODEL_1 {
            return Err(Damaged::Foreign);
        }
        let content = bytes.len().checked_sub(8).filter(|length| *length >= MODEL.len()).ok_or(Damaged::Short)?;
        if sum(&bytes[..content]) != bytes[content..] {
            return Err(Damaged::Sum);
        }
        let mut reader = Reader(&bytes[MODEL.len()..content]);
        let mut model = Model::new();
        let generation = reader.u64()?;
        if head == MODEL {
            let place = &mut model.place;
            (place.epoch, place.position) = (reader.u64()?, reader.u64()?);
            (place.out, place.said, place.anew) = (reader.u64()?, reader.u64()?, reader.u64()? != 0);
            let nodes = reader.u32()? as usize;
            if nodes > NODES {
                return Err(Damaged::Content);
            }
            for _ in 0..nodes {
                place.heard.insert(reader.u64()?, reader.u64()?);
            }
        }
        model.counts = Counts { ham: reader.u32()?, spam: reader.u32()? };
        read_blocks(&mut reader, &mut model.grams, |a, b| Gram { errors: a as i32, squares: b })?;
        read_blocks(&mut reader, &mut model.tokens, |a, b| Token { ham: a, spam: b })?;
        for _ in 0..reader.u32()? {
            let user = reader.u64()?;
            model.users.insert(user, Counts { ham: reader.u32()?, spam: reader.u32()? });
        }
        for _ in 0..reader.u32()? {
            let (digest, seen) = read_seen(&mut reader)?;
            model.seen.insert(digest, seen);
        }
        if !reader.0.is_empty() {
            return Err(Damaged::Content);
        }
        Ok((model, generation))
    }
}

/// Blocks in which nothing was learnt are left out.
fn put_blocks<T: Copy>(out: &mut Vec<u8>, table: &[T], split: impl Fn(T) -> (u32, u32)) {
    for block in table.chunks(BLOCK) {
        let used = block.iter().any(|item| split(*item) != (0, 0));
        out.push(u8::from(used));
        if used {
            for item in block {
                let (a, b) = split(*item);
                out.extend(a.to_le_bytes());
                out.extend(b.to_le_bytes());
            }
        }
    }
}

fn read_blocks<T>(reader: &mut Reader<'_>, table: &mut [T], join: impl Fn(u32, u32) -> T) -> Result<(), Damaged> {
    for block in table.chunks_mut(BLOCK) {
        match reader.array::<1>()? {
            [0] => {}
            [1] => {
                for item in block {
                    *item = join(reader.u32()?, reader.u32()?);
                }
            }
            _ => return Err(Damaged::Content),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, digest};

    fn taught() -> (Model, Vec<Lesson>) {
        let mut model = Model::new();
        let mut extractor = crate::Extractor::default();
        let mut lessons = Vec::new();
        for i in 0..6u32 {
            let raw = format!(
                "From: a{i}@b.example\nSubject: =?utf-8?B?6KuL5rGC5pu4?= {i}\n\nこんにちは 請求書 number {i}\n"
            );
            let message = mail::Message::parse(raw.as_bytes(), &mail::Limits::default());
            let config = mail::ViewConfig::default();
            let features = extractor.extract(&mail::Views::new(&message, &config));
            let class = if i % 2 == 0 { Class::Spam } else { Class::Ham };
            let outcome = model.learn(digest(&message), &features, class, User(u64::from(i / 4)), 1_700_000_000 + i);
            let Outcome::Learnt(more) = outcome else { panic!("learnt before") };
            lessons.extend(more);
        }
        (model, lessons)
    }

    #[test]
    fn a_model_comes_back_as_it_was() {
        let (model, _) = taught();
        let bytes = model.to_bytes(42);
        assert_eq!(Model::from_bytes(&bytes), Ok((model, 42)));
        assert_eq!(Model::from_bytes(b"something else altogether"), Err(Damaged::Foreign));
        assert_eq!(Model::from_bytes(&bytes[..bytes.len() - 1]), Err(Damaged::Sum));
        assert_eq!(Model::from_bytes(&bytes[..10]), Err(Damaged::Short));
        let mut changed = bytes.clone();
        changed[100] ^= 1;
        assert_eq!(Model::from_bytes(&changed), Err(Damaged::Sum));
    }

    #[test]
    fn lessons_come_back_and_make_the_same_model() {
        let (model, lessons) = taught();
        let journal: Vec<u8> = lessons.iter().flat_map(Lesson::to_bytes).collect();
        let (mut at, mut again) = (0, Model::new());
        while at < journal.len() {
            let (Record::Lesson(lesson), length) = Record::from_bytes(&journal[at..]).expect("a record") else {
                panic!()
            };
            assert!(again.apply(&lesson));
            at += length;
        }
        assert_eq!(again, model);
        let first = lessons[0].to_bytes();
        assert_eq!(Lesson::peek(&first), Some((lessons[0].digest, false)));
        let features = lessons[0].features.to_bytes();
        assert_eq!(Features::from_bytes(&features), Lesson::from_bytes(&first).map(|(lesson, _)| lesson.features));
        assert!(Features::from_bytes(&features[..features.len() - 1]).is_err());
        for cut in 0..first.len() {
            assert_eq!(Record::from_bytes(&first[..cut]), Err(Damaged::Short));
        }
        let mut changed = first.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        assert_eq!(Record::from_bytes(&changed), Err(Damaged::Sum));
    }

    #[test]
    fn what_machines_send_comes_back() {
        let (mut model, lessons) = taught();
        for lesson in &lessons {
            let features = lesson.features.clone().sorted();
            let seen = lesson.seen;
            for what in [None, Some((seen.class, seen.user, seen.at))] {
                let statement =
                    Statement { node: 7, number: 9, digest: lesson.digest, what, features: features.clone() };
                let bytes = statement.to_bytes();
                assert_eq!(Statement::from_bytes(&bytes), Ok(statement));
                assert!(Statement::from_bytes(&bytes[..bytes.len() - 1]).is_err());
            }
            let (before, after) = (Some(seen), None);
            let pending = Pending { number: 3, digest: lesson.digest, before, after, features };
            let bytes = pending.to_bytes();
            assert_eq!(Pending::from_bytes(&bytes), Ok((pending, bytes.len())));
        }
        for mark in [Mark::Heard { position: 1, node: 2, number: 3 }, Mark::Out(4), Mark::Said(5)] {
            assert_eq!(Record::from_bytes(&mark.to_bytes()).map(|(record, _)| record), Ok(Record::Mark(mark)));
            model.mark(mark);
        }
        let again = Model::from_bytes(&model.to_bytes(1)).map(|(model, _)| model);
        assert_eq!(again.as_ref().map(Model::place), Ok(model.place()));
        assert_eq!(Model::from_shared_bytes(&model.to_shared_bytes(8)).map(|model| model.place().said), Ok(0));
    }
}
