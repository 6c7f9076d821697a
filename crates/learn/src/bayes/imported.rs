//! What `sa-learn --backup` wrote, as a table to look tokens up in, and SpamAssassin's arithmetic over it.
//!
//! In: the backup's lines, then a message's tokens. Out: the probability that SpamAssassin would give. The table is never
//! taught: so a token whose probability says nothing today never will, and is not kept. A backup with more tokens than the
//! table may have loses those first that were in the fewest messages.

use crate::format::{Damaged, sum};
use std::collections::HashMap;
use std::fmt;

/// Tokens in a table at most; 13 bytes each.
const MOST: usize = 4_000_000;
/// Tokens read at most: a backup of more is not one mail server's.
const READ: usize = 50_000_000;
/// Counts above are no counts of messages.
const COUNT: u32 = 1 << 30;

/// SpamAssassin's constants: strength and value of what is assumed of an unknown token, how far from one half a
/// token must be, and how many tokens count.
const STRENGTH: f64 = 0.030;
const UNKNOWN: f64 = 0.538;
const SAYS_NOTHING: f64 = 0.346;
const TOKENS: usize = 150;

const MAGIC: &[u8; 16] = b"sekisho import1\n";

/// Why a backup cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportError {
    /// Its first line does not say so.
    NoBackup,
    /// A version other than 2 and 3.
    Version(u32),
    /// A line that is none of a backup's.
    Line(usize),
    /// It does not say how many spams or hams were learnt, or there were none of one kind.
    NoMessages,
    TooMany(usize),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::NoBackup => {
                f.write_str("not what sa-learn --backup writes: the first line must name the db_version")
            }
            ImportError::Version(version) => {
                write!(
                    f,
                    "a backup of version {version}; 2 and 3 are understood. Upgrade it with sa-learn --sync, then --backup"
                )
            }
            ImportError::Line(line) => {
                write!(
                    f,
                    "line {line} is neither a token nor a message of a backup; was the file cut or changed on its way?"
                )
            }
            ImportError::NoMessages => f.write_str(
                "it knows no hams or no spams, so it can tell neither; learn from mail instead (sekisho learn)",
            ),
            ImportError::TooMany(limit) => {
                write!(f, "more than {limit} tokens; let SpamAssassin expire old ones first (sa-learn --force-expire)")
            }
        }
    }
}

impl std::error::Error for ImportError {}

/// Takes a backup's lines.
#[derive(Debug, Default)]
pub struct Importer {
    line: usize,
    version: u32,
    spam: Option<u32>,
    ham: Option<u32>,
    tokens: HashMap<u64, (u32, u32)>,
    /// Messages that the backup names as learnt.
    seen: usize,
}

impl Importer {
    /// One line, with or without its end.
    pub fn line(&mut self, line: &[u8]) -> Result<(), ImportError> {
        self.line += 1;
        let line = line.trim_ascii_end();
        let mut columns = line.splitn(5, |byte| *byte == b'\t' || *byte == b' ');
        let mut column = || columns.next().unwrap_or_default();
        let kind = column();
        if self.line == 1 {
            let version = number(column());
            if kind != b"v" || !column().starts_with(b"db_version") {
                return Err(ImportError::NoBackup);
            }
            self.version = version.unwrap_or_default();
            return if matches!(self.version, 2 | 3) { Ok(()) } else { Err(ImportError::Version(self.version)) };
        }
        match kind {
            b"v" => {
                let value = number(column());
                match column() {
                    b"num_spam" => self.spam = value,
                    b"num_nonspam" => self.ham = value,
                    _ => {}
                }
                Ok(())
            }
            b"t" => {
                let (spam, ham) = (number(column()), number(column()));
                let _last_seen = column();
                let token = column();
                let token = match self.version {
                    3 => hexadecimal(token),
                    _ => Some(super::tokens::number(token)).filter(|_| !token.is_empty()),
                };
                let (Some(spam), Some(ham), Some(token)) = (spam, ham, token) else {
                    return Err(ImportError::Line(self.line));
                };
                if (spam, ham) != (0, 0) {
                    self.tokens.insert(token, (spam, ham));
                }
                if self.tokens.len() > READ { Err(ImportError::TooMany(READ)) } else { Ok(()) }
            }
            b"s" => {
                self.seen += 1;
                Ok(())
            }
            b"" => Ok(()),
            _ => Err(ImportError::Line(self.line)),
        }
    }

