//! The database against a matcher that tries every place.

use super::parse::{self, Class, Elem, Part, Tree};
use super::*;
use std::collections::BTreeSet;

/// A small generator of numbers, always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// Ends of a sequence of elements that begins at `at`.
fn ends(text: &[u8], at: usize, elems: &[Elem], nocase: bool) -> BTreeSet<usize> {
    let Some((first, rest)) = elems.split_first() else { return BTreeSet::from([at]) };
    let one = |fits: bool, len: usize| if fits { BTreeSet::from([at + len]) } else { BTreeSet::new() };
    let byte = text.get(at).copied();
    let next = match first {
        Elem::Byte(b) => one(byte.is_some_and(|x| x == *b || nocase && x.eq_ignore_ascii_case(b)), 1),
        Elem::Masked { value, mask } => one(byte.is_some_and(|x| x & mask == *value), 1),
        Elem::Class(mark) => {
            let (fits, len) = match (mark.class, byte) {
                (_, None) => return BTreeSet::new(),
                (Class::Boundary, Some(x)) => (b" -./<@_\n\r\"'=>".contains(&x), 1),
                (Class::Word, Some(x)) => (!x.is_ascii_alphanumeric(), 1),
                (Class::Line, Some(b'\r')) if text.get(at + 1) == Some(&b'\n') => (true, 2),
                (Class::Line, Some(x)) => (x == b'\n', 1),
            };
            if mark.negated { one(!fits, 1) } else { one(fits, len) }
        }
        Elem::Strings { negated, strings } => {
            let here = text.get(at..at + strings[0].len());
            one(here.is_some_and(|here| strings.iter().any(|s| s == here) != *negated), strings[0].len())
        }
        Elem::Branch(branches) => branches.iter().flat_map(|branch| ends(text, at, branch, nocase)).collect(),
    };
    next.into_iter().flat_map(|at| ends(text, at, rest, nocase)).collect()
}

fn lies(text: &[u8], tree: &Tree, parts: &[Part], range: (usize, usize), first: bool) -> bool {
    let Some((part, rest)) = parts.split_first() else { return true };
    (range.0..=range.1.min(text.len())).any(|start| {
        let left = part.left.is_none_or(|mark| {
            let fits = match (mark.class, start.checked_sub(1).map(|at| text[at])) {
                (_, None) => true,
                (Class::Boundary, Some(x)) => b" -./<@_".contains(&x),
                (Class::Line, Some(x)) => x == b'\n',
                (Class::Word, Some(_)) if tree.wide => {
                    start < 2 || !(text[start - 2].is_ascii_alphanumeric() && text[start - 1] == 0)
                }
                (Class::Word, Some(x)) => !x.is_ascii_alphanumeric(),
            };
            fits != mark.negated
        });
        let before = part.before.is_none_or(|near| {
            (near.min..=near.max)
                .any(|d| start.checked_sub(usize::from(d) + 1).is_some_and(|at| text[at] == near.value))
        });
        let _ = first;
        left && before
            && ends(text, start, &part.elems, tree.nocase).into_iter().any(|end| {
                let right = part.right.is_none_or(|mark| {
                    let fits = match (mark.class, text.get(end)) {
                        (_, None) => true,
                        (Class::Boundary, Some(x)) => b"\n\r \"'-/=>_".contains(x),
                        (Class::Line, Some(x)) => *x == b'\n' || *x == b'\r' && text.get(end + 1) == Some(&b'\n'),
                        (Class::Word, Some(x)) if tree.wide && end + 1 < text.len() => {
                            !(x.is_ascii_alphanumeric() && text[end + 1] == 0)
                        }
                        (Class::Word, Some(x)) => !x.is_ascii_alphanumeric(),
                    };
                    fits != mark.negated
                });
                let after = part.after.is_none_or(|near| {
                    (near.min..=near.max).any(|d| text.get(end + usize::from(d)) == Some(&near.value))
                });
                let next = rest.first().map_or((0, 0), |next| {
                    let low = end + next.min as usize;
                    (low, next.max.map_or(text.len(), |max| end + max as usize))
                });
                right && after && lies(text, tree, rest, next, false)
            })
    })
}

