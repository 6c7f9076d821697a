//! Does every construct match what Perl matches? Patterns and subjects are handed to a Perl that runs once; its
//! answers (refused or not, every match of `//g` with its bounds) must be ours. Skipped where there is no Perl.

#![allow(clippy::print_stdout)]

use patterns::{Builder, Count, Database, Flags, Found, GroupId, PatternKind, PatternSpec, Scratch, Text};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Patterns and the subjects to try them on: each pattern of a line with each subject of that line and of `COMMON`.
const CASES: &[(&[&str], &[&str])] = &[
    // Sequences, sets, repeats.
    (&["abc", "a.c", "a[bx]c", "a[^b]c", "ab?c", "ab*c", "ab+c", "ab{2}c", "ab{2,}c", "ab{1,2}c", "a{0}b"], &["abbc"]),
    (&["a+?b", "a*?", "a??", "a{1,2}?", "(?:ab)+?", "a+", "a*", "a?", "(?:a|ab)(?:c|bcd)", "a|ab", "ab|a"], &["aab"]),
    (&["a++b", "a*+a", "(?:a|ab)++c", "a?+a", "a{1,2}+a", "(?>a|ab)c", "(?>a+)b"], &["aaac", "abc"]),
    (
        &["a{,3}", "a{ 1,2 }", "{a}", "a|{b}", "({b})", "^{x}", "a+{x", "a*{", "a{1}{", "%\\{X\\}"],
        &["a{,3}", "a{ 1,2 }"],
    ),
    (
        &["x{abc}", ".{", "\\d{x}", "a{1", "a**", "a{2}{3}", "a{3,2}", "a{02}", "a{65535}", "*a", "(?:*a)", "a{2}+a"],
        &["aaa"],
    ),
    // Sets.
    (
        &["[]a]+", "[^]a]", "[a&&b]+", "[-a]", "[a-]", "[a-c-e]+", "[+--]", "[\\[-\\]]", "[/\\.]", "[\\\\]", "[[]"],
        &["]a&-^[/\\,"],
    ),
    (&["[a-\\d]", "[\\w-x]", "[z-a]", "[a-z-9]", "[\\w-]", "[-\\w]", "[%--]", "[---]", "[--a]", "[a---]"], &["-a&"]),
    (
        &["[[:alpha:]]+", "[[:^alpha:]]", "[[:word:]]+", "[[:foo:]]", "[[:punct:]]", "[[:cntrl:]]", "[[:print:]]+"],
        &["a_1\u{e9} -\t"],
    ),
    (
        &[
            "[[:upper:]]+",
            "[[:lower:]]+",
            "[[:xdigit:]]+",
            "[[:space:]]",
            "[[:blank:]]",
            "[[:graph:]]+",
            "[[:ascii:]]+",
        ],
        &["Ab0\u{b} \u{e9}"],
    ),
    (&["(?i)[[:upper:]]+", "(?i)[[:^upper:]]", "(?i)[^[:lower:]]", "(?i)[[:^lower:]a]"], &["abC1", "\u{e9}"]),
    (
        &["[[.a.]]", "[[=a=]]", "[\\N]", "[\\b]", "[\\cA]", "[\\12]", "[\\e\\t]", "[\\x41-\\x43]+", "[\\h]+", "[\\v]+"],
        &["\u{8}\u{1}\nABC \t\u{a0}"],
    ),
    (&["(?xx)[a b]+", "(?x)[a b]+", "(?xx) [ \t a ] b"], &["a b", "ab"]),
    // Escapes.
    (
        &["\\d+", "\\D+", "\\w+", "\\W+", "\\s", "\\S+", "\\h", "\\H+", "\\v", "\\V+", "\\R", "\\R+", "\\R\\n", "\\N+"],
        &["a1 \u{b}\u{85}\u{a0}\r\n\n_"],
    ),
    (
        &[
            "\\n\\t",
            "\\x41",
            "\\x{41}",
            "\\x4",
            "\\x{ 41 }",
            "\\xg",
            "\\x{zz}",
            "\\x{41",
            "\\101",
            "\\o{101}",
            "\\0",
            "\\012",
        ],
        &["\n\t", "A", "\u{4}", "\0"],
    ),
    (
        &[
            "\\cA\\c[",
            "\\c?",
            "\\e\\a\\f",
            "\\_\\-\\ ",
            "\\<a\\>",
            "\\,\\%\\@",
            "\\y",
            "\\j",
            "\\Q",
            "\\E",
            "\\8",
            "\\18",
        ],
        &["\u{1}\u{1b}", "<a>", "_- "],
    ),
    (&["\\N{2}", "\\N{U+41}", "\\N{1,2}", "\\C", "\\i", "\\m", "a\\", "\\08"], &["ab", "A"]),
    // Places.
    (
        &[
            "^a", "a$", "\\Aa", "a\\z", "a\\Z", "^$", "^", "$", "\\Z", "\\z", "\\A", "a$b", "(a$|b)", "a$\\n", "$\\n",
            "a\\Z\\n",
        ],
        &["a\n", "a\n\n", "\n", "\na"],
    ),
    (
        &["(?m)^", "(?m)$", "(?m)^a", "(?m)a$", "(?m)^$", "(?m)^\\s*$", "(?m)\\Aa", "(?m)a\\Z", "(?m)^a$\\n^b"],
        &["a\nb\n", "a\n\nb", "\n", "\n\n"],
    ),
    (
        &["\\b", "\\B", "\\ba", "a\\b", "\\b\\w+\\b", "\\Ba", "\\b+", "^*", "$+", "\\b{wb}", "\\b?", "^?a", "^+a"],
        &["a b", "\u{e9}a"],
    ),
    // Case.
    (
        &[
            "(?i)abc",
            "(?i)[a-c]+",
            "(?i)\u{e0}",
            "(?i)[\u{e0}-\u{e5}]+",
            "(?i)[^\u{e0}]",
            "(?i)\u{df}",
            "(?i)\u{ff}",
            "(?i)\u{d7}",
            "(?i)ss",
        ],
        &["ABC", "\u{c0}\u{c5}", "\u{f7}", "SS"],
    ),
    (
        &[
            "a(?i)b",
            "a(?i)b|c",
            "(a(?i)b|c)C",
            "(?i:a)b",
            "(?i)a(?-i)b",
            "(?i)(?-i:a)b",
            "(?^:a)",
            "(?^i:a)",
            "(?i-i:a)",
            "((?i)a)b",
        ],
        &["aB", "C", "AB", "cC", "Ab"],
    ),
    (
        &[
            "(?s).", ".", "(?s-i:.)", "(?s:a.)b", "(?-s:.)", "(?)a", "(?:)a", "(?z)", "(?i", "(?i:", "(?^-i:a)",
            "(?-a:a)", "(?aaa)",
        ],
        &["\n", "a\nb"],
    ),
    (
        &[
            "(?x) a b # c\n c",
            "(?x)a\\ b[ ]c",
            "(?x)a +b",
            "(?x)a {2}",
            "(?x)\\#",
            "(?x: a b ) c",
            "(?x)a # end",
            "a(?#x)*b",
            "(?#",
        ],
        &["abc", "a b c", "aa", "ab c"],
    ),
    // Groups and references.
    (
        &[
            "(a)\\1",
            "(a)\\g1",
            "(a)\\g{1}",
            "(a)(b)\\g{-1}",
            "(a)\\11",
            "(a)\\10",
            "\\1(a)",
            "(a\\1)",
            "(?:\\2|(a)(b))+",
            "\\2(a)",
        ],
        &["aa", "abb", "a\t", "a\u{8}", "aba"],
    ),
    (
        &[
            "(?<n>a)\\k<n>",
            "(?'n'a)\\k'n'",
            "(?P<n>a)(?P=n)",
            "(?<n>a)\\g{n}",
            "(?<n>a)\\k{n}",
            "(?<n>a)|(?<n>b)\\k<n>",
            "\\k<z>",
            "(?<1>a)",
        ],
        &["aa", "bb"],
    ),
    (
        &[
            "(?:(a)|b)\\1",
            "((a)|b)*\\2",
            "(a)?\\1b",
            "(?i)(a)\\1",
            "(a)(?i)\\1",
            "(?i)(\u{e0})\\1",
            "(a|b)*\\1",
            "(?:(a)|(b)|c)*\\1",
        ],
        &["aA", "bb", "aba", "\u{e0}\u{c0}"],
    ),
    (
        &[
            "(?n)(a)\\1",
            "(?n)(a)(?<x>b)\\1",
            "()",
            "()*",
            "(a|)+",
            "(?:a*)*",
            "(?:a?b?)+",
            "(?:|a)",
            "a||b",
            "(?:\\n|)*",
            "(?:)*",
        ],
        &["aab", "abb"],
    ),
    (
        &["(a", "a)", "((a)", "(?", "(?<", "(?<n", "(?P", "(?P(n)", "(?P<1a>x)", "(?[a])", "[a", "[^]", "(?<=a\\K)"],
        &["a"],
    ),
    // Looking around.
    (
        &[
            "a(?=b)",
            "a(?!b)",
            "(?<=a)b",
            "(?<!a)b",
            "(?=a)\\w",
            "(?!a)\\w",
            "(?=.*b)a",
            "(?<=a|bb)c",
            "(?<!a{1,3})b",
            "(?<=a*)b",
        ],
        &["ab", "bbc", "aab", "bb"],
    ),
    (
        &[
            "(?=(a))\\1",
            "(?<=(?=a)).",
            "(?<=\\ba)b",
            "(?=a)*a",
            "(?=a)?b",
            "(?!a)+",
            "(?<=^a)b",
            "(?<=a$)",
            "(?=a|b$).",
        ],
        &["aa", "ab\n", "xab"],
    ),
    (&["a\\Kb", "a\\K", "(?:a\\K)+b", "\\Ga", "\\Gab?"], &["aab", "aaa"]),
    (&["(?=a)|a", "(?:(?=a)|b)+", "a|", "|a", "b*|a", "\\b|a", "(?:^|b)a", "x*"], &["aab", "ba"]),
    // Only the backtracker's.
    (
        &[
            "(a)?(?(1)b|c)",
            "(?|(a)|(b))\\1",
            "a(*FAIL)|b",
            "(?1)(a)",
            "(?<n>a)(?&n)",
            "(*pla:a)a",
            "(*atomic:a)a",
            "\\X",
            "(a(?R)?b)",
        ],
        &["aab", "bb", "aabb"],
    ),
    // Shapes that rules have.
    (
        &[
            "\\bfree\\W{1,3}money\\b",
            "(?i)v[i1l|]agra",
            "[a-z]{3,5}\\d{2}",
            "^\\[ ip=10\\.(?:\\d|[12]\\d)\\.",
            "(?i)(?:dear|hi) (?:friend|sir)",
        ],
        &["free  money!", "get V1AGRA", "abcdef12", "[ ip=10.25.1", "Dear sir"],
    ),
    (
        &[
            "https?://[^/?:#]{0,99}\\.(?:com|net|com?\\.[a-z]{2})\\.\\w[^/?:#\\s]{4}",
            "(?i)^re:\\s*$",
            "(?:[^\\n]{0,9}\\n){2}",
            "\\S+@\\S+\\.\\w{2,}",
        ],
        &["http://www.romuald.net.eu.org", "Re: \n", "a\nb\n", "x@y.zz"],
    ),
    (
        &[
            "(?i)(?:\\b|_)buy(?:\\b|_)",
            "[^a-z](?:ab|cd){1,3}[^a-z]",
            "(.)\\1{3}",
            "(\\w)(\\w)\\2\\1",
            "a.{0,5}b.{0,5}c",
            "(?:a.*?){3}",
        ],
        &["_BUY_", " abcd ", "xaaaa", "abba", "a1b2c", "a a a"],
    ),
    // Line by line, many times.
    (
        &[
            "(?m)^(?!x)\\w+",
            "(?m)^(?>\\s*)a+$",
            "(?m)^a+\\n?",
            "(?m)^\\s*a\\b",
            "(?m)^(\\w)\\1",
            "(?m)^a(?=b)",
            "(?m)(?<!c\\n)^a",
            "(?m)^\\Ka",
            "(?m)^[^\\n]+\\n(?!a)",
            "(?m)^.+$",
            "(?m)^(?:a|x)(?:\\n|b)*",
        ],
        &["ab\nab\n\nxa\naa\n", "\n\na\n a\n", "c\na\nab", "a\n\na\n\naa\n"],
    ),
    // Many beginnings.
    (
        &[
            "(?i)(?:a?\\s?copy of )?(?:your\\s{1,3})?(?:names?|age|e-?mail)(?: address)?[:.]",
            "(?i)(?:full|\\s?first)? ?(?:name|phone)\\W",
            "(?i)(?:(?:city|states?|zip)(?: or |,)?){1,3}:",
            "(?i)(?:sum of )?(?:usd|eur) ?\\d",
        ],
        &[
            "A copy of your  NAME: your age.",
            "first name, Phone: E-mail address:",
            "city or state,zip:",
            "Sum of USD 5 eur7",
        ],
    ),
];