    /// The table, and how many tokens that say something did not fit.
    pub fn finish(self) -> Result<(Imported, usize), ImportError> {
        self.finish_within(MOST)
    }

    fn finish_within(self, most: usize) -> Result<(Imported, usize), ImportError> {
        if self.line == 0 {
            return Err(ImportError::NoBackup);
        }
        let (Some(spam @ 1..), Some(ham @ 1..)) = (self.spam, self.ham) else { return Err(ImportError::NoMessages) };
        let mut imported = Imported { spam, ham, read: self.tokens.len() as u32, ..Imported::default() };
        let says = |(spam, ham): (u32, u32)| strength(imported.token_probability(spam, ham)) >= SAYS_NOTHING;
        let mut kept: Vec<(u64, (u32, u32))> = self.tokens.into_iter().filter(|(_, counts)| says(*counts)).collect();
        let before = kept.len();
        let mut least = 1;
        while kept.len() > most {
            least += 1;
            kept.retain(|(_, (spam, ham))| spam.saturating_add(*ham) >= least);
        }
        let left_out = before - kept.len();
        kept.sort_unstable();
        imported.table.reserve_exact(kept.len() * RECORD);
        for (token, (spam, ham)) in kept {
            imported.table.extend_from_slice(&token.to_be_bytes()[3..]);
            imported.table.extend_from_slice(&spam.to_le_bytes());
            imported.table.extend_from_slice(&ham.to_le_bytes());
        }
        imported.index();
        Ok((imported, left_out))
    }
}

/// Counts below zero, as old versions left them, are none.
fn number(column: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(column).ok()?;
    let number: i64 = text.parse().ok()?;
    Some(u32::try_from(number.max(0)).ok()?.min(COUNT))
}

fn hexadecimal(column: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(column).ok().filter(|text| text.len() == 10)?;
    u64::from_str_radix(text, 16).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

const RECORD: usize = 13;

/// What was learnt elsewhere. Read, never taught.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    pub spam: u32,
    pub ham: u32,
    /// Tokens of the backup, those that say nothing too.
    pub read: u32,
    /// Unix time of the import, seconds.
    pub at: u32,
    /// Token, spams, hams; sorted by token.
    table: Vec<u8>,
    /// Where tokens of each first two bytes begin.
    begins: Vec<u32>,
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    pub probability: f64,
    /// Tokens of the message that are known and say something.
    pub known: usize,
}