fn naive(text: &[u8], hex: &str, modifiers: Modifiers, offset: Offset) -> bool {
    let trees = parse::parse(hex.as_bytes(), modifiers).expect("valid");
    let Some(range) = offset.range(text.len(), None) else { return false };
    trees.iter().any(|tree| lies(text, tree, &tree.parts, range, true))
}

/// A string over few letters, so that much of it occurs.
fn invent(dice: &mut Dice) -> (String, String) {
    const BYTES: [&str; 6] = ["61", "62", "63", "41", "0d", "0a"];
    let letters = *dice.pick(&[&"", &"", &"", &"i", &"w", &"f", &"wa", &"if"]);
    let plain = letters.is_empty();
    let mut hex = String::new();
    let parts = 1 + dice.roll(4) / 2;
    for part in 0..parts {
        if part > 0 {
            hex += &match dice.roll(4) {
                0 => "*".to_owned(),
                1 => format!("{{-{}}}", 1 + dice.roll(6)),
                2 => format!("{{{}-}}", dice.roll(4)),
                _ => format!("{{{}-{}}}", dice.roll(3), 3 + dice.roll(4)),
            };
        }
        if dice.roll(8) == 0 {
            hex += dice.pick(&["(B)", "(L)", "(W)"]);
        } else if plain && dice.roll(10) == 0 {
            hex += dice.pick(&["61[1-3]", "62[0-2]"]);
        }
        for _ in 0..dice.roll(3) {
            hex += &element(dice, plain);
        }
        for _ in 0..2 + dice.roll(14) {
            hex += dice.pick(&BYTES);
        }
        for _ in 0..dice.roll(3) {
            hex += &element(dice, plain);
        }
        if dice.roll(8) == 0 {
            hex += dice.pick(&["(B)", "(L)", "!(W)"]);
        }
    }
    (hex, letters.to_owned())
}

fn element(dice: &mut Dice, plain: bool) -> String {
    let negated = if plain { *dice.pick(&[&"", &"!"]) } else { "" };
    match dice.roll(9) {
        0 => "??".to_owned(),
        1 => "6?".to_owned(),
        2 => "?1".to_owned(),
        3 => format!("{negated}(61|62)"),
        4 => format!("{negated}(6161|6263)"),
        5 => "(61|6263|6?)".to_owned(),
        6 => "(61(62|63)|62)".to_owned(),
        7 => dice.pick(&["(B)", "!(B)", "(L)", "(W)", "!(W)"]).to_owned(),
        _ => "{2}".to_owned(),
    }
}

fn text(dice: &mut Dice, len: usize) -> Vec<u8> {
    const BYTES: &[u8] = b"abcabcabcA \r\n\0-/";
    let mut text: Vec<u8> = (0..len).map(|_| BYTES[dice.roll(BYTES.len())]).collect();
    if dice.roll(3) == 0 {
        // Wide letters.
        text = text.iter().flat_map(|b| [*b, 0]).collect();
    }
    text
}

