//! What is written: lessons one by one for the journal, and the whole model.
//!
//! Bytes in, bytes out. Every record has its length and a check sum before it; what does not fit is [`Damaged`], and a
//! journal is good up to there.

use crate::Class;
use crate::features::{Features, GRAM_BITS, TOKEN_BITS};
use crate::model::{Counts, Gram, Lesson, Model, Seen, Token, User};
use sha2::{Digest, Sha256};

/// The first bytes of a model; the number is that of the format and of what features are made of.
const MODEL: &[u8; 16] = b"sekisho model 1\n";
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

fn sum(bytes: &[u8]) -> [u8; 8] {
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

impl Lesson {
    /// A record of the journal.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body = vec![u8::from(self.forget)];
        put_seen(&mut body, self.digest, &self.seen);
        put_numbers(&mut body, &self.features.grams);
        put_numbers(&mut body, &self.features.tokens);
        let mut out = Vec::with_capacity(body.len() + 12);
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(sum(&body));
        out.extend(body);
        out
    }

    /// Of which message a record is, and whether it takes back; without looking at the rest.
    pub fn peek(bytes: &[u8]) -> Option<(u128, bool)> {
        let mut reader = Reader(bytes.get(12..)?);
        let forget = reader.array::<1>().ok()? != [0];
        Some((u128::from_le_bytes(reader.array().ok()?), forget))
    }

    /// The record at the beginning of `bytes`, and how long it is.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Lesson, usize), Damaged> {
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
        let mut reader = Reader(body);
        let forget = match reader.array::<1>()? {
            [0] => false,
            [1] => true,
            _ => return Err(Damaged::Content),
        };
        let (digest, seen) = read_seen(&mut reader)?;
        let grams = reader.numbers(1 << GRAM_BITS)?;
        let tokens = reader.numbers(1 << TOKEN_BITS)?;
        if !reader.0.is_empty() {
            return Err(Damaged::Content);
        }
        Ok((Lesson { digest, forget, seen, features: Features { grams, tokens } }, length + 12))
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
        let mut out = MODEL.to_vec();
        out.extend(generation.to_le_bytes());
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
        if reader.take(MODEL.len())? != MODEL {
            return Err(Damaged::Foreign);
        }
        let content = bytes.len().checked_sub(8).filter(|length| *length >= MODEL.len()).ok_or(Damaged::Short)?;
        if sum(&bytes[..content]) != bytes[content..] {
            return Err(Damaged::Sum);
        }
        let mut reader = Reader(&bytes[MODEL.len()..content]);
        let mut model = Model::new();
        let generation = reader.u64()?;
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
            let (lesson, length) = Lesson::from_bytes(&journal[at..]).expect("a lesson");
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
            assert_eq!(Lesson::from_bytes(&first[..cut]), Err(Damaged::Short));
        }
        let mut changed = first.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        assert_eq!(Lesson::from_bytes(&changed), Err(Damaged::Sum));
    }
}