impl Imported {
    pub fn len(&self) -> usize {
        self.table.len() / RECORD
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn index(&mut self) {
        self.begins = vec![0; (1 << 16) + 1];
        for record in self.table.as_chunks::<RECORD>().0 {
            self.begins[usize::from(u16::from_be_bytes([record[0], record[1]])) + 1] += 1;
        }
        for at in 1..self.begins.len() {
            self.begins[at] += self.begins[at - 1];
        }
    }

    /// Spams and hams in which a token stood.
    fn counts(&self, token: u64) -> Option<(u32, u32)> {
        let key = &token.to_be_bytes()[3..];
        let first = usize::from(u16::from_be_bytes([key[0], key[1]]));
        let (begin, end) = (*self.begins.get(first)? as usize, *self.begins.get(first + 1)? as usize);
        let records = self.table.as_chunks::<RECORD>().0.get(begin..end)?;
        let record = &records[records.binary_search_by(|record| record[..5].cmp(key)).ok()?];
        let count = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        Some((count(5), count(9)))
    }

    fn token_probability(&self, spam: u32, ham: u32) -> f64 {
        let (s, n) = (f64::from(spam), f64::from(ham));
        let (ns, nn) = (f64::from(self.spam), f64::from(self.ham));
        let probability = (s * nn) / (n * ns + s * nn);
        let seen = s + n;
        (UNKNOWN * STRENGTH + seen * probability) / (STRENGTH + seen)
    }

    /// The probability of spam where this token stands; `None` where it says nothing. `hapaxes`: tokens that stood in
    /// one message count.
    pub fn pull(&self, token: u64, hapaxes: bool) -> Option<f64> {
        let (spam, ham) = self.counts(token)?;
        if spam.saturating_add(ham) < if hapaxes { 1 } else { 2 } {
            return None;
        }
        Some(self.token_probability(spam, ham)).filter(|probability| strength(*probability) >= SAYS_NOTHING)
    }

    /// SpamAssassin's probability; `None` where no token says anything. Tokens are each there once.
    pub fn opinion(&self, tokens: &[u64], hapaxes: bool) -> Option<Opinion> {
        let mut found: Vec<f64> = tokens.iter().filter_map(|token| self.pull(*token, hapaxes)).collect();
        let known = found.len();
        // The strongest first; of those alike the order is SpamAssassin's chance and ours by value.
        found.sort_unstable_by(|a, b| strength(*b).total_cmp(&strength(*a)).then(b.total_cmp(a)));
        found.truncate(TOKENS);
        let probability = combined(f64::from(self.spam), f64::from(self.ham), &found)?;
        Some(Opinion { probability, known })
    }

    /// As the model's folder keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.table.len() + 64);
        out.extend_from_slice(MAGIC);
        for number in [self.spam, self.ham, self.read, self.at, self.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.table);
        let check = sum(&out);
        out.extend_from_slice(&check);
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Imported, Damaged> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(if MAGIC.starts_with(bytes) { Damaged::Short } else { Damaged::Foreign });
        };
        let (numbers, rest) = rest.split_at_checked(20).ok_or(Damaged::Short)?;
        let number = |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
        let length = number(16) as usize;
        if length > MOST {
            return Err(Damaged::Content);
        }
        let (table, check) = rest.split_at_checked(length * RECORD).ok_or(Damaged::Short)?;
        if check.len() < 8 {
            return Err(Damaged::Short);
        }
        if sum(&bytes[..bytes.len() - check.len()]) != check {
            return Err(Damaged::Sum);
        }
        let sorted = table.as_chunks::<RECORD>().0.is_sorted_by(|a, b| a[..5] < b[..5]);
        let (spam, ham) = (number(0), number(4));
        if !sorted || spam == 0 || ham == 0 {
            return Err(Damaged::Content);
        }
        let mut imported =
            Imported { spam, ham, read: number(8), at: number(12), table: table.to_vec(), begins: Vec::new() };
        imported.index();
        Ok(imported)
    }
}

fn strength(probability: f64) -> f64 {
    (probability - 0.5).abs()
}

/// Fisher's method twice, for spam and for ham, each begun with how common that class is.
fn combined(spam: f64, ham: f64, probabilities: &[f64]) -> Option<f64> {
    if probabilities.is_empty() {
        return None;
    }
    let logarithm = |first: f64, factor: &dyn Fn(f64) -> f64| {
        // A product of many small numbers, kept within range by powers of two.
        let (mut product, mut powers) = (first, 0i64);
        for probability in probabilities {
            product *= factor(*probability);
            if product < 1e-200 {
                product *= 2f64.powi(600);
                powers -= 600;
            }
        }
        product.ln() + powers as f64 * std::f64::consts::LN_2
    };
    let all = spam + ham;
    let of_spam = logarithm(spam / all, &|probability| 1.0 - probability);
    let of_ham = logarithm(ham / all, &|probability| probability);
    let degrees = probabilities.len();
    let (spam, ham) = (1.0 - chi_square(-of_spam, degrees), 1.0 - chi_square(-of_ham, degrees));
    Some((spam - ham + 1.0) / 2.0)
}