#[test]
fn what_lies_there_is_found_and_nothing_else() {
    let mut dice = Dice(0x5eed_1234_5678_9abc);
    let (mut hits, mut tried) = (0, 0);
    for round in 0..60 {
        let mut builder = Builder::new();
        let mut specs = Vec::new();
        let texts: Vec<Vec<u8>> = (0..6).map(|_| text(&mut dice, 120)).collect();
        while specs.len() < 60 {
            let (mut hex, letters) = invent(&mut dice);
            if dice.roll(3) == 0 {
                // A piece of a text, so that long ones occur as well.
                let text = &texts[dice.roll(texts.len())];
                let from = dice.roll(text.len() - 30);
                let len = 4 + dice.roll(26);
                hex = text[from..from + len].iter().map(|b| format!("{b:02x}")).collect();
                if dice.roll(2) == 0 && len > 8 {
                    let cut = 2 * (2 + dice.roll(len - 4));
                    let gap = *dice.pick(&[&"{-3}", &"*", &"{0-}"]);
                    hex.insert_str(cut, gap);
                }
            }
            let modifiers = Modifiers::parse(letters.as_bytes()).expect("letters");
            let offset = match dice.roll(6) {
                0 => Offset::Start { min: dice.roll(20) as u32, max: 20 + dice.roll(80) as u32 },
                1 => Offset::End { back: 20 + dice.roll(60) as u32, shift: dice.roll(40) as u32 },
                _ => Offset::Any,
            };
            let group = dice.roll(3) as u8;
            let spec = SignatureSpec { hex: hex.as_bytes(), modifiers, offset, group, every: dice.roll(2) == 0 };
            match builder.add(spec) {
                Ok(ids) => specs.push((ids, hex, modifiers, offset, group)),
                Err(_) => assert!(parse::parse(hex.as_bytes(), modifiers).is_err(), "{hex}"),
            }
        }
        let built = builder.build();
        assert!(built.is_sound());
        let stored = postcard::to_stdvec(&built).expect("serialises");
        let database: Database = postcard::from_bytes(&stored).expect("deserialises");
        let mut scratch = Scratch::new();
        for text in &texts {
            let groups = 1 << dice.roll(3) | 1;
            let mut found = BTreeSet::new();
            database.scan(groups, text, None, &mut scratch, &mut |id, place| {
                assert!(place.start <= place.end && place.end <= text.len());
                found.insert(id.0);
            });
            for (ids, hex, modifiers, offset, group) in &specs {
                let expected = groups >> group & 1 == 1 && naive(text, hex, *modifiers, *offset);
                let actual = ids.clone().any(|id| found.contains(&id));
                assert_eq!(
                    actual,
                    expected,
                    "round {round}: {hex} {modifiers:?} {offset:?} in {:?}",
                    text.escape_ascii().to_string()
                );
                hits += usize::from(expected);
                tried += 1;
            }
        }
    }
    assert!(hits > 300 && hits < tried, "{hits} of {tried}");
}

#[test]
fn every_match_is_told_where_wanted() {
    let mut builder = Builder::new();
    for hex in ["6161", "61616161616161616161616161", "6162636465666768696a6b6c", "6161{1-3}6262"] {
        let spec = SignatureSpec {
            hex: hex.as_bytes(),
            modifiers: Modifiers::default(),
            offset: Offset::Any,
            group: 0,
            every: true,
        };
        builder.add(spec).expect("valid");
    }
    let database = builder.build();
    let count = |text: &[u8]| {
        let mut counts = [0; 4];
        database.scan(1, text, None, &mut Scratch::new(), &mut |id, _| counts[id.0 as usize] += 1);
        counts
    };
    assert_eq!(count(b"aaaa"), [3, 0, 0, 0]);
    assert_eq!(count(&[b'a'; 20]), [19, 8, 0, 0]);
    assert_eq!(count(b"abcdefghijkl-abcdefghijklabcdefghijkl"), [0, 0, 3, 0]);
    assert_eq!(count(b"aa-bb--bb"), [1, 0, 0, 1]);
}

#[test]
fn a_text_made_to_be_slow_is_given_up() {
    let mut builder = Builder::new();
    // Each `*` may be anywhere, and everything is everywhere.
    for number in 0..400 {
        let hex = format!("{:04x}6162{{-60000}}6363*{:04x}6465", 0x4141 + number, 0x4141 + number);
        let spec = SignatureSpec {
            hex: hex.as_bytes(),
            modifiers: Modifiers::default(),
            offset: Offset::Any,
            group: 0,
            every: true,
        };
        builder.add(spec).expect("valid");
    }
    let database = builder.build();
    let mut text = Vec::new();
    for number in 0..400u32 {
        text.extend_from_slice(&(0x4141 + number).to_be_bytes()[2..]);
        text.extend_from_slice(b"ab");
    }
    text.extend(std::iter::repeat_n(b'c', 300_000));
    text.extend_from_slice(b"AAde");
    let end = database.scan(1, &text, None, &mut Scratch::new(), &mut |_, _| {});
    assert!(end.limited > 0);
}
