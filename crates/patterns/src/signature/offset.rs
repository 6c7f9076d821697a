//! Where in a file a signature may begin.

use crate::PatternError;
use serde::{Deserialize, Serialize};

/// The first byte of the first part lies here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Offset {
    #[default]
    Any,
    /// From the start: at least, at most.
    Start { min: u32, max: u32 },
    /// So many bytes before the end, or up to `shift` later.
    End { back: u32, shift: u32 },
    /// From something that an executable has.
    Executable { from: Landmark, shift: u32 },
    /// Not looked for by itself: sub-signatures name its group.
    Macro(u8),
}

/// Places in executables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Landmark {
    /// Entry point, plus.
    EntryPoint(i32),
    /// Start of a section, plus.
    Section(u16, u32),
    /// Anywhere in a section.
    WholeSection(u16),
    /// Start of the last section, plus.
    LastSection(u32),
    /// In the version information.
    Version,
}

/// What offsets of executables count from.
#[derive(Clone, Debug, Default)]
pub struct Executable {
    pub entry_point: u32,
    /// Offset and size of each section as stored.
    pub sections: Vec<(u32, u32)>,
}

impl Offset {
    /// Reads the field of a signature.
    pub fn parse(text: &[u8]) -> Result<Offset, PatternError> {
        let wrong = || {
            PatternError::new(0, "an offset is *, n, EOF-n, EP+n, Sx+n, SEx, SL+n, each with `,shift`, VI or $group$")
        };
        let text = std::str::from_utf8(text).map_err(|_| wrong())?;
        if text == "*" {
            return Ok(Offset::Any);
        }
        if text == "VI" {
            return Ok(Offset::Executable { from: Landmark::Version, shift: 0 });
        }
        if let Some(group) = text.strip_prefix('$') {
            let group: u8 = group.strip_suffix('$').and_then(|g| g.parse().ok()).ok_or_else(wrong)?;
            return if group < 32 {
                Ok(Offset::Macro(group))
            } else {
                Err(PatternError::new(0, "macro groups are 0 to 31"))
            };
        }
        let (place, shift) = match text.split_once(',') {
            Some((place, shift)) => (place, number(shift).ok_or_else(wrong)?),
            None => (text, 0),
        };
        let from = if let Some(back) = place.strip_prefix("EOF-") {
            return Ok(Offset::End { back: number(back).ok_or_else(wrong)?, shift });
        } else if let Some(plus) = place.strip_prefix("EP+") {
            Landmark::EntryPoint(number(plus).and_then(|n| n.try_into().ok()).ok_or_else(wrong)?)
        } else if let Some(minus) = place.strip_prefix("EP-") {
            let minus: i32 = number(minus).and_then(|n| n.try_into().ok()).ok_or_else(wrong)?;
            Landmark::EntryPoint(-minus)
        } else if let Some(plus) = place.strip_prefix("SL+") {
            Landmark::LastSection(number(plus).ok_or_else(wrong)?)
        } else if let Some(section) = place.strip_prefix("SE") {
            Landmark::WholeSection(number(section).and_then(|n| n.try_into().ok()).ok_or_else(wrong)?)
        } else if let Some(section) = place.strip_prefix('S') {
            let (section, plus) = section.split_once('+').ok_or_else(wrong)?;
            let section = number(section).and_then(|n| n.try_into().ok()).ok_or_else(wrong)?;
            Landmark::Section(section, number(plus).ok_or_else(wrong)?)
        } else {
            let min = number(place).ok_or_else(wrong)?;
            return Ok(Offset::Start { min, max: min.saturating_add(shift) });
        };
        Ok(Offset::Executable { from, shift })
    }

    /// Makes sense in executables alone.
    pub fn is_executable(self) -> bool {
        matches!(self, Offset::Executable { .. })
    }

