//! Header fields in raw messages: where they are, and what a list of [`Edit`]s makes of a message.
//!
//! Untouched bytes stay as they are, line for line, so that signatures over them hold.

use crate::answer::Edit;
use std::collections::HashMap;

/// One field of a header block: the range it covers, its line ends included, and where its name ends.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: usize,
    colon: usize,
    end: usize,
}

impl Field {
    fn name<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message[self.start..self.colon].trim_ascii_end()
    }

    fn value<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        &message[self.colon + 1..self.end]
    }
}

/// The fields of the message's header, and where the header ends (the blank line belongs to the body).
fn fields(message: &[u8]) -> (usize, Vec<Field>, usize) {
    let mut fields: Vec<Field> = Vec::new();
    let mut at = 0;
    if message.starts_with(b"From ") {
        at = line_end(message, 0); // a mailbox's delimiter stays on top
    }
    let top = at;
    while at < message.len() {
        let end = line_end(message, at);
        let line = &message[at..end];
        if matches!(line.first(), Some(b' ' | b'\t')) && !line.trim_ascii().is_empty() {
            match fields.last_mut() {
                Some(field) => field.end = end,
                None => break,
            }
        } else {
            match line.iter().position(|b| *b == b':') {
                Some(colon) if colon > 0 && is_name(line[..colon].trim_ascii_end()) => {
                    fields.push(Field { start: at, colon: at + colon, end })
                }
                _ => break,
            }
        }
        at = end;
    }
    (top, fields, at)
}

fn line_end(message: &[u8], from: usize) -> usize {
    message[from..].iter().position(|b| *b == b'\n').map_or(message.len(), |n| from + n + 1)
}

/// RFC 5322's `field-name`.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 256 && name.iter().all(|b| (33..=126).contains(b) && *b != b':')
}

/// A field's value as it may stand in a header: lines end in LF and the next begins with a blank, no NUL, no end.
pub(crate) fn clean_value(value: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(value.len());
    let mut rest = value.trim_ascii_end();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            0 => {}
            b'\r' | b'\n' => {
                if *byte == b'\r' && rest.first() == Some(&b'\n') {
                    rest = &rest[1..];
                }
                clean.push(b'\n');
                if !matches!(rest.first(), Some(b' ' | b'\t')) {
                    clean.push(b'\t');
                }
            }
            other => clean.push(*other),
        }
    }
    clean
}

/// What follows the header, the blank line included.
pub fn body(message: &[u8]) -> &[u8] {
    &message[fields(message).2..]
}

/// Calls `visit` with name, value and index (from 1, counted for each name without regard to case) of each field.
pub fn each_field<'m>(message: &'m [u8], mut visit: impl FnMut(&'m [u8], &'m [u8], u32)) {
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    for field in fields(message).1 {
        let name = field.name(message);
        let index = seen.entry(name.to_ascii_lowercase()).and_modify(|n| *n += 1).or_insert(1);
        visit(name, field.value(message), *index);
    }
}

/// Name and value of each field, and what stands below it.
pub fn fields_and_rest(message: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    let (_, fields, end) = fields(message);
    let starts: Vec<usize> = fields.iter().skip(1).map(|field| field.start).chain([end]).collect();
    fields.into_iter().zip(starts).map(|(field, next)| (field.name(message), field.value(message), &message[next..]))
}

/// Name and value of each field as they stand, and what follows the blank line.
pub fn split(message: &[u8]) -> (Vec<(&[u8], &[u8])>, &[u8]) {
    let (_, fields, end) = fields(message);
    let rest = &message[end..];
    let body = rest.strip_prefix(b"\r\n").or(rest.strip_prefix(b"\n")).unwrap_or(rest);
    let whole = |field: Field| (&message[field.start..field.colon], field.value(message));
    (fields.into_iter().map(whole).collect(), body)
}

/// Edits that remove each field of which `foreign` says so: copies of our own headers that strangers wrote.
pub fn remove_fields(message: &[u8], mut foreign: impl FnMut(&[u8], &[u8]) -> bool) -> Vec<Edit> {
    let mut edits = Vec::new();
    each_field(message, |name, value, index| {
        if foreign(name, value) {
            edits.push(Edit::DeleteHeader { name: name.to_vec(), index });
        }
    });
    edits
}

/// How often a field of this name occurs.
pub fn count_fields(message: &[u8], name: &str) -> usize {
    fields(message).1.iter().filter(|f| f.name(message).eq_ignore_ascii_case(name.as_bytes())).count()
}

