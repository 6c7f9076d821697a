//! Lines of a width: Latin words stay whole, Japanese may break between any two characters but before 、。」 and after 「.

use workshop::try_rule::width;

/// Columns of a terminal that a text takes.
pub fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// The text in lines no wider than `limit` where that can be; line ends in it stay.
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    text.lines().flat_map(|line| of_line(line, limit.max(10))).collect()
}

fn of_line(line: &str, limit: usize) -> Vec<String> {
    let indent: String = line.chars().take_while(|&c| c == ' ').collect();
    let mut lines = Vec::new();
    let mut current = indent.clone();
    for piece in pieces(line.trim_start()) {
        let full = columns(current.trim_end()) + columns(piece.trim_end()) > limit
            || columns(&current) + columns(piece.trim_end()) > limit;
        if full && current.len() > indent.len() {
            lines.push(current.trim_end().to_owned());
            current.clone_from(&indent);
        }
        current.push_str(piece);
    }
    lines.push(current.trim_end().to_owned());
    lines
}

/// The line with `mark` wherever it may break without a space.
pub fn marked(line: &str, mark: &str) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    for piece in pieces(line) {
        if !out.is_empty() && !out.ends_with(' ') {
            out.push_str(mark);
        }
        out.push_str(piece);
    }
    out
}

/// What must not be cut, with the space behind it.
fn pieces(line: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let characters: Vec<(usize, char)> = line.char_indices().collect();
    for pair in characters.windows(2) {
        let [(_, before), (at, after)] = *pair else { continue };
        if may_break(before, after) {
            pieces.push(&line[start..at]);
            start = at;
        }
    }
    pieces.push(&line[start..]);
    pieces
}

fn may_break(before: char, after: char) -> bool {
    if before == ' ' || after == ' ' {
        return before == ' ' && after != ' ';
    }
    (width(before) == 2 || width(after) == 2) && !NEVER_FIRST.contains(after) && !NEVER_LAST.contains(before)
}

const NEVER_FIRST: &str = "、。，．・：；？！」』）】〕〉》〟’”々ー〜ぁぃぅぇぉっゃゅょァィゥェォッャュョ)],.:;!?%";
const NEVER_LAST: &str = "「『（【〔〈《〝‘“([";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_they_may() {
        for (text, limit, expected) in [
            ("one two three", 10, vec!["one two", "three"]),
            ("メールを判定します。", 12, vec!["メールを判定", "します。"]),
            ("メールを判定する。", 16, vec!["メールを判定す", "る。"]),
            ("あいうえ「か」きく", 10, vec!["あいうえ", "「か」きく"]),
            ("設定は sekisho.toml を読む", 16, vec!["設定は", "sekisho.toml を", "読む"]),
            ("  --long\nx", 10, vec!["  --long", "x"]),
            ("", 10, vec![]),
        ] {
            assert_eq!(wrap(text, limit), expected, "{text}");
        }
        assert_eq!(marked("設定 (a) は「b」", "|"), "設|定 (a) は|「b」");
    }
}
