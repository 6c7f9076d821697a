//! The `body` view: the Subject, then the text of all parts as a reader sees it, blanks folded, in units of a paragraph.

use super::html::{Coding, PartText, perl};
use memchr::{memchr, memrchr};

/// Text cut into the units that a rule is matched against one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitText {
    pub bytes: Vec<u8>,
    /// Unit `i` ends (exclusively) at `ends[i]` and begins where the one before it ended.
    pub ends: Vec<u32>,
}

impl UnitText {
    pub fn push(&mut self, unit: &[u8]) {
        self.bytes.extend_from_slice(unit);
        self.close();
    }

    /// Ends a unit at the present end of `bytes`.
    pub fn close(&mut self) {
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn unit(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|i| self.unit(i))
    }
}

/// SpamAssassin's MAX_BODY_LINE_LENGTH: longer paragraphs are cut, at a blank if there is one.
pub(super) const UNIT: usize = 2_048;

/// Body of what the parts render to: `parts` holds one entry a leaf, `None` for leaves that do not render. `subject` is
/// the last Subject field, decoded, without line end; `None` leaves the first line out (SpamAssassin's invisible body).
/// `scan_size` is `body_part_scan_size` (0: all).
pub fn body(subject: Option<&[u8]>, parts: &[Option<PartText<'_>>], scan_size: usize) -> UnitText {
    // One part in characters makes all of it characters, as in Perl's concatenation.
    let wide = parts.iter().flatten().any(|p| p.coding == Coding::Wide);
    let total: usize = parts.iter().flatten().map(|p| p.bytes.len()).sum();
    let mut fold = Fold { out: Vec::with_capacity(total + 256), wide, run: Run::default() };
    if let Some(subject) = subject {
        fold.out.extend_from_slice(subject);
        fold.out.push(b'\n');
    }
    let mut any = false;
    for part in parts {
        if any {
            fold.push(b"\n");
        }
        let Some(part) = part else { continue };
        let bytes = &part.bytes[..scanned(part, scan_size)];
        any |= !bytes.is_empty();
        match part.coding {
            Coding::Narrow if !wide => fold.push(&perl::narrow(bytes)),
            Coding::Octets if wide => fold.push(&perl::latin1_to_utf8(bytes)),
            _ => fold.push(bytes),
        }
    }
    fold.end_run();
    units(fold.out)
}

/// How much of a part is looked at: the limit (in characters), and up to 1,024 more to end at a line or a blank.
fn scanned(part: &PartText<'_>, scan_size: usize) -> usize {
    let bytes = &*part.bytes;
    if scan_size == 0 || bytes.len() <= scan_size {
        return bytes.len();
    }
    let offset = |from: usize, n: usize| match part.coding {
        Coding::Octets => (from + n).min(bytes.len()),
        _ => from + perl::char_offset(&bytes[from..], n),
    };
    let limit = offset(0, scan_size);
    if limit == bytes.len() {
        return limit;
    }
    let window = &bytes[limit..offset(limit, 1_025)];
    match memchr(b'\n', window).or_else(|| memchr(b' ', window)) {
        Some(at) => limit + at + 1,
        None => limit,
    }
}

/// Folds blanks: a run with two line ends or more becomes a line end (with a blank on either side where the run goes
/// on there), every other run a blank. NUL becomes a line end too, which is how SpamAssassin marks one.
struct Fold {
    out: Vec<u8>,
    wide: bool,
    run: Run,
}

/// A run of blanks not yet written.
#[derive(Default)]
struct Run {
    before: bool,
    lines: u32,
    after: bool,
}

impl Fold {
    fn push(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(&b) = rest.first() {
            let class = CLASS[usize::from(b)];
            if class == PLAIN || class == LEAD && !self.wide {
                let wide = self.wide;
                let plain = |&b: &u8| CLASS[usize::from(b)] == PLAIN || CLASS[usize::from(b)] == LEAD && !wide;
                let n = rest.iter().position(|b| !plain(b)).unwrap_or(rest.len());
                self.end_run();
                self.out.extend_from_slice(&rest[..n]);
                rest = &rest[n..];
                continue;
            }
            let mut len = 1;
            match class {
                NUL => {
                    self.end_run();
                    self.out.push(b'\n');
                }
                LINE => {
                    self.run.lines += 1;
                    self.run.after = false;
                }
                BLANK => self.blank(),
                _ => {
                    let (c, n) = perl::first_char(rest, false).unwrap_or((0, 1));
                    len = n;
                    if perl::is_space(c, true) {
                        self.blank();
                    } else {
                        self.end_run();
                        self.out.extend_from_slice(&rest[..n]);
                    }
                }
            }
            rest = &rest[len..];
        }
    }

    fn blank(&mut self) {
        if self.run.lines == 0 {
            self.run.before = true;
        } else {
            self.run.after = true;
        }
    }

    fn end_run(&mut self) {
        let Run { before, lines, after } = std::mem::take(&mut self.run);
        match lines {
            0 if !before => {}
            0 | 1 => self.out.push(b' '),
            _ => {
                self.out.extend(before.then_some(b' '));
                self.out.push(b'\n');
                self.out.extend(after.then_some(b' '));
            }
        }
    }
}

const PLAIN: u8 = 0;
const BLANK: u8 = 1;
const LINE: u8 = 2;
const NUL: u8 = 3;
/// May begin a blank beyond ASCII.
const LEAD: u8 = 4;

const CLASS: [u8; 256] = {
    let mut class = [PLAIN; 256];
    class[0] = NUL;
    class[9] = BLANK;
    class[10] = LINE;
    class[11] = BLANK;
    class[12] = BLANK;
    class[13] = BLANK;
    class[32] = BLANK;
    class[0xc2] = LEAD;
    class[0xe1] = LEAD;
    class[0xe2] = LEAD;
    class[0xe3] = LEAD;
    class
};

/// Lines, and of long lines pieces.
fn units(bytes: Vec<u8>) -> UnitText {
    let mut ends = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let line = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |p| start + p + 1);
        while line - start > UNIT {
            start += memrchr(b' ', &bytes[start..=start + UNIT]).map_or(UNIT, |p| p + 1);
            ends.push(start as u32);
        }
        start = line;
        ends.push(start as u32);
    }
    UnitText { bytes, ends }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn text(s: &str, coding: Coding) -> Option<PartText<'_>> {
        Some(PartText { bytes: Cow::Borrowed(s.as_bytes()), coding })
    }

    fn lines(parts: &[Option<PartText<'_>>], scan_size: usize) -> Vec<String> {
        body(Some(b"S"), parts, scan_size).iter().map(|u| String::from_utf8_lossy(u).into_owned()).collect()
    }

    #[test]
    fn blanks() {
        let cases: &[(&str, &[&str])] = &[
            ("a\n\nb", &["S\n", "a\n", "b"]),
            ("a \n b", &["S\n", "a b"]),
            ("a \n \n b", &["S\n", "a \n", " b"]),
            ("a\0b", &["S\n", "a\n", "b"]),
            ("\u{a0}a\u{3000}\u{2003}b\n", &["S\n", " a b "]),
            ("", &["S\n"]),
        ];
        for (input, expected) in cases {
            assert_eq!(lines(&[text(input, Coding::Wide)], 0), *expected, "{input:?}");
        }
        assert_eq!(lines(&[text("a\u{a0}b", Coding::Narrow)], 0)[1].as_bytes(), "a\u{fffd}b".as_bytes());
    }

    #[test]
    fn parts_and_limits() {
        let a = text("a\n", Coding::Narrow);
        assert_eq!(lines(&[None, a.clone(), None, a], 0), ["S\n", "a\n", "a "]);
        let long = "x".repeat(5_000);
        let lengths: Vec<usize> = lines(&[text(&long, Coding::Wide)], 0).iter().map(String::len).collect();
        assert_eq!(lengths, [2, 2_048, 2_048, 904]);
        assert_eq!(lines(&[text("aaa bbb ccc", Coding::Wide)], 5), ["S\n", "aaa bbb "]);
        assert_eq!(lines(&[text("éééééé", Coding::Wide)], 5), ["S\n", "ééééé"]);
    }
}
