//! Takes SpamAssassin's markup off again (`-d`): unwraps a `report_safe` message, or removes its headers.
//!
//! Undoes what [`super::rewrite`] and SpamAssassin 2.4 to 4.0 did, byte for byte.

use super::rewrite::{ORIGINAL_DESCRIPTION, line_ends, starts_with};
use super::{Style, is_space, lines, trim_end, trim_start};
use mail::Message;

/// The message without markup.
pub fn unmark(message: &Message, style: &Style) -> Vec<u8> {
    let mut out = message.mbox_separator.clone().unwrap_or_default();
    if let Some(original) = wrapped_original(message) {
        out.extend(original);
        return out;
    }
    let mut head = unfold_spam_fields(&to_lf(message.pristine_header()));
    let body = to_lf(message.pristine_body());
    head = undo_old_rewriting(head, style);
    let body = without_old_report(&body);
    head = undo_created_subject(head);
    head = restore_previous(head);
    let head: Vec<u8> =
        lines(&head).filter(|l| !(l.starts_with(b"X-Spam-") && l.ends_with(b"\n"))).flatten().copied().collect();
    out.extend(line_ends(&head, message.line_ending));
    out.extend(line_ends(body, message.line_ending));
    out
}

/// The original inside a `report_safe` message.
fn wrapped_original(message: &Message) -> Option<Vec<u8>> {
    let content_type = message.headers().last("Content-Type")?;
    let boundary = mixed_boundary(&content_type.decoded)?;
    let open = [b"--", boundary].concat();
    let body: Vec<&[u8]> = lines(message.pristine_body()).collect();
    let is_open = |line: &[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line) == open
    };

    let mut inside = false;
    let (mut media_type, mut description) = (Vec::new(), Vec::new());
    for (i, line) in body.iter().enumerate() {
        if !inside && !is_open(line) {
            continue;
        }
        if line.iter().all(|&b| is_space(b)) {
            if is_original(&media_type, &description) {
                let rest = &body[i + 1..];
                let Some(end) = rest.iter().position(|line| line.starts_with(&open)) else {
                    return Some(rest.concat());
                };
                let blank = end > 0 && rest[end - 1].iter().all(|&b| is_space(b));
                return Some(rest[..if blank { end - 1 } else { end }].concat());
            }
            inside = false;
            media_type.clear();
            description.clear();
            continue;
        }
        inside = true;
        if let Some(value) = field_value(line, b"content-type:") {
            media_type = value.to_vec();
        } else if let Some(value) = field_value(line, b"content-description:") {
            description = value.to_vec();
        }
    }
    None
}

fn is_original(media_type: &[u8], description: &[u8]) -> bool {
    let marked = [&b"message/rfc822;"[..], b"text/plain;"].iter().any(|start| {
        media_type.strip_prefix(*start).is_some_and(|rest| {
            rest.first().is_some_and(|&b| is_space(b)) && trim_start(rest).starts_with(b"x-spam-type=original")
        })
    });
    marked || (media_type == b"message/rfc822" && description == ORIGINAL_DESCRIPTION.as_bytes())
}

/// The value of a field that must have a blank after its colon and something to say.
fn field_value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = starts_with(line, name).then(|| &line[name.len()..])?;
    let value = trim_end(trim_start(rest));
    (rest.first().is_some_and(|&b| is_space(b)) && !value.is_empty()).then_some(value)
}

/// The boundary of `multipart/mixed; boundary=...` where that is the first parameter.
fn mixed_boundary(content_type: &[u8]) -> Option<&[u8]> {
    const TYPE: &[u8] = b"multipart/mixed;";
    let rest = trim_start(content_type);
    let rest = starts_with(rest, TYPE).then(|| &rest[TYPE.len()..])?;
    if !rest.first().is_some_and(|&b| is_space(b)) {
        return None;
    }
    let rest = trim_start(rest);
    let rest = trim_start(starts_with(rest, b"boundary").then(|| &rest[8..])?);
    let rest = trim_start(rest.strip_prefix(b"=")?);
    let quote = |b: u8| b == b'"' || b == b'\'';
    let value = match rest.first() {
        Some(&b) if quote(b) => &rest[1..],
        _ => rest,
    };
    let stops = |at: usize| match value.get(at) {
        None | Some(b';') => true,
        Some(b'\n') => at + 1 == value.len(),
        _ => false,
    };
    let end = (1..=value.len()).find(|&at| stops(at) || (quote(*value.get(at).unwrap_or(&0)) && stops(at + 1)))?;
    (!value[..end].contains(&b'\n')).then_some(&value[..end])
}

