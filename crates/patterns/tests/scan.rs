//! Many patterns at once find what each finds alone; counts, units, limits; what was stored scans the same.

use patterns::{
    Builder, Count, Database, Flags, Found, GroupId, PatternId, PatternKind, PatternSpec, Regex, Scratch, Text,
};

const BODY: GroupId = GroupId(0);

fn spec<'a>(source: &'a str, count: Count) -> PatternSpec<'a> {
    let kind = PatternKind::Regex { source: source.as_bytes(), flags: Flags::default() };
    PatternSpec { group: BODY, kind, count, skip_first_unit: false }
}

fn database<'a>(specs: impl IntoIterator<Item = PatternSpec<'a>>) -> Database {
    let mut builder = Builder::new();
    for spec in specs {
        builder.add(spec).expect("test patterns are valid");
    }
    builder.build()
}

fn joined(units: &[&str]) -> (Vec<u8>, Vec<u32>) {
    let mut bytes = Vec::new();
    let ends = units.iter().map(|unit| {
        bytes.extend_from_slice(unit.as_bytes());
        bytes.len() as u32
    });
    let ends = ends.collect();
    (bytes, ends)
}

fn scan(database: &Database, units: &[&str]) -> Found {
    let (bytes, ends) = joined(units);
    let mut found = Found::new();
    database.scan(BODY, Text { bytes: &bytes, ends: &ends }, &mut Scratch::new(), &mut found);
    found
}

/// Patterns for every road through the prefilter: long and short fragments, one inside another, windows, look-ahead,
/// anchors, nothing at all.
const PATTERNS: &[&str] = &[
    r"(?i)\b(?:un)?(?:subscrib|register)",
    r"(?i)subscribe",
    r"(?i)\bunsubscribe\b",
    r"(?i)free money",
    r"(?i)\bfree\b.{0,20}\bmoney\b",
    r"free",
    r"(?i)fre+ (?:gold|money|cars?)",
    r"(?i)v[i1l|!][a@4]gr[a@4]",
    r"(?i)\bv\W{0,2}i\W{0,2}a\W{0,2}g\W{0,2}r\W{0,2}a\b",
    r"\b[A-Z]{5,}\b",
    r"\d{3}-\d{4}",
    r"[$]\s?\d+(?:,\d{3})+",
    r"^Subject line",
    r"^\S+ line$",
    r"line$",
    r"line\n",
    r"(?m)^a\b",
    r"https?://[^/\s]{1,40}/\S+\.exe\b",
    r"(?<!no )money",
    r"money(?! back)",
    r"(?=.*money)free",
    r"(\w)\1\1",
    r"(?i)(\b\w{3,})\s+\1\b",
    r"(?:ab|cd){2,}",
    r"x{3,5}y",
    r"(?s).{120}",
    r"\S",
    r"^$",
    r"e",
    r"(?:dear|hello) (?:friend|sir|customer)",
    r"(?i)(?:dear|hello) (?:friend|sir|customer)s?[,!]",
    r"nev[ae]r+ (?:again)?ever",
    r"\xc3[\xa0-\xbf]",
    r"(?i)100% (?:free|guaranteed)",
    r"(?i)click (?:here|below|this)(?: to)? un",
    r".{0,30}below",
    r"(?:a.?){6}",
    r"\bto\b.*\bto\b",
    r"[^\x00-\x7f]{2}",
    r"^.{0,12}$",
];

const UNITS: &[&str] = &[
    "Subject line\n",
    "To unsubscribe from this list, click below to unsubscribe. Never ever again.\n",
    "FREE MONEY!!! Free of charge and no money back, V1AGRA and v-i-a-g-r-a\n",
    "no money\n",
    "a list of abcdab xxxxy and the the words aaa 555-1234 $ 1,000,000\n",
    "\n",
    "",
    "Dear Friend, dear sir\n",
    "http://example.com/load/me.exe now\n",
    "caf\u{e9} \u{fc}\u{f6} 100% guaranteed registered REGISTERED subscribers\n",
    "Click here to unsubscribe: money and free things and more money back",
    "the last line of them all without an end, which goes on and on until it has become longer than a hundred and twenty bytes",
];

