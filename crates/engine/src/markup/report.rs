//! The list of hits: `_SUMMARY_` and `_REPORT_`, and how numbers are written.

use super::wrap::{Wrapping, wrap};
use super::{is_space, trim_start};
use mail::Hit;

/// The two lines above the list of hits.
pub const REPORT_HEADING: &str = " pts rule name              description\n---- ---------------------- --------------------------------------------------\n";

/// A score in the list of hits: one decimal, or none from ten on.
pub fn points(score: f64) -> String {
    if score.abs() >= 10.0 { format!("{score:4.0}") } else { format!("{score:4.1}") }
}

/// A number as Perl prints it (`%.15g`).
pub fn perl_number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Inf"
        } else {
            "-Inf"
        }
        .into();
    }
    let scientific = format!("{value:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("written with an exponent just now");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..15).contains(&exponent) {
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let fixed = format!("{value:.*}", (14 - exponent).max(0) as usize);
    if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_string() } else { fixed }
}

/// `_SUMMARY_`: the table in the report.
pub fn summary(hits: &[Hit], width: usize) -> Vec<u8> {
    let indent = [b' '; 28];
    let mut out = Vec::new();
    for hit in counted(hits) {
        let points = points(hit.score);
        out.extend_from_slice(format!("{points} {:<22} {}", hit.rule, hit.area).as_bytes());
        let used = 3 + hit.rule.len() + points.len() + hit.area.len();
        out.extend(wrapped_description(&hit.description, used, &indent, width));
        out.push(b'\n');
        for note in notes(hit) {
            let line = [b"[", &note[..], b"]"].concat();
            let width = if note.len() > 47 { 78 } else { 28 + line.len() };
            out.resize(out.len() + width.saturating_sub(line.len()), b' ');
            out.extend_from_slice(&line);
            out.push(b'\n');
        }
    }
    out
}

/// `_REPORT_`: the terse list, meant for a header.
pub fn report_lines(hits: &[Hit], width: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for hit in counted(hits) {
        let points = points(hit.score);
        out.extend_from_slice(format!("* {points} {} {}", hit.rule, hit.area).as_bytes());
        let used = 4 + hit.rule.len() + points.len() + hit.area.len();
        out.extend(wrapped_description(&hit.description, used, b"*      ", width));
        out.push(b'\n');
        for (i, note) in notes(hit).into_iter().enumerate() {
            if i == 0 {
                out.extend_from_slice(b"*      ");
            }
            out.push(b'[');
            out.extend_from_slice(&note);
            out.extend_from_slice(b"]\n");
        }
    }
    out
}

/// A rule with `tflags multiple` scores, and is listed, once for every hit.
fn counted(hits: &[Hit]) -> impl Iterator<Item = &Hit> {
    hits.iter().flat_map(|hit| std::iter::repeat_n(hit, hit.count as usize))
}

fn wrapped_description(description: &str, used: usize, prefix: &[u8], width: usize) -> Vec<u8> {
    let first = vec![b' '; used];
    let wrapped = wrap(description.as_bytes(), Wrapping { prefix, first: &first, width, overflow: false });
    trim_start(&wrapped).to_vec()
}

/// Notes cut into pieces of 30 to 48 bytes at white space.
fn notes(hit: &Hit) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for note in &hit.notes {
        let mut rest = note.as_bytes();
        while let Some(cut) = (30..=48.min(rest.len().saturating_sub(1)))
            .rev()
            .find(|&i| is_space(rest[i]) && !rest[..i].contains(&b'\n'))
        {
            pieces.push(rest[..cut].to_vec());
            rest = &rest[cut + 1..];
        }
        pieces.push(rest.to_vec());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(rule: &str, score: f64, area: &'static str, description: &str, notes: &[&str]) -> Hit {
        Hit { area, notes: notes.iter().map(|n| n.to_string()).collect(), ..Hit::new(rule, score, description) }
    }

    #[test]
    fn scores_have_one_decimal_below_ten() {
        for (score, expected) in [
            (5.5, " 5.5"),
            (-0.1, "-0.1"),
            (10.0, "  10"),
            (74.8, "  75"),
            (-100.0, "-100"),
            (0.001, " 0.0"),
            (10.5, "  10"),
            (0.25, " 0.2"),
        ] {
            assert_eq!(points(score), expected);
        }
    }

    #[test]
    fn numbers_are_written_as_perl_does() {
        for (value, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.3, "-2.3"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e15, "1e+15"),
            (123456.75, "123456.75"),
            (0.1 + 0.2, "0.3"),
        ] {
            assert_eq!(perl_number(value), expected);
        }
    }

    #[test]
    fn the_table_of_the_talk() {
        let hits = [
            hit("BAYES_99", 5.5, "BODY: ", "Bayesian spam probability is 99 to 100%", &["score: 1.0000"]),
            hit("CONTENT_TYPE_PRESENT", -0.1, "", "exists:Content-Type", &[]),
            hit("MSGID_NUMONLY", 10.0, "", "YYYYMMDDHHMM", &[]),
        ];
        assert_eq!(
            String::from_utf8(summary(&hits, 75)).unwrap(),
            " 5.5 BAYES_99               BODY: Bayesian spam probability is 99 to 100%\n\
             \x20                           [score: 1.0000]\n\
             -0.1 CONTENT_TYPE_PRESENT   exists:Content-Type\n\
             \x20 10 MSGID_NUMONLY          YYYYMMDDHHMM\n"
        );
    }

    #[test]
    fn long_notes_are_cut_at_a_blank() {
        let long = "the quick brown fox jumps over the lazy dog and then goes home to sleep";
        let hits = [hit("A_RULE", 1.0, "", "text", &[long])];
        assert_eq!(
            String::from_utf8(summary(&hits, 75)).unwrap(),
            " 1.0 A_RULE                 text\n\
             \x20                           [the quick brown fox jumps over the lazy dog and]\n\
             \x20                           [then goes home to sleep]\n"
        );
        assert_eq!(
            String::from_utf8(report_lines(&hits, 75)).unwrap(),
            "*  1.0 A_RULE text\n*      [the quick brown fox jumps over the lazy dog and]\n[then goes home to sleep]\n"
        );
    }
}
