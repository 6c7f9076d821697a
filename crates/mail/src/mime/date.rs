//! Dates as mail writes them, to seconds since 1970 (UTC).
//!
//! In: the text of a Date or Resent-Date field, or the tail of a Received field. Out: a time, or `None` where no day,
//! month and year stand together. Impossible values are bent to the nearest possible ones (second 75 is 59, 31 June is
//! 1 July, year 2345 is 2037), because SpamAssassin does so and its date rules were scored with it. A zone that nobody
//! knows is UTC.

/// Reads one date. Two-digit years below 50 belong to this century, three-digit years count from 1900.
pub fn parse(text: &[u8]) -> Option<i64> {
    let mut words: Vec<&[u8]> =
        text.split(|b| b.is_ascii_whitespace() || matches!(b, b',' | 0x0b)).filter(|w| !w.is_empty()).collect();

    let (day, month, year) = take_day(&mut words)?;
    let (hour, minute, second) = take_time(&mut words);
    let offset = zone(&words);

    let (mut day, mut month, mut year) = (day, month, year);
    if day > days_in(month, year) {
        day = 1;
        month += 1;
        if month > 12 {
            month = 1;
            year += 1;
        }
    }
    if day == 0 {
        return None;
    }
    let days = days_since_1970(year.clamp(1970, 2037), month, day);
    let time = days * 86_400 + hour.min(23) * 3_600 + minute.min(59) * 60 + second.min(59);
    // 1 January 1970 east of Greenwich would be negative.
    Some(if offset > 0 && time < offset { 0 } else { time - offset })
}

/// Finds `12 Jan 2003`, else ctime's `Jan 12 10:20:30 2003`, else `12 Jan 03`, and removes it.
fn take_day(words: &mut Vec<&[u8]>) -> Option<(i64, i64, i64)> {
    let plain = |words: &[&[u8]], year_digits: std::ops::RangeInclusive<usize>| {
        words.windows(3).position(|w| is_number(w[0]) && is_month(w[1]) && is_number_of(w[2], year_digits.clone()))
    };
    if let Some(at) = plain(words, 4..=4) {
        let found = (number(words[at]), month(words[at + 1])?, full_year(words[at + 2]));
        words.drain(at..at + 3);
        return Some(found);
    }
    let ctime = words
        .windows(4)
        .position(|w| is_month(w[0]) && is_number(w[1]) && is_long_time(w[2]) && is_number_of(w[3], 4..=4));
    if let Some(at) = ctime {
        let found = (number(words[at + 1]), month(words[at])?, full_year(words[at + 3]));
        // The time goes with it, as in SpamAssassin: a ctime date is midnight.
        words.drain(at..at + 4);
        return Some(found);
    }
    let at = plain(words, 2..=3)?;
    let found = (number(words[at]), month(words[at + 1])?, full_year(words[at + 2]));
    words.drain(at..at + 3);
    Some(found)
}

fn take_time(words: &mut Vec<&[u8]>) -> (i64, i64, i64) {
    let Some(at) = words.iter().position(|w| is_time(w)) else { return (0, 0, 0) };
    let mut fields = words[at].split(|&b| b == b':').map(number);
    let mut next = || fields.next().unwrap_or(0);
    let time = (next(), next(), next());
    words.remove(at);
    time
}

/// Seconds east of Greenwich.
fn zone(words: &[&[u8]]) -> i64 {
    if let Some(w) = words.iter().find(|w| w.len() == 5 && matches!(w[0], b'+' | b'-') && is_number(&w[1..])) {
        let seconds = (number(&w[1..3]) * 60 + number(&w[3..5])) * 60;
        return if w[0] == b'-' { -seconds } else { seconds };
    }
    // Only the first word in capitals counts, even if it is no zone.
    let Some(name) = words.iter().find_map(|w| capital_word(w)) else { return 0 };
    ZONES.binary_search_by(|(zone, _)| zone.as_bytes().cmp(name)).map_or(0, |at| {
        let (hours, minutes) = (ZONES[at].1 / 100, ZONES[at].1 % 100);
        i64::from(hours) * 3_600 + i64::from(minutes) * 60
    })
}

/// The first run of two to four capitals that stands alone; `EST-DST` counts as one.
fn capital_word(word: &[u8]) -> Option<&[u8]> {
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let mut at = 0;
    while at < word.len() {
        if !is_word(&word[at]) {
            at += 1;
            continue;
        }
        let end = word[at..].iter().position(|b| !is_word(b)).map_or(word.len(), |n| at + n);
        let run = &word[at..end];
        if (2..=4).contains(&run.len()) && run.iter().all(u8::is_ascii_uppercase) {
            let dst = word[end..].starts_with(b"-DST") && !word.get(end + 4).is_some_and(is_word);
            return Some(if dst { &word[at..end + 4] } else { run });
        }
        at = end;
    }
    None
}

fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

fn is_number_of(word: &[u8], digits: std::ops::RangeInclusive<usize>) -> bool {
    digits.contains(&word.len()) && is_number(word)
}

/// `h:mm`, `hh:mm`, `hh:mm:ss`.
fn is_time(word: &[u8]) -> bool {
    let mut fields = word.split(|&b| b == b':');
    fields.next().is_some_and(|h| is_number_of(h, 1..=2))
        && fields.next().is_some_and(|m| is_number_of(m, 2..=2))
        && fields.next().is_none_or(|s| is_number_of(s, 2..=2))
        && fields.next().is_none()
}

/// Three numbers of any length.
fn is_long_time(word: &[u8]) -> bool {
    word.split(|&b| b == b':').count() == 3 && word.split(|&b| b == b':').all(is_number)
}

/// Digits to a number that stops growing at a billion.
fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |n: i64, d| (n * 10 + i64::from(d - b'0')).min(1_000_000_000))
}

fn full_year(digits: &[u8]) -> i64 {
    match (digits.len(), number(digits)) {
        (2, year) if year < 50 => 2000 + year,
        (4, year) => year,
        (_, year) => 1900 + year,
    }
}

fn is_month(word: &[u8]) -> bool {
    month(word).is_some()
}

fn month(word: &[u8]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    NAMES.iter().position(|name| word.eq_ignore_ascii_case(*name)).map(|at| at as i64 + 1)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years counted from March, so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468
}

/// Names that SpamAssassin knows, hhmm east of Greenwich, sorted by name. IST is Ireland's, not India's or Israel's.
static ZONES: &[(&str, i16)] = &[
    ("ACDT", 1030),
    ("ACST", 930),
    ("ADT", -300),
    ("AEDT", 1100),
    ("AEST", 1000),
    ("AKDT", -800),
    ("AKST", -900),
    ("AST", -400),
    ("AWST", 800),
    ("BRST", -200),
    ("BRT", -300),
    ("BST", 100),
    ("CDT", -500),
    ("CEST", 200),
    ("CET", 100),
    ("CST", -600),
    ("EDT", -400),
    ("EEST", 300),
    ("EET", 200),
    ("EST", -500),
    ("GMT", 0),
    ("HADT", -900),
    ("HAST", -1000),
    ("HKT", 800),
    ("HST", -1000),
    ("IDT", 300),
    ("IST", 100),
    ("JST", 900),
    ("KST", 900),
    ("MDT", -600),
    ("MEST", 200),
    ("MESZ", 200),
    ("MET", 100),
    ("MEZ", 100),
    ("MSD", 400),
    ("MSK", 300),
    ("MST", -700),
    ("NDT", -230),
    ("NST", -330),
    ("NZDT", 1300),
    ("NZST", 1200),
    ("PDT", -700),
    ("PHT", 800),
    ("PST", -800),
    ("SGT", 800),
    ("UT", 0),
    ("UTC", 0),
    ("WEST", 100),
    ("WET", 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_sorted() {
        assert!(ZONES.is_sorted_by_key(|z| z.0));
    }

    #[test]
    fn dates() {
        let table: &[(&str, Option<i64>)] = &[
            ("Thu, 1 Jan 1970 00:00:00 +0000", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 +0900", Some(0)),
            ("Wed, 12 Aug 2009 16:05:31 +0900", Some(1_250_060_731)),
            ("Wed,12 Aug 2009 16:05:31 +0900 (JST)", Some(1_250_060_731)),
            ("12 aug 09 16:05:31 JST", Some(1_250_060_731)),
            ("12 Aug 109 07:05 GMT", Some(1_250_060_700)),
            ("Wed Aug 12 16:05:31 2009 +0900", Some(1_250_002_800)), // ctime: midnight, minus nine hours
            ("31 Jun 2009 00:00:00 -0000", Some(1_246_406_400)),
            ("12 Aug 2009 25:99:61 -0230", Some(1_250_130_599)),
            ("0 Aug 2009 12:00:00 +0000", None),
            ("12 Aug 2009 16:05:31 XYZ JST", Some(1_250_093_131)), // the first capital word is no zone
            ("12 Aug 2345 00:00:00 +0000", Some(2_133_648_000)),
            ("29 Feb 2000 00:00:00 (EST)", Some(951_800_400)),
            ("2009-08-12T16:05:31Z", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()), *expected, "{text}");
        }
    }
}