#[test]
fn together_they_find_what_each_finds_alone() {
    let database = database(PATTERNS.iter().map(|p| spec(p, Count::Once)));
    let regexes: Vec<Regex> =
        PATTERNS.iter().map(|p| Regex::new(p.as_bytes(), Flags::default()).expect("valid")).collect();
    let mut scratch = Scratch::new();
    // Every run of neighbouring units, so that units' borders lie everywhere.
    for start in 0..UNITS.len() {
        for end in start..=UNITS.len() {
            let units = &UNITS[start..end];
            let (bytes, ends) = joined(units);
            let mut found = Found::new();
            database.scan(BODY, Text { bytes: &bytes, ends: &ends }, &mut scratch, &mut found);
            for (index, regex) in regexes.iter().enumerate() {
                let expected = units.iter().position(|unit| regex.is_match(unit.as_bytes()));
                let hit = found.get(PatternId(index as u32)).map(|hit| hit.unit as usize);
                assert_eq!(hit, hit.and(expected), "/{}/ on {units:?}", PATTERNS[index]);
                assert_eq!(hit.is_some(), expected.is_some(), "/{}/ on {units:?}", PATTERNS[index]);
            }
        }
    }
}

#[test]
fn counts_are_perls_and_stop_at_the_limit() {
    let database = database([
        spec("money", Count::Many { limit: 0 }),
        spec("money", Count::Many { limit: 2 }),
        spec("o", Count::Many { limit: 0 }),
        spec(r"\b", Count::Many { limit: 0 }),
        spec("(?=m)|money", Count::Many { limit: 0 }),
        PatternSpec { skip_first_unit: true, ..spec("money", Count::Many { limit: 0 }) },
        PatternSpec { skip_first_unit: true, ..spec("^first", Count::Once) },
    ]);
    let found = scan(&database, &["first money, money", "more money"]);
    let counts: Vec<u32> = (0..7).map(|p| found.get(PatternId(p)).map_or(0, |hit| hit.count)).collect();
    assert_eq!(counts, [3, 2, 4, 10, 7, 1, 0]);
    assert_eq!(found.get(PatternId(5)).map(|hit| hit.unit), Some(1));
}

#[test]
fn a_search_given_up_is_told_and_never_taken_for_no_match() {
    let hostile = format!("{}b", "a".repeat(60));
    let database = database([
        spec(r"^(?:(a+)+)+\1?$", Count::Once), // needs the backtracker, and time without end
        spec(r"^(?:a+)+$", Count::Once),       // the same as an automaton
        spec("b$", Count::Once),
    ]);
    let units: Vec<&str> = (0..50).map(|_| hostile.as_str()).collect();
    let found = scan(&database, &units);
    assert_eq!(found.limited(), [PatternId(0)]);
    assert_eq!(found.hits().len(), 1);
    assert!(found.get(PatternId(2)).is_some());
}

#[test]
fn what_was_stored_scans_the_same() {
    let ranges = (0..50).map(|n| format!(r"^\[ ip=180\.{n}\.(?:\d|[12]\d|3[01])\.\d{{1,3}} ")).collect::<Vec<_>>();
    let all = PATTERNS.iter().copied().chain(ranges.iter().map(String::as_str));
    let database = database(all.map(|p| spec(p, Count::Once)));
    let stored = postcard::to_allocvec(&database).expect("a database can be stored");
    let loaded: Database = postcard::from_bytes(&stored).expect("and loaded");
    assert_eq!(loaded.len(), database.len());
    let mut units = UNITS.to_vec();
    units.push("[ ip=180.7.31.255 rdns=x");
    let (before, after) = (scan(&database, &units), scan(&loaded, &units));
    assert!(before.hits().len() > 25);
    assert_eq!(before.hits(), after.hits());
    assert!(before.get(PatternId(PATTERNS.len() as u32 + 7)).is_some());
}

#[test]
fn ten_thousand_phrases_are_found_among_each_other() {
    const FIRST: [&str; 10] = ["buy", "cheap", "sell", "order", "great", "secret", "magic", "lucky", "royal", "winter"];
    let phrases: Vec<String> = (0..10_000u32)
        .map(|n| format!("{} offer {} {}", FIRST[n as usize % 10], n / 10, FIRST[n as usize / 1000]))
        .collect();
    let sources: Vec<String> = phrases.iter().map(|phrase| format!(r"(?i)\b{phrase}\b")).collect();
    let database = database(sources.iter().map(|source| spec(source, Count::Once)));
    let text = format!("A {} and a {}, not {}x", phrases[17], phrases[9_999].to_uppercase(), phrases[4_321]);
    let found = scan(&database, &["hello", &text]);
    let mut hits: Vec<u32> = found.hits().iter().map(|hit| hit.pattern.0).collect();
    hits.sort_unstable();
    assert_eq!(hits, [17, 9_999]);
}

/// A thousand references to a thousand groups of one name would make a pattern of many megabytes.
#[test]
fn references_to_very_many_groups_of_one_name_are_refused() {
    let pattern = |groups: usize| format!("{}{}", "(?<a>x)".repeat(groups), r"\k<a>".repeat(1_000));
    assert!(Regex::new(pattern(50).as_bytes(), Flags::default()).is_ok());
    assert!(Regex::new(pattern(51).as_bytes(), Flags::default()).is_err());
}
