//! The message as it is delivered: with headers added, or wrapped behind a report.

use super::{Tags, lines, replace_byte};
use mail::{LineEnding, Message};

/// Names the wrapped original; [`super::unmark`] and SpamAssassin's `-d` look for these words.
pub(super) const ORIGINAL_DESCRIPTION: &str = "original message before SpamAssassin";

/// The message with this verdict's markup: wrapped if it is spam and `report_safe` says so, else headers only.
pub fn rewrite(message: &Message, tags: &Tags<'_>) -> Vec<u8> {
    let mut out = message.mbox_separator.clone().unwrap_or_default();
    match tags.verdict.spam && tags.style.report_safe > 0 {
        true => wrapped(message, tags, &mut out),
        false => with_headers(message, tags, &mut out),
    }
    out
}

/// `report_safe` 1 and 2: a new message whose first part is the report and whose second is the original.
fn wrapped(message: &Message, tags: &Tags<'_>, out: &mut Vec<u8>) {
    let style = tags.style;
    let stamp = tags.stamp;
    let mut from = pristine(message, "From").pop();
    let mut to = pristine(message, "To").pop();
    let mut subject = pristine(message, "Subject").pop();

    if let Some(template) = &style.rewrite_subject {
        let mut text = subject.unwrap_or_else(|| b"\n".to_vec());
        if !tags.verdict.subject_prefix.is_empty() {
            let prefix = replace_byte(&tags.expand(tags.verdict.subject_prefix.as_bytes()), b'\n', b' ');
            text = [prefix, text].concat();
        }
        let tag = [&replace_byte(&tags.expand(template), b'\n', b' ')[..], b" "].concat();
        let rest = text.strip_prefix(&tag[..]).unwrap_or(&text);
        subject = Some([&tag[..], rest].concat());
    }
    if let Some(template) = &style.rewrite_to {
        let tag = replace_byte(&tags.expand(template), b'\n', b' ');
        to = Some(with_comment(to.as_deref().unwrap_or(b"\n"), &tag));
    }
    if let Some(template) = &style.rewrite_from {
        let mut tag = tags.expand(template);
        tag.retain(|&b| b != b'\n');
        from = Some(with_comment(from.as_deref().unwrap_or(b"\n"), &tag));
    }

    let mut head = Vec::new();
    let fields = [
        ("From", from),
        ("To", to),
        ("Cc", pristine(message, "Cc").pop()),
        ("Subject", subject),
        ("Date", pristine(message, "Date").pop()),
        ("Message-Id", pristine(message, "Message-Id").pop()),
    ];
    for (name, value) in &fields {
        if let Some(value) = value {
            push_field(&mut head, name, value);
        }
    }
    head.extend(tags.headers(&style.headers_spam));

    let mut done: Vec<String> = fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    for name in &style.report_safe_copy_headers {
        let lower = name.to_ascii_lowercase();
        if done.contains(&lower) {
            continue;
        }
        let mut copied = Vec::new();
        for value in pristine(message, name) {
            push_field(&mut copied, name, &value);
        }
        match lower == "received" {
            true => head = [copied, head].concat(),
            false => head.extend(copied),
        }
        done.push(lower);
    }

    let original = original(message);
    let boundary = boundary(&original, stamp.time, stamp.random);
    let charset = &style.report_charset;
    let mut report = tags.report();
    let media_type = message.headers().last("Content-Type").map(|h| h.decoded.to_ascii_lowercase());
    let disposition = match media_type {
        Some(value) if !value.is_empty() && !contains(&value, b"text/plain") => {
            report.extend(tags.expand(&style.unsafe_report_template));
            "attachment"
        }
        _ => "inline",
    };
    let inner_type = if style.report_safe > 1 { "text/plain" } else { "message/rfc822" };

    let mut text = format!(
        "Received: from localhost by {}\n\twith {} (version {});\n\t{}\n",
        stamp.host, stamp.product, stamp.product_version, stamp.date
    )
    .into_bytes();
    text.extend(head);
    text.extend_from_slice(
        format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n\
             This is a multi-part message in MIME format.\n\n--{boundary}\n\
             Content-Type: text/plain; charset={charset}\nContent-Disposition: inline\n\
             Content-Transfer-Encoding: 8bit\n\n"
        )
        .as_bytes(),
    );
    text.extend(report);
    text.extend_from_slice(
        format!(
            "\n\n--{boundary}\nContent-Type: {inner_type}; x-spam-type=original\n\
             Content-Description: {ORIGINAL_DESCRIPTION}\nContent-Disposition: {disposition}\n\
             Content-Transfer-Encoding: 8bit\n\n"
        )
        .as_bytes(),
    );
    let end = format!("\n--{boundary}--\n\n");
    out.extend(line_ends(&text, message.line_ending));
    out.extend(original);
    out.extend(line_ends(end.as_bytes(), message.line_ending));
}