/// The probability of a chi-square of twice `half` or more, with twice so many degrees of freedom.
fn chi_square(half: f64, degrees: usize) -> f64 {
    let mut term = (-half).exp();
    let mut sum = term;
    for at in 1..degrees {
        term *= half / at as f64;
        sum += term;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(text: &str) -> Result<(Imported, usize), ImportError> {
        let mut importer = Importer::default();
        text.lines().try_for_each(|line| importer.line(line.as_bytes()))?;
        importer.finish_within(3)
    }

    const HEAD: &str = "v\t3\tdb_version # this must be the first line!!!\nv\t10\tnum_spam\nv\t20\tnum_nonspam\n";

    #[test]
    fn a_backup() {
        let text = format!(
            "{HEAD}t\t5\t0\t1700000000\t00000000ff\nt\t0\t9\t1700000000\tff00000000\nt\t5\t10\t1\t0123456789\n\
             t\t-1\t0\t1\tabcdefabcd\ns\ts\tabc@sa_generated\n"
        );
        let (imported, left_out) = import(&text).unwrap();
        assert_eq!((imported.spam, imported.ham, imported.read, imported.len(), left_out), (10, 20, 3, 2, 0));
        assert_eq!(imported.counts(0xff), Some((5, 0)));
        assert_eq!(imported.counts(0xff_0000_0000), Some((0, 9)));
        assert_eq!(imported.counts(0x01_2345_6789), None, "it says nothing");
        assert_eq!(Imported::from_bytes(&imported.to_bytes()), Ok(imported.clone()));
        let bytes = imported.to_bytes();
        for cut in 0..bytes.len() {
            assert!(Imported::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        // (.030 * .538 + 5) / 5.030, and one token alone.
        let opinion = imported.opinion(&[0xff, 7], true).unwrap();
        assert_eq!(opinion.known, 1);
        let p: f64 = (0.030 * 0.538 + 5.0) / 5.030;
        assert!((opinion.probability - (1.0 - (1.0 - p) / 3.0 + p * 2.0 / 3.0) / 2.0).abs() < 1e-12, "{opinion:?}");
        assert_eq!(imported.opinion(&[7], true), None);
    }

    #[test]
    fn what_is_no_backup() {
        assert_eq!(import(""), Err(ImportError::NoBackup));
        assert_eq!(import("sekisho"), Err(ImportError::NoBackup));
        assert_eq!(import("v\t1\tdb_version"), Err(ImportError::Version(1)));
        assert_eq!(import(HEAD).map(|(imported, _)| imported.is_empty()), Ok(true));
        assert_eq!(import(&HEAD.replace("10", "0")), Err(ImportError::NoMessages));
        for wrong in ["x\t1", "t\t1\t1\t1\t12", "t\t1\tx\t1\t0123456789", "t\t1\t1\t1\t+123456789"] {
            assert_eq!(import(&format!("{HEAD}{wrong}")), Err(ImportError::Line(4)), "{wrong}");
        }
    }

    #[test]
    fn what_stood_in_the_fewest_messages_goes_first() {
        let lines: String = (1..=6).map(|at| format!("t\t{}\t0\t1\t000000000{at}\n", at / 2 + 1)).collect();
        let (imported, left_out) = import(&format!("{HEAD}{lines}")).unwrap();
        assert_eq!((imported.len(), left_out), (3, 3));
        assert_eq!(imported.counts(6), Some((4, 0)));
    }

    #[test]
    fn old_backups_hold_words() {
        let (imported, _) = import(&format!("{}t\t5\t0\t1\tH*F:free offer\n", HEAD.replace('3', "2"))).unwrap();
        assert_eq!(imported.counts(super::super::tokens::number(b"H*F:free offer")), Some((5, 0)));
    }

    #[test]
    fn many_tokens_do_not_run_out_of_numbers() {
        let many = vec![0.999_99; 150];
        assert!(combined(1.0, 1.0, &many).unwrap() > 0.999_999);
        assert!(combined(1.0, 1.0, &many.iter().map(|p| 1.0 - p).collect::<Vec<_>>()).unwrap() < 0.000_001);
        let both: Vec<f64> = (0..150).map(|at| if at % 2 == 0 { 0.99 } else { 0.01 }).collect();
        assert!((combined(1.0, 1.0, &both).unwrap() - 0.5).abs() < 1e-9);
    }
}
