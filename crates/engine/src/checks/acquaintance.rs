//! Whether we have met: first contact, people we wrote to, answers to our own mail, bounces of mail that we never sent.
//!
//! Who met whom is remembered by whoever drives the scan; here it is only asked. Where nothing is remembered, or not yet for
//! long enough to mean anything, no check hits.

use crate::answers::{Acquaintance, Answer, Question};
use crate::check::{Arg, Context, Finding, Outcome, Pending};
use mail::mime::address;

/// Message-IDs that one bounce is asked about.
const QUOTED: usize = 5;
/// A Message-ID is no longer than a line.
const LONGEST: usize = 998;

fn known(cx: &Context<'_>, what: Acquaintance) -> Result<Option<bool>, Pending> {
    Ok(match cx.asking.get(Question::Acquaintance(what))? {
        Answer::Known(known) => Some(*known),
        _ => None,
    })
}

pub fn check_first_contact(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let what = match args.first().map(String::as_str) {
        None | Some("recipient" | "") => Acquaintance::Recipient,
        Some("site") => Acquaintance::Site,
        Some("domain") => Acquaintance::Domain,
        Some(_) => return Ok(Finding::NO),
    };
    Ok((known(cx, what)? == Some(false)).into())
}

pub fn check_pen_pal(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((known(cx, Acquaintance::PenPal)? == Some(true)).into())
}

pub fn check_answer_to_us(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((known(cx, Acquaintance::Answer)? == Some(true)).into())
}

pub fn check_backscatter(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    if !is_bounce(cx) {
        return Ok(Finding::NO);
    }
    let quoted = quoted(cx);
    if quoted.is_empty() {
        return Ok(Finding::NO);
    }
    let asked: Vec<_> = quoted.into_iter().map(|(id, author)| known(cx, Acquaintance::Ours { id, author })).collect();
    let mut all = true;
    for answer in asked {
        all &= answer? == Some(false);
    }
    Ok(all.into())
}

/// From the null sender.
fn is_bounce(cx: &Context<'_>) -> bool {
    match &cx.transaction.envelope.sender {
        Some(sender) => sender.is_empty(),
        None => {
            let path = cx.views.message.headers().last("return-path");
            path.is_some_and(|field| field.decoded.trim_ascii() == b"<>")
        }
    }
}

/// Message-IDs and authors of the messages that it gives back, from parts that hold such a message or its header.
fn quoted(cx: &Context<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |one: Option<(String, String)>| {
        if let Some(one) = one
            && found.len() < QUOTED
            && !found.contains(&one)
        {
            found.push(one);
        }
    };
    let message = cx.views.message;
    for part in &message.parts {
        let kind = part.media_type.as_str();
        if let ("message/rfc822" | "message/global", [child, ..]) = (kind, &part.children[..]) {
            add(of_block(&message.part(*child).headers));
        } else if kind.starts_with("message/") || kind == "text/rfc822-headers" {
            add(of_header(part.decoded()));
        } else if kind.starts_with("text/plain") {
            // qmail and its like quote in the text.
            let text = part.decoded();
            for start in memchr::memmem::find_iter(text, b"Message-I").take(QUOTED) {
                let from = text[..start].windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |at| at + 2);
                let from =
                    text[..start].windows(3).rposition(|pair| pair == b"\n\r\n").map_or(from, |at| (at + 3).max(from));
                add(of_header(&text[from..]));
            }
        }
    }
    found
}

fn of_block(headers: &mail::HeaderBlock) -> Option<(String, String)> {
    let id = headers.last("message-id").and_then(|field| id(&field.raw))?;
    Some((id, address_in(&headers.last("from")?.raw)?))
}

fn id(value: &[u8]) -> Option<String> {
    message_ids(value).into_iter().next()
}

/// What stands between angle brackets, as who remembers our own mail and who looks for it read it alike. Not every program
/// writes an `@` into it.
pub fn message_ids(field: &[u8]) -> Vec<String> {
    let parts = field.split(|byte| *byte == b'<').skip(1);
    let ids = parts.filter_map(|part| part.iter().position(|byte| *byte == b'>').map(|end| &part[..end]));
    ids.filter(|id| id.len() <= LONGEST)
        .map(|id| String::from_utf8_lossy(id).chars().filter(|c| !c.is_whitespace()).collect::<String>())
        .filter(|id| id.len() >= 3)
        .collect()
}

fn address_in(value: &[u8]) -> Option<String> {
    let address = address::parse(value).into_iter().find_map(|found| found.address)?;
    Some(String::from_utf8_lossy(&address).to_lowercase())
}

/// `Message-ID` and the address in `From` of a header.
fn of_header(text: &[u8]) -> Option<(String, String)> {
    let (mut found_id, mut author) = (None, None);
    let mut field: Vec<u8> = Vec::new();
    let mut take = |field: &[u8]| {
        let Some(colon) = field.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (field[..colon].trim_ascii().to_ascii_lowercase(), &field[colon + 1..]);
        match &name[..] {
            b"message-id" if found_id.is_none() => found_id = id(value),
            b"from" if author.is_none() => author = address_in(value),
            _ => {}
        }
    };
    for line in text.split(|byte| *byte == b'\n').take(500) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => break,
            Some(b' ' | b'\t') => field.extend_from_slice(line),
            Some(_) => {
                take(&field);
                field = line.to_vec();
            }
        }
    }
    take(&field);
    Some((found_id?, author?))
}

/// For those who answer: the author's address, in lower case. Taken from the raw value: what is encoded is no address.
pub fn author(views: &mail::views::Views<'_>) -> Option<String> {
    let field = views.message.headers().last("from")?;
    let mut found = address::parse(&field.raw);
    let only = found.pop().filter(|_| found.is_empty())?;
    let address = String::from_utf8_lossy(&only.address?).to_lowercase();
    address.contains('@').then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_messages() {
        let of = |text: &str| message_ids(text.as_bytes());
        assert_eq!(of(" <a@b.example>\n <c\n @d> junk <no-at> <> <e@f"), ["a@b.example", "c@d", "no-at"]);
        assert!(of(&"<".repeat(5_000)).is_empty());
        assert!(of(&format!("<{}>", "x".repeat(999))).is_empty());
    }

    #[test]
    fn a_returned_header_is_read() {
        let header = b"Received: x\r\nFROM: Ann\r\n <Ann@example.jp>\r\nMessage-Id:\r\n <1@x>\r\n\r\nFrom: b@c\r\n";
        assert_eq!(of_header(header), Some(("1@x".into(), "ann@example.jp".into())));
        assert_eq!(of_header(b"Message-ID: <1@x>\n\nbody"), None);
        assert_eq!(of_header(b""), None);
    }

    #[test]
    fn an_encoded_name_is_no_address() {
        let text =
            b"From: =?utf-8?q?=3Ca=40evil.example=3E?=\r\n <Ceo@victim.example>\r\nMessage-ID: <1@x>\r\n\r\nx\r\n";
        let message = mail::Message::parse(text, &mail::Limits::default());
        let config = mail::views::ViewConfig::default();
        let views = mail::views::Views::new(&message, &config);
        assert_eq!(author(&views).as_deref(), Some("ceo@victim.example"));
        assert_eq!(of_block(message.headers()), Some(("1@x".into(), "ceo@victim.example".into())));
    }
}