    /// First and last place for a text of this length; `None`: nowhere.
    pub fn range(self, len: usize, executable: Option<&Executable>) -> Option<(usize, usize)> {
        match self {
            Offset::Any | Offset::Macro(_) => Some((0, usize::MAX)),
            Offset::Start { min, max } => Some((min as usize, max as usize)),
            Offset::End { back, shift } => {
                let start = len.checked_sub(back as usize)?;
                Some((start, start + shift as usize))
            }
            Offset::Executable { from, shift } => {
                let executable = executable?;
                let section = |number: u16| executable.sections.get(usize::from(number));
                let (start, shift) = match from {
                    Landmark::EntryPoint(plus) => (
                        i64::from(executable.entry_point).checked_add(plus.into()).filter(|n| *n >= 0)? as usize,
                        shift,
                    ),
                    Landmark::Section(number, plus) => (section(number)?.0 as usize + plus as usize, shift),
                    Landmark::WholeSection(number) => (section(number)?.0 as usize, section(number)?.1),
                    Landmark::LastSection(plus) => (executable.sections.last()?.0 as usize + plus as usize, shift),
                    Landmark::Version => return None,
                };
                Some((start, start + shift as usize))
            }
        }
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        let (tag, a, b, c) = match self {
            Offset::Any => (0, 0, 0, 0),
            Offset::Start { min, max } => (1, min, max, 0),
            Offset::End { back, shift } => (2, back, shift, 0),
            Offset::Macro(group) => (3, group.into(), 0, 0),
            Offset::Executable { from, shift } => match from {
                Landmark::EntryPoint(plus) => (4, plus as u32, 0, shift),
                Landmark::Section(section, plus) => (5, section.into(), plus, shift),
                Landmark::WholeSection(section) => (6, section.into(), 0, shift),
                Landmark::LastSection(plus) => (7, plus, 0, shift),
                Landmark::Version => (8, 0, 0, shift),
            },
        };
        out.push(tag);
        for number in [a, b, c] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) const ENCODED: usize = 13;

    pub(super) fn decode(bytes: &[u8]) -> Offset {
        let word =
            |at: usize| bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes(b.try_into().expect("four bytes")));
        let (a, b, shift) = (word(1), word(5), word(9));
        let from = match bytes.first() {
            Some(1) => return Offset::Start { min: a, max: b },
            Some(2) => return Offset::End { back: a, shift: b },
            Some(3) => return Offset::Macro(a as u8),
            Some(4) => Landmark::EntryPoint(a as i32),
            Some(5) => Landmark::Section(a as u16, b),
            Some(6) => Landmark::WholeSection(a as u16),
            Some(7) => Landmark::LastSection(a),
            Some(8) => Landmark::Version,
            _ => return Offset::Any,
        };
        Offset::Executable { from, shift }
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_survive_storage() {
        for text in ["*", "0", "12,40", "EOF-70", "EOF-70,53", "EP+3,2", "EP-10", "S2+5", "SE1", "SL+9,1", "VI", "$7$"]
        {
            let offset = Offset::parse(text.as_bytes()).expect(text);
            let mut bytes = Vec::new();
            offset.encode(&mut bytes);
            assert_eq!((bytes.len(), Offset::decode(&bytes)), (Offset::ENCODED, offset), "{text}");
        }
        for bad in ["", "x", "-1", "EOF", "EOF-", "EP", "S+1", "S1", "$40$", "$1", "5,", "99999999999"] {
            assert!(Offset::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_follow_the_file() {
        let range = |text: &str, len| Offset::parse(text.as_bytes()).expect("valid").range(len, None);
        assert_eq!(range("3,4", 10), Some((3, 7)));
        assert_eq!(range("EOF-4", 10), Some((6, 6)));
        assert_eq!(range("EOF-40", 10), None);
        assert_eq!(range("EP+0", 10), None);
        let executable = Executable { entry_point: 8, sections: vec![(4, 5), (100, 20)] };
        let range = |text: &str| Offset::parse(text.as_bytes()).expect("valid").range(200, Some(&executable));
        assert_eq!(range("EP-2,1"), Some((6, 7)));
        assert_eq!(range("SE1"), Some((100, 120)));
        assert_eq!(range("SL+3"), Some((103, 103)));
    }
}