fn to_lf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in lines(text) {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn is_continuation(line: &[u8]) -> bool {
    let text = line.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(line.len());
    text > 0 && line.get(text).is_some_and(|&b| !is_space(b)) && line.ends_with(b"\n")
}

/// Puts our fields on one line each; `X-Spam-Prev-` fields stay folded, since they are the sender's.
fn unfold_spam_fields(head: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(head.len());
    let mut unfolding = false;
    for line in lines(head) {
        if unfolding && is_continuation(line) {
            out.pop();
            out.push(b' ');
            let text = line.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(0);
            out.extend_from_slice(&line[text..]);
            continue;
        }
        let rest = line.strip_prefix(b"X-Spam-");
        unfolding = rest.is_some_and(|rest| rest.len() > 1 && !rest.starts_with(b"Prev") && rest.ends_with(b"\n"));
        out.extend_from_slice(line);
    }
    out
}

/// Before 3.0 the tag was put in without keeping the old field.
fn undo_old_rewriting(mut head: Vec<u8>, style: &Style) -> Vec<u8> {
    let kept = |head: &[u8], name: &str| {
        let field = format!("x-spam-prev-{name}:");
        lines(head).any(|line| starts_with(line, field.as_bytes()))
    };
    if let Some(tag) = &style.rewrite_subject
        && !kept(&head, "subject")
    {
        head = lines(&head)
            .flat_map(|line| {
                let Some(mut text) = line.strip_prefix(b"Subject: ") else { return line.to_vec() };
                while let Some(end) = after_tag(text, tag) {
                    text = &text[end..];
                }
                [b"Subject: ", text].concat()
            })
            .collect();
    }
    for (name, tag) in [("From", &style.rewrite_from), ("To", &style.rewrite_to)] {
        if tag.is_none() || kept(&head, name) {
            continue;
        }
        let field = format!("{name}:");
        head = lines(&head)
            .flat_map(|line| {
                let (text, end) = match line.strip_suffix(b"\n") {
                    Some(text) => (text, &line[text.len()..]),
                    None => (line, &line[line.len()..]),
                };
                let blank = matches!(text.get(field.len()), Some(b' ' | b'\t'));
                if text.starts_with(field.as_bytes()) && blank && text.ends_with(b")") {
                    let inner = &text[..text.len() - 1];
                    let open = (field.len() + 1..inner.len().saturating_sub(1))
                        .find(|&i| inner[i] == b'\t' && inner[i + 1] == b'(' && !inner[i + 2..].contains(&b')'));
                    if let Some(open) = open {
                        return [&text[..open], end].concat();
                    }
                }
                line.to_vec()
            })
            .collect();
    }
    head
}

/// Length of the tag and a blank at the begin of `text`; `_SCORE_`, `_HITS_`, `_REQD_` stand for `dd.dd`.
fn after_tag(text: &[u8], tag: &[u8]) -> Option<usize> {
    const NUMBERS: [&[u8]; 3] = [b"_HITS_", b"_SCORE_", b"_REQD_"];
    let (mut at, mut t) = (0, 0);
    while t < tag.len() {
        if let Some(name) = NUMBERS.iter().find(|name| tag[t..].starts_with(name)) {
            let number = text.get(at..at + 5)?;
            let fits = number.iter().enumerate().all(|(i, b)| if i == 2 { *b == b'.' } else { b.is_ascii_digit() });
            if !fits {
                return None;
            }
            (at, t) = (at + 5, t + name.len());
        } else {
            if text.get(at) != Some(&tag[t]) {
                return None;
            }
            (at, t) = (at + 1, t + 1);
        }
    }
    (text.get(at) == Some(&b' ')).then_some(at + 1)
}

/// SpamAssassin 2.4 put its report in lines `SPAM: ...` at the top of the body.
fn without_old_report(mut body: &[u8]) -> &[u8] {
    fn report_end(body: &[u8]) -> Option<usize> {
        const RULER: &[u8] = b"SPAM: ----";
        let start = usize::from(body.starts_with(b"\n"));
        let ruler = |line: &[u8]| line.starts_with(RULER) && line.len() > RULER.len() + 1 && line.ends_with(b"\n");
        let mut at = start;
        let mut found = None;
        for (i, line) in lines(&body[start..]).enumerate() {
            if i == 0 && !ruler(line) || !line.starts_with(b"SPAM:") {
                break;
            }
            at += line.len();
            if i > 0 && ruler(line) && body[at..].starts_with(b"\n") {
                found = Some(at + 1);
            }
        }
        found
    }
    while let Some(end) = report_end(body) {
        body = &body[end..];
    }
    body
}

/// A Subject that SpamAssassin made, because there was none to put its tag in, goes.
fn undo_created_subject(head: Vec<u8>) -> Vec<u8> {
    let note = |line: &[u8]| {
        line.strip_prefix(b"X-Spam-Prev-Subject:").is_some_and(|rest| {
            let rest = trim_start(rest);
            rest == b"(nonexistent)" || rest == b"(nonexistent)\n"
        })
    };
    let says_so = |line: &[u8]| line.starts_with(b"Subject:") && line.windows(13).any(|w| w == b"(nonexistent)");
    if !lines(&head).any(note) || lines(&head).any(says_so) {
        return head;
    }
    // The note becomes an empty line, and the Subject with all after it another: together the header's end.
    let mut out = Vec::with_capacity(head.len());
    let mut noted = false;
    for line in lines(&head) {
        if !noted && note(line) && line.ends_with(b"\n") {
            out.push(b'\n');
            noted = true;
        } else {
            out.extend_from_slice(line);
        }
    }
    let mut at = 0;
    for line in lines(&out) {
        if line.starts_with(b"Subject:") {
            let mut cut = out[..at].to_vec();
            cut.push(b'\n');
            return cut;
        }
        at += line.len();
    }
    out
}

/// `X-Spam-Prev-Name: value` takes the place of the rewritten `Name:`.
fn restore_previous(mut head: Vec<u8>) -> Vec<u8> {
    const PREVIOUS: &[u8] = b"X-Spam-Prev-";
    /// From `start`, the end of the field that begins there: its line and the continuations.
    fn field_end(head: &[u8], start: usize) -> Option<usize> {
        let mut end = start;
        for (i, line) in lines(&head[start..]).enumerate() {
            if i == 0 && !line.ends_with(b"\n") {
                return None;
            }
            let folded = line.first().is_some_and(|&b| is_space(b))
                && line.iter().any(|&b| !is_space(b))
                && line.ends_with(b"\n");
            if i > 0 && !folded {
                break;
            }
            end += line.len();
        }
        Some(end)
    }
    fn line_starts(head: &[u8]) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(0).chain(head.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1))
    }
    loop {
        let found = line_starts(&head).find_map(|start| {
            let rest = head[start..].strip_prefix(PREVIOUS)?;
            let colon = rest.iter().position(|&b| b == b':' || b == b'\n').filter(|&at| at > 0 && rest[at] == b':')?;
            Some((start, rest[..=colon].to_vec(), field_end(&head, start)?))
        });
        let Some((start, name, end)) = found else { return head };
        let field = head[start + PREVIOUS.len()..end].to_vec();
        head.drain(start..end);
        let rewritten = line_starts(&head)
            .find(|&at| head[at..].starts_with(&name))
            .and_then(|at| field_end(&head, at).map(|end| (at, end)));
        match rewritten {
            Some((at, end)) => {
                head.splice(at..end, field);
            }
            None => {
                if let Some(at) = head.windows(2).position(|w| w == b"\n\n") {
                    let added = [b"\n", &field[..], b"\n"].concat();
                    head.splice(at..at + 2, added);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::Limits;

    fn check(marked: &str, expected: &str) {
        let style = Style { rewrite_subject: Some(b"*SPAM*".to_vec()), ..Style::default() };
        let message = Message::parse(marked.as_bytes(), &Limits::default());
        assert_eq!(String::from_utf8_lossy(&unmark(&message, &style)), expected);
    }

    #[test]
    fn headers_go_and_previous_ones_come_back() {
        check(
            "X-Spam-Flag: YES\nX-Spam-Status: Yes, score=9\n\ttests=A,\n\tB\nFrom: a@example.com\n\
             Subject: *SPAM* hi\nX-Spam-Prev-Subject: hi\n\nbody\n",
            "From: a@example.com\nSubject: hi\n\nbody\n",
        );
    }

    #[test]
    fn a_subject_that_was_made_goes() {
        check(
            "From: a@example.com\nSubject: *SPAM* \nX-Spam-Prev-Subject: (nonexistent)\n\nbody\n",
            "From: a@example.com\n\nbody\n",
        );
    }

    #[test]
    fn tags_of_old_versions_go() {
        check("Subject: *SPAM* *SPAM* hi\nFrom: a\n\nbody\n", "Subject: hi\nFrom: a\n\nbody\n");
        check("Subject: x\n\n\nSPAM: ---- x\nSPAM: a\nSPAM: ---- y\n\nbody\n", "Subject: x\n\nbody\n");
    }

    #[test]
    fn a_wrapped_message_comes_out_whole() {
        check(
            "Subject: *SPAM* hi\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_1\"\n\nx\n\n--=_1\n\
             Content-Type: text/plain\n\nreport\n\n--=_1\nContent-Type: message/rfc822; x-spam-type=original\n\
             Content-Description: original message before SpamAssassin\n\nSubject: hi\n\n--=_1x\n\n--=_1--\n\n",
            "Subject: hi\n",
        );
        check(
            "Content-Type: multipart/mixed; boundary=\"=_1\"\n\n--=_1\nContent-Type: text/plain; x-spam-type=original\n\n\
             Subject: hi\n\nbody\n\n--=_1--\n\n",
            "Subject: hi\n\nbody\n",
        );
    }

    #[test]
    fn other_mail_stays_as_it_is() {
        let mail = "From a@b Sat Nov 21 10:00:00 2026\nSubject: hi\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n--x--\n";
        check(mail, mail);
    }
}