/// `report_safe 0`, and all ham: old `X-Spam-*` fields out, ours in after `Return-Path`, the body untouched.
fn with_headers(message: &Message, tags: &Tags<'_>, out: &mut Vec<u8>) {
    let style = tags.style;
    let spam = tags.verdict.spam;
    let mut fields: Vec<Vec<u8>> = Vec::new();
    let mut dropping = false;
    for line in lines(message.pristine_header()) {
        let ours = starts_with(line, b"x-spam-") && !starts_with(line, b"x-spam-prev-");
        dropping = ours || (dropping && matches!(line.first(), Some(b' ' | b'\t')));
        if !dropping {
            fields.push(line.to_vec());
        }
    }
    let separator = match fields.last() {
        Some(last) if last.iter().all(|&b| super::is_space(b)) => fields.pop().unwrap_or_default(),
        _ => Vec::new(),
    };

    let created = style.rewrite_subject.is_some() && pristine(message, "Subject").is_empty();
    if created {
        fields.push(b"Subject: \n".to_vec());
    }
    let prefix = (!tags.verdict.subject_prefix.is_empty()).then(|| {
        let prefix = replace_byte(&tags.expand(tags.verdict.subject_prefix.as_bytes()), b'\n', b' ');
        super::trim_end(&prefix).to_vec()
    });
    let mut previous: Vec<Vec<u8>> = Vec::new();
    for field in &mut fields {
        let (template, comment) = if starts_with(field, b"subject:") {
            (&style.rewrite_subject, false)
        } else if spam && starts_with(field, b"from:") {
            (&style.rewrite_from, true)
        } else if spam && starts_with(field, b"to:") {
            (&style.rewrite_to, true)
        } else {
            continue;
        };
        let Some(template) = template else { continue };
        if spam {
            previous.push(match created {
                true => b"X-Spam-Prev-Subject: (nonexistent)\n".to_vec(),
                false => [b"X-Spam-Prev-", &field[..]].concat(),
            });
        }
        if let Some(prefix) = &prefix {
            put_before(field, prefix);
        }
        if spam {
            let mut tag = replace_byte(&tags.expand(template), b'\n', b' ');
            if comment {
                tag = [b"(", &tag[..], b")"].concat();
            }
            put_before(field, &tag);
        }
    }
    fields.extend(previous);

    let mut head = Vec::new();
    let mut fields = fields.into_iter().peekable();
    if fields.peek().is_some_and(|line| starts_with(line, b"return-path:")) {
        head.extend(fields.next().unwrap_or_default());
        while let Some(line) = fields.next_if(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
            head.extend(line);
        }
    }
    head.extend(tags.added_headers());
    fields.for_each(|line| head.extend(line));
    head.extend(separator);
    out.extend(line_ends(&head, message.line_ending));
    out.extend_from_slice(message.pristine_body());
}

/// The values of a field as they stand in the message, with folding and line end, topmost first.
pub(super) fn pristine(message: &Message, name: &str) -> Vec<Vec<u8>> {
    let header = message.pristine_header();
    let mut found = Vec::new();
    let mut at = 0;
    while at < header.len() {
        let line_end = memchr_from(header, at).unwrap_or(header.len());
        let value = starts_with(&header[at..], &name.to_ascii_lowercase().into_bytes())
            .then(|| at + name.len() + blanks(&header[at + name.len()..]))
            .filter(|&colon| header.get(colon) == Some(&b':'))
            .map(|colon| colon + 1 + blanks(&header[colon + 1..]));
        if let Some(start) = value {
            let mut end = start;
            while let Some(newline) = memchr_from(header, end) {
                end = newline + 1;
                if !matches!(header.get(end), Some(b' ' | b'\t')) {
                    found.push(header[start..end].to_vec());
                    break;
                }
            }
            at = end.max(line_end + 1);
        } else {
            at = line_end + 1;
        }
    }
    if found.is_empty() {
        found.extend(message.headers().last(name).map(|field| field.decoded.clone()));
    }
    found
}