const COMMON: &[&str] = &["", "a", "b", "ab", "abc", "aaa", "A", "a\n", "a b\n"];

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("test texts are Latin-1")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// For each pattern and each of its subjects: what Perl says. `None`: refused (or only with a warning, which
/// SpamAssassin takes for a refusal; Perl's warning about `^{2}` comes and goes with its optimiser and is not asked).
fn ask_perl(cases: &[(Vec<u8>, Vec<Vec<u8>>)]) -> Option<Vec<Option<Vec<String>>>> {
    const SCRIPT: &str = r#"
use strict; use warnings; my $warned; $SIG{__WARN__} = sub { $warned = 1 if $_[0] !~ /deprecated|experimental|zero-length/i };
while (my $line = <STDIN>) {
    chomp $line; my ($pattern, @subjects) = map { pack 'H*', $_ } split / /, $line, -1;
    $warned = 0; my $re = eval { qr/$pattern/aa };
    if (!$re || $warned) { print "refused\n"; next }
    no warnings;
    my @out; for my $subject (@subjects) {
        my @found; while ($subject =~ /$re/g) { push @found, "$-[0]-$+[0]"; last if @found > 40 }
        push @out, join ',', @found;
    }
    print join(' ', map { "=$_" } @out), "\n";
}"#;
    let mut child = Command::new("perl")
        .args(["-e", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = String::new();
    for (pattern, subjects) in cases {
        input.push_str(&hex(pattern));
        subjects.iter().for_each(|s| {
            input.push(' ');
            input.push_str(&hex(s));
        });
        input.push('\n');
    }
    let mut stdin = child.stdin.take()?;
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let answers: Vec<_> = text
        .lines()
        .map(|line| {
            (line != "refused").then(|| line.split(' ').map(|s| s.trim_start_matches('=').to_string()).collect())
        })
        .collect();
    (answers.len() == cases.len()).then_some(answers)
}

fn single(pattern: &[u8], count: Count) -> Option<Database> {
    let mut builder = Builder::new();
    let kind = PatternKind::Regex { source: pattern, flags: Flags::default() };
    builder.add(PatternSpec { group: GroupId(0), kind, count, skip_first_unit: false }).ok()?;
    Some(builder.build())
}

fn hits(database: &Database, subject: &[u8], scratch: &mut Scratch) -> u32 {
    let mut found = Found::new();
    let ends = [subject.len() as u32];
    database.scan(GroupId(0), Text { bytes: subject, ends: &ends }, scratch, &mut found);
    found.hits().first().map_or(0, |hit| hit.count)
}

/// All differences between Perl and us, in words.
fn differences(cases: &[(Vec<u8>, Vec<Vec<u8>>)]) -> Option<(usize, Vec<String>)> {
    let answers = ask_perl(cases)?;
    let mut compared = 0;
    let mut wrong = Vec::new();
    let (mut scratch, mut many_scratch) = (Scratch::new(), Scratch::new());
    for ((pattern, subjects), perl) in cases.iter().zip(answers) {
        let shown = String::from_utf8_lossy(pattern);
        let ours = single(pattern, Count::Once).zip(single(pattern, Count::Many { limit: 40 }));
        let (Some((once, many)), Some(perl)) = (&ours, &perl) else {
            if ours.is_some() != perl.is_some() {
                let reason = patterns::perl::parse(pattern, Flags::default()).err();
                wrong.push(format!("/{shown}/ accepted: perl {}, we {} {reason:?}", perl.is_some(), ours.is_some()));
            }
            continue;
        };
        for (subject, found) in subjects.iter().zip(perl) {
            compared += 1;
            let expected: Vec<&str> = found.split(',').filter(|f| !f.is_empty()).collect();
            let first = once.find(patterns::PatternId(0), subject, 0).map(|m| format!("{}-{}", m.start, m.end));
            let (one, all) = (hits(once, subject, &mut scratch), hits(many, subject, &mut many_scratch));
            let right = one == u32::from(!expected.is_empty())
                && all as usize == expected.len().min(40)
                && first.as_deref() == expected.first().copied()
                && once.is_match(patterns::PatternId(0), subject) != expected.is_empty();
            if !right {
                let subject = subject.escape_ascii();
                wrong.push(format!("/{shown}/ on \"{subject}\": perl {expected:?}, we {one}, {all}, {first:?}"));
            }
        }
    }
    Some((compared, wrong))
}

#[test]
fn every_construct_matches_what_perl_matches() {
    let mut cases = Vec::new();
    for (patterns, subjects) in CASES {
        for pattern in *patterns {
            let subjects = subjects.iter().chain(COMMON).map(|s| latin1(s)).collect();
            cases.push((latin1(pattern), subjects));
        }
    }
    let Some((compared, wrong)) = differences(&cases) else {
        println!("there is no perl here: skipped");
        return;
    };
    assert!(compared > 3_000, "only {compared} pairs compared");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// A small generator of numbers, the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn pattern(&mut self, depth: u32) -> String {
        let mut out = String::new();
        for _ in 0..=self.below(4) {
            let atom = match self.below(if depth == 0 { 6 } else { 11 }) {
                0..=2 => self.pick(&["a", "b", "c", "ab", "abc", "cab", "-"]).to_string(),
                3 => self.pick(&["[ab]", "[^a]", ".", "\\w", "\\W", "\\s", "[a-c]", "(?i:B)"]).to_string(),
                4 => self.pick(&["^", "$", "\\b", "\\B", "\\z", "(?m:^)", "(?m:$)"]).to_string(),
                5 => self.pick(&["\\n", "a", "b"]).to_string(),
                6 => format!("(?:{}|{})", self.pattern(depth - 1), self.pattern(depth - 1)),
                7 => format!("(?:{})", self.pattern(depth - 1)),
                8 => format!("(?i:{})", self.pattern(depth - 1)),
                9 => format!("({}{}){}", self.pick(&["?=", "?!", "?>", "?:"]), self.pattern(depth - 1), ""),
                _ => {
                    format!("(?:{}){}", self.pattern(depth - 1), self.pick(&["{2}", "{1,2}", "?", "+", "*", "{0,3}?"]))
                }
            };
            out.push_str(&atom);
            if atom.len() == 1 && self.below(4) == 0 {
                out.push_str(self.pick(&["*", "+", "?", "{2}", "{1,3}", "+?", "??", "++"]));
            }
        }
        out
    }

    fn subject(&mut self) -> String {
        (0..self.below(14)).map(|_| self.pick(&["a", "b", "c", "A", "B", " ", "\n", "ab", "-"])).collect()
    }
}

#[test]
fn random_patterns_match_what_perl_matches() {
    let mut dice = Dice(0x5EC1_5801);
    let cases: Vec<_> =
        (0..1_500).map(|_| (latin1(&dice.pattern(2)), (0..8).map(|_| latin1(&dice.subject())).collect())).collect();
    let Some((compared, wrong)) = differences(&cases) else { return };
    assert!(compared > 5_000, "only {compared} pairs compared");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