/// The message with the edits of its header and body; those of the envelope are not looked at.
///
/// Indexes count the message's fields as given. New lines end as the message's first line does.
pub fn apply(message: &[u8], edits: &[Edit]) -> Vec<u8> {
    let (top, fields, end) = fields(message);
    let newline: &[u8] = match message.iter().position(|b| *b == b'\n') {
        Some(at) if at == 0 || message[at - 1] != b'\r' => b"\n",
        _ => b"\r\n",
    };
    let write = |out: &mut Vec<u8>, name: &[u8], value: &[u8]| {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        for (n, line) in clean_value(value).split(|b| *b == b'\n').enumerate() {
            if n > 0 {
                out.extend_from_slice(newline);
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(newline);
    };
    let mut out = Vec::with_capacity(message.len() + 512);
    out.extend_from_slice(&message[..top]);
    let mut by_name: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (n, field) in fields.iter().enumerate() {
        by_name.entry(field.name(message).to_ascii_lowercase()).or_default().push(n);
    }
    let mut touched: Vec<Option<&Edit>> = vec![None; fields.len()];
    let mut inserted = Vec::new();
    let mut appended = Vec::new();
    for edit in edits {
        match edit {
            Edit::ReplaceHeader { name, index, .. } | Edit::DeleteHeader { name, index } => {
                let wanted = (*index).max(1) as usize - 1;
                let found = by_name.get(&name.to_ascii_lowercase()).and_then(|all| all.get(wanted));
                match (found, edit) {
                    (Some(n), _) => touched[*n] = Some(edit),
                    (None, Edit::ReplaceHeader { name, value, .. }) if is_name(name) => appended.push((name, value)),
                    _ => {}
                }
            }
            Edit::InsertHeader { index, name, value } if is_name(name) => {
                inserted.push(((*index as usize).min(fields.len()), name, value))
            }
            _ => {}
        }
    }
    inserted.sort_by_key(|(index, ..)| *index); // stable: equal indexes keep their order
    let mut inserted = inserted.into_iter().peekable();
    for (n, (field, touch)) in fields.iter().zip(touched).enumerate() {
        while let Some((_, name, value)) = inserted.next_if(|(index, ..)| *index == n) {
            write(&mut out, name, value);
        }
        match touch {
            None => out.extend_from_slice(&message[field.start..field.end]),
            Some(Edit::ReplaceHeader { value, .. }) => write(&mut out, field.name(message), value),
            Some(_) => {}
        }
    }
    if !out.is_empty() && out.last() != Some(&b'\n') {
        out.extend_from_slice(newline); // the message ended within its header
    }
    for (_, name, value) in inserted {
        write(&mut out, name, value);
    }
    for (name, value) in appended {
        write(&mut out, name, value);
    }
    match edits.iter().rev().find_map(|e| if let Edit::ReplaceBody(body) = e { Some(body) } else { None }) {
        Some(body) => {
            out.extend_from_slice(newline);
            out.extend_from_slice(body);
        }
        None => out.extend_from_slice(&message[end..]),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(index: u32, name: &str, value: &str) -> Edit {
        Edit::InsertHeader { index, name: name.into(), value: value.into() }
    }
    fn replace(name: &str, index: u32, value: &str) -> Edit {
        Edit::ReplaceHeader { name: name.into(), index, value: value.into() }
    }
    fn delete(name: &str, index: u32) -> Edit {
        Edit::DeleteHeader { name: name.into(), index }
    }

    #[test]
    fn messages_after_edits() {
        let message = "A: 1\r\nX: one\r\nB:\t2\r\n folded\r\nx : two\r\n\r\nbody\r\n";
        for (message, edits, expected) in [
            (message, vec![], message),
            (
                message,
                vec![header(0, "T", "1"), header(0, "U", "2\nmore")],
                "T: 1\r\nU: 2\r\n\tmore\r\nA: 1\r\nX: one\r\nB:\t2\r\n folded\r\nx : two\r\n\r\nbody\r\n",
            ),
            (message, vec![delete("X", 2), delete("x", 1)], "A: 1\r\nB:\t2\r\n folded\r\n\r\nbody\r\n"),
            (
                message,
                vec![replace("b", 1, "3"), header(1, "T", "1")],
                "A: 1\r\nT: 1\r\nX: one\r\nB: 3\r\nx : two\r\n\r\nbody\r\n",
            ),
            (
                message,
                vec![replace("Subject", 1, "s"), header(99, "T", "1")],
                "A: 1\r\nX: one\r\nB:\t2\r\n folded\r\nx : two\r\nT: 1\r\nSubject: s\r\n\r\nbody\r\n",
            ),
            (
                message,
                vec![Edit::ReplaceBody("new\r\n".into()), delete("X", 9)],
                "A: 1\r\nX: one\r\nB:\t2\r\n folded\r\nx : two\r\n\r\nnew\r\n",
            ),
            ("A: 1\n\nbody", vec![header(0, "T", "1\r\n")], "T: 1\nA: 1\n\nbody"),
            ("A: 1", vec![header(0, "T", "1")], "T: 1\r\nA: 1\r\n"),
            ("A: 1", vec![], "A: 1\r\n"),
            ("", vec![header(0, "T", "1")], "T: 1\r\n"),
            ("\r\nbody", vec![header(0, "T", "1")], "T: 1\r\n\r\nbody"),
            ("From me\nA: 1\n\n", vec![header(0, "T", "1")], "From me\nT: 1\nA: 1\n\n"),
            ("no header\n", vec![header(0, "T", "1")], "T: 1\nno header\n"),
            ("A: 1\n\n", vec![header(0, "bad name", "1"), header(0, "", "1"), header(0, "a:b", "1")], "A: 1\n\n"),
        ] {
            let after = apply(message.as_bytes(), &edits);
            assert_eq!(String::from_utf8_lossy(&after), expected, "{edits:?}");
        }
    }

    #[test]
    fn foreign_fields_are_counted_for_each_name() {
        let message = b"X-Spam: a\nReceived: r\nx-spam: b\nX-Spam: c\nSubject: X-Spam: d\n\nX-Spam: e\n";
        assert_eq!(
            remove_fields(message, |name, value| name.eq_ignore_ascii_case(b"x-spam") && value != b" b\n"),
            [delete("X-Spam", 1), delete("X-Spam", 3)]
        );
        assert_eq!(count_fields(message, "x-spam"), 3);
    }

    #[test]
    fn values_cannot_open_new_fields() {
        for (value, clean) in
            [("a\r\nb", "a\n\tb"), ("a\n b", "a\n b"), ("a\rb\0", "a\n\tb"), ("a\n\n\nb\n\n", "a\n\t\n\t\n\tb")]
        {
            assert_eq!(String::from_utf8_lossy(&clean_value(value.as_bytes())), clean);
        }
    }
}