fn memchr_from(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.iter().position(|&b| b == b'\n').map(|i| from + i)
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&b| b == b' ' || b == b'\t').count()
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
}

/// `Name: value` becomes `Name: TAG value`, unless the tag is there.
fn put_before(field: &mut Vec<u8>, tag: &[u8]) {
    let Some(colon) = field.iter().position(|&b| b == b':').filter(|&at| at > 0) else { return };
    let mut from = colon + 1 + blanks(&field[colon + 1..]);
    let rest = &field[from..];
    if rest.len() > tag.len() && rest[..tag.len()].eq_ignore_ascii_case(tag) && rest[tag.len()] == b' ' {
        from += tag.len() + 1;
    }
    *field = [&field[..=colon], b" ", tag, b" ", &field[from..]].concat();
}

/// `value` with `\t(TAG)` at its end, before the line feed.
fn with_comment(value: &[u8], tag: &[u8]) -> Vec<u8> {
    let comment = [b"\t(", tag, b")"].concat();
    let (text, end) = match value.strip_suffix(b"\n") {
        Some(text) => (text, &b"\n"[..]),
        None => (value, &b""[..]),
    };
    let text = text.strip_suffix(&comment[..]).unwrap_or(text);
    [text, &comment, end].concat()
}

/// The message as it came, without the mbox separator.
fn original(message: &Message) -> Vec<u8> {
    [message.pristine_header(), message.pristine_body()].concat()
}

/// A MIME boundary that no line of the original is.
fn boundary(original: &[u8], time: u32, random: u32) -> String {
    let mut boundary = format!("----------=_{time:08X}.{random:08X}");
    let mut next = random;
    let taken = |boundary: &str| {
        let open = format!("--{boundary}");
        lines(original).any(|line| {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = line.strip_suffix(b"--").unwrap_or(line);
            line == boundary.as_bytes() || line == open.as_bytes()
        })
    };
    while taken(&boundary) {
        next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        boundary.push_str(&format!("/{next:08X}"));
    }
    boundary
}

/// All line ends as the original had them.
pub(super) fn line_ends(text: &[u8], ending: LineEnding) -> Vec<u8> {
    if ending == LineEnding::Lf {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    for line in lines(text) {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// ASCII case ignored; `lower` is lower case.
pub(super) fn starts_with(bytes: &[u8], lower: &[u8]) -> bool {
    bytes.len() >= lower.len() && bytes[..lower.len()].eq_ignore_ascii_case(lower)
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_put_once() {
        for (field, expected) in [
            ("Subject: hi\n", "Subject: *SPAM* hi\n"),
            ("Subject:hi\n", "Subject: *SPAM* hi\n"),
            ("subject: *spam* hi\n", "subject: *SPAM* hi\n"),
            ("Subject:\n", "Subject: *SPAM* \n"),
        ] {
            let mut bytes = field.as_bytes().to_vec();
            put_before(&mut bytes, b"*SPAM*");
            assert_eq!(bytes, expected.as_bytes(), "{field:?}");
        }
    }

    #[test]
    fn a_comment_is_put_once() {
        assert_eq!(with_comment(b"a@b\n", b"SPAM"), b"a@b\t(SPAM)\n");
        assert_eq!(with_comment(b"a@b\t(SPAM)\n", b"SPAM"), b"a@b\t(SPAM)\n");
        assert_eq!(with_comment(b"a@b", b"SPAM"), b"a@b\t(SPAM)");
    }

    #[test]
    fn a_boundary_that_the_original_uses_is_made_longer() {
        let first = boundary(b"text\n", 1, 2);
        assert_eq!(first, "----------=_00000001.00000002");
        let longer = boundary(format!("{first}--\n").as_bytes(), 1, 2);
        assert!(longer.starts_with(&first) && longer.len() == first.len() + 9);
    }
}
