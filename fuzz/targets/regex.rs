//! Patterns: the scan, the direct match and PCRE2 must say the same of the same text.
//!
//! The input is `pattern \n subject`. Unless the first byte is `/`, pattern bytes are numbers of tokens, put together so
//! that most strings are valid patterns and the fuzzer does not spend its time on syntax errors; there PCRE2 is the
//! judge. After a `/` the pattern is taken as it stands, and ours are compared with each other.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use patterns::{Builder, Count, Flags, Found, GroupId, PatternId, PatternKind, PatternSpec, Regex, Scratch, Text};

const TOKENS: &[&str] = &[
    "a",
    "b",
    "c",
    "ab",
    "abc",
    "cab",
    "A",
    "-",
    " ",
    ".",
    "*",
    "+",
    "?",
    "|",
    "(",
    ")",
    "(?:",
    "[ab]",
    "[^a]",
    "[a-c]",
    "{2}",
    "{1,2}",
    "{2,}",
    "{0,3}?",
    "*?",
    "+?",
    "??",
    "++",
    "*+",
    "?+",
    "\\w",
    "\\W",
    "\\d",
    "\\D",
    "\\s",
    "\\S",
    "\\b",
    "\\B",
    "^",
    "$",
    "\\A",
    "\\z",
    "\\Z",
    "(?=",
    "(?!",
    "(?<=",
    "(?<!",
    "(?>",
    "\\1",
    "\\2",
    "(?i:",
    "(?s:",
    "(?m:^)",
    "(?m:$)",
    "\\n",
    "\\x62",
    "\\h",
    "\\R",
    "\\N",
    "[[:alpha:]]",
    "[\\w-]",
    "(?-i:",
    "(?i)",
    "1",
];
const MOST_TOKENS: usize = 40;
const LONGEST_SUBJECT: usize = 400;
/// A twentieth of the steps that ours may take, so that whatever stays within it here does so there.
const JUDGE: &str = "(*NO_START_OPT)(*LIMIT_MATCH=50000)";

fuzz_target!(|data: &[u8]| {
    let Some(cut) = data.iter().position(|b| *b == b'\n') else { return };
    let (head, subject) = (&data[..cut], &data[cut + 1..]);
    let subject = &subject[..subject.len().min(LONGEST_SUBJECT)];
    let Some((first, head)) = head.split_first() else { return };
    if *first == b'/' {
        compare_ours(head, Flags { ignore_case: cut % 2 == 1, ..Flags::default() }, subject);
        return;
    }
    let flags =
        Flags { ignore_case: first & 1 != 0, multi_line: first & 2 != 0, dot_all: first & 4 != 0, ..Flags::default() };
    let pattern = assemble(head);
    let Some(direct) = compare_ours(pattern.as_bytes(), flags, subject) else { return };
    let judge = pcre2::bytes::RegexBuilder::new()
        .caseless(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dotall(flags.dot_all)
        .build(&format!("{JUDGE}{pattern}"));
    // What PCRE2 refuses or gives up proves nothing.
    let Ok(Ok(theirs)) = judge.map(|judge| judge.find(subject).map(|m| m.map(|m| (m.start(), m.end())))) else {
        return;
    };
    assert_eq!(direct, theirs, "against PCRE2: /{pattern}/ {flags:?} on \"{}\"", subject.escape_ascii());
});

/// Tokens to a pattern; parentheses are closed.
fn assemble(head: &[u8]) -> String {
    let mut pattern = String::new();
    let mut open = 0;
    for byte in head.iter().take(MOST_TOKENS) {
        let token = TOKENS[usize::from(*byte) % TOKENS.len()];
        match token {
            ")" if open == 0 => continue,
            ")" => open -= 1,
            _ if token.starts_with('(') && !token.ends_with(')') => open += 1,
            _ => {}
        }
        pattern.push_str(token);
    }
    pattern.extend(std::iter::repeat_n(')', open));
    pattern
}

/// The scan, the direct match and the lone regex; where they agree, the first match. `None`: refused, or too dear.
#[allow(clippy::option_option)]
fn compare_ours(pattern: &[u8], flags: Flags, subject: &[u8]) -> Option<Option<(usize, usize)>> {
    let shown = || format!("/{}/ {flags:?} on \"{}\"", pattern.escape_ascii(), subject.escape_ascii());
    let explained = patterns::describe(pattern, flags, patterns::Language::Japanese);
    let mut builder = Builder::new();
    let once = builder.add(PatternSpec::regex(GroupId(0), pattern, flags)).ok()?;
    assert!(explained.is_ok(), "accepted and not explained: {}", shown());
    let kind = PatternKind::Regex { source: pattern, flags };
    let count = Count::Many { limit: 0 };
    let many = builder.add(PatternSpec { group: GroupId(0), kind, count, skip_first_unit: false }).ok()?;
    let database = builder.build();

    // The text in two halves, and whole.
    let middle = subject.len() / 2;
    let halves = scan(&database, subject, &[middle as u32, subject.len() as u32]);
    let whole = scan(&database, subject, &[subject.len() as u32]);
    if !halves.limited().is_empty() || !whole.limited().is_empty() {
        return None;
    }
    let direct = database.is_match(once, subject);
    let hit = |found: &Found, id: PatternId| found.get(id).map(|hit| hit.unit);
    assert_eq!(hit(&whole, once).is_some(), direct, "scan against direct: {}", shown());
    assert_eq!(hit(&whole, many).is_some(), direct, "count against direct: {}", shown());
    let (left, right) = subject.split_at(middle);
    let expected = if database.is_match(once, left) { Some(0) } else { database.is_match(once, right).then_some(1) };
    assert_eq!(hit(&halves, once).is_some(), expected.is_some(), "units: {}", shown());
    assert_eq!(hit(&halves, many), expected, "units counted: {}", shown());

    let regex = Regex::new(pattern, flags).expect("a builder takes what a regex takes, and the other way round");
    let first = regex.find(subject, 0);
    assert_eq!(first, database.find(once, subject, 0), "{}", shown());
    assert_eq!(first.is_some(), direct, "find against direct: {}", shown());
    if let Some(found) = first {
        assert!(found.start <= found.end && found.end <= subject.len(), "{}", shown());
    }
    regex.groups(subject, 0);
    Some(first.map(|found| (found.start, found.end)))
}

fn scan(database: &patterns::Database, subject: &[u8], ends: &[u32]) -> Found {
    let mut found = Found::new();
    database.scan(GroupId(0), Text { bytes: subject, ends }, &mut Scratch::new(), &mut found);
    found
}
