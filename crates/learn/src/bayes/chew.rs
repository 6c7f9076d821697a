//! Fields of the header, made ready for SpamAssassin's tokenizer: which are left out, what is put in place of a value.
//!
//! Facts of SpamAssassin 4.0's Bayes plugin: names of fields that say nothing, parts of values that differ in every message.

use mail::mime::address;
use regex::bytes::{Captures, Regex, RegexBuilder};
use std::ops::ControlFlow;
use std::sync::LazyLock;

/// No host's name is longer, or has more labels; what is, is none, and is not taken apart: its pieces would be as many as it
/// has dots, each as long as what is left of it.
const LONGEST_HOST: usize = 253;
const MOST_LABELS: usize = 127;

fn pattern(text: &str) -> Regex {
    RegexBuilder::new(text).unicode(false).build().expect("a pattern of this file")
}

/// Names, in lower case, of fields that are never looked at. Received stands apart.
pub fn is_ignored(name: &[u8]) -> bool {
    static IGNORED: LazyLock<Regex> = LazyLock::new(|| {
        let names = [
            // The envelope, and what relays and lists add.
            "(x-)?sender|delivered-to|delivery-date|(x-)?envelope-to|subject|date",
            "x-mime-autoconverted|x-converted-to-plain-text",
            "x-list|(x-)?mailing-list|x-unsub(scribe)?|x-mailman-version|x-beenthere|x-loop|mail-followup-to",
            "(x-)?list-(archive|help|id|owner|post|subscribe|unsubscribe|host|manager|admin|comment|name|url)",
            "x-egroups-(return|from)|x-mdmailing-list|x-xemacs-list|x-sympa-to",
            "(x-)?(resent|original)-(from|to|date)",
            // Filters.
            "x-mailscanner(-spamcheck)?|x-spam(-(status|level|flag|report|hits|score|checker-version))?",
            "x-antispam|x-rbl-warning|x-mdaemon-deliver-to|x-virus-scanned|x-mass-check-id|x-pyzor",
            r"x-dcc-[^ \t\n\r\x0c\x0b]{2,25}-metrics|x-filtered-by|x-scanned-by|x-scanner",
            "x-ap-spam-(score|status)|x-ripe-spam-status|x-spamcop-[^:]+|x-smtpd|(x-)?spam-apparently-to|spam",
            "x-perlmx-spam|x-bogosity",
            // Mail programs and mailboxes.
            "content-class|thread-(index|topic)|x-originalarrivaltime|(x-)?status|x-flags|x-keywords|replied|forwarded",
            "lines|content-length|x-uidl?|x-imapbase|x-bugzilla-[^:]+|x-gnus-mail-source|xref",
            "x-vm-(bookmark|(pop|imap)-retrieved|labels|last-modified|summary-format|vheader|v[0-9]-data|message-order)",
        ];
        pattern(&format!("(?i)^(?:{})$", names.join("|")))
    });
    IGNORED.is_match(name)
}

/// The name under which the tokens of a field go.
pub fn short_name(name: &[u8]) -> &[u8] {
    match name {
        b"Message-Id" => b"*m",
        b"Message-ID" => b"*M",
        b"Received" => b"*r",
        b"User-Agent" => b"*u",
        b"References" => b"*f",
        b"In-Reply-To" => b"*i",
        b"From" => b"*F",
        b"Reply-To" => b"*R",
        b"Return-Path" => b"*p",
        b"Return-path" => b"*rp",
        b"X-Mailer" => b"*x",
        b"X-Authentication-Warning" => b"*a",
        b"Organization" | b"Organisation" => b"*o",
        b"Content-Type" => b"*ct",
        b"Content-Disposition" => b"*cd",
        b"Content-Transfer-Encoding" => b"*ce",
        b"x-spam-relays-trusted" => b"*RT",
        b"x-spam-relays-untrusted" => b"*RU",
        other => other,
    }
}

/// Fields that are looked at a second time, together with their like.
pub fn common_name(name: &[u8]) -> Option<&'static [u8]> {
    let is = |names: &[&str]| names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
    if is(&["In-Reply-To", "References", "Message-ID"]) {
        Some(b"*MI")
    } else if is(&["From", "To", "Cc"]) {
        Some(b"*Ad")
    } else if is(&["X-Mailer", "User-Agent"]) {
        Some(b"*UA")
    } else {
        None
    }
}

/// What is tokenized of a value, in one piece or several. Some of the names count in any case, some only as they are mostly
/// written.
pub fn each(name: &[u8], value: &[u8], mut found: impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
    const ADDRESSES: [&[u8]; 8] =
        [b"return-path", b"from", b"to", b"cc", b"reply-to", b"errors-to", b"mail-followup-to", b"sender"];
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_prefix(b"x-").or_else(|| lower.strip_prefix(b"resent-")).unwrap_or(&lower);
    if ADDRESSES.contains(&plain) {
        return addresses(value, found);
    }
    found(&one(name, &lower, plain, value))
}

fn one(name: &[u8], lower: &[u8], plain: &[u8], value: &[u8]) -> Vec<u8> {
    if plain == b"message-id" {
        message_id(value)
    } else if name == b"Received" {
        received(value)
    } else if name == b"Content-Type" {
        content_type(value)
    } else if name == b"MIME-Version" {
        let at = memchr::memmem::find(value, b"1.0");
        at.map_or_else(|| value.to_vec(), |at| [&value[..at], &value[at + 3..]].concat())
    } else if has_only_presence(lower) {
        b"1".to_vec()
    } else if [&b"external"[..], b"internal", b"trusted", b"untrusted"]
        .iter()
        .any(|kind| name.strip_prefix(b"x-spam-relays-") == Some(kind))
    {
        static LABELS: LazyLock<Regex> = LazyLock::new(|| pattern(" [a-z]+="));
        LABELS.replace_all(value, &b" "[..]).into_owned()
    } else {
        value.to_vec()
    }
}

/// Signatures and pictures differ in every message.
fn has_only_presence(name: &[u8]) -> bool {
    static NAMES: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            "^(?:x-face|x-(?:gnu-?pg|pgp|gpg)(?:-key)?-fingerprint|d(?:kim|omainkey)-signature|x-google-dkim-signature\
             |arc-(?:message-signature|seal)|autocrypt)$",
        )
    });
    NAMES.is_match(name)
}

/// Outlook Express's ids are taken apart, what Exim and Sendmail count up is dropped, the rest falls into words.
fn message_id(value: &[u8]) -> Vec<u8> {
    static OUTLOOK: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"<([0-9a-f]{4})[0-9a-f]{8}\$([0-9a-f]{4})[0-9a-f]{4}\$([0-9a-f]{8})@([^ \t\n\r\x0c\x0b]+)>")
    });
    static EXIM: LazyLock<Regex> = LazyLock::new(|| pattern("<[A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]@"));
    static SENDMAIL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"<20[0-9][0-9][01][0-9][0123][0-9][012][0-9][012345][0-9][012345][0-9]\.[A-F0-9]{10,12}@")
    });
    let value = OUTLOOK.replace_all(value, &b" OEA$1 OEB$2 OEC$3 $4 "[..]);
    let value = EXIM.replace(&value, &b""[..]);
    let mut value = SENDMAIL.replace_all(&value, &b""[..]).into_owned();
    value.iter_mut().filter(|byte| !(byte.is_ascii_alphanumeric() || **byte == b'_')).for_each(|byte| *byte = b' ');
    value
}

/// Queue ids and dates are dropped; an IPv4 address becomes its /24 and itself.
fn received(value: &[u8]) -> Vec<u8> {
    static STEPS: LazyLock<[Regex; 5]> = LazyLock::new(|| {
        [
            pattern(r"[\s\x0b]with[\s\x0b]SMTP[\s\x0b]id[\s\x0b]g[\dA-Z]{10,12}[\s\x0b]"),
            pattern(r"[\s\x0b]with[\s\x0b]ESMTP[\s\x0b]id[\s\x0b][\dA-F]{10,12}[\s\x0b]"),
            pattern(r"\bid[\s\x0b][a-zA-Z0-9]{7,20}\b"),
            pattern(r"\bid[\s\x0b][A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]"),
            pattern(concat!(
                r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),[\s\x0b])?[0-3\s\x0b]?[0-9][\s\x0b]",
                r"(?:Jan|Feb|Ma[ry]|Apr|Ju[nl]|Aug|Sep|Oct|Nov|Dec)[\s\x0b](?:19|20)?[0-9]{2}[\s\x0b]",
                r"[0-2][0-9](?::[0-5][0-9]){1,2}[\s\x0b]",
                r"(?:[\s\x0b]*\(|\)|[\s\x0b]*(?:[+-][0-9]{4})|[\s\x0b]*(?:UT|[A-Z]{2,3}T))*",
            )),
        ]
    });
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}\b"));
    static COMMON: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:with|from|for|SMTP|ESMTP)\b"));
    let mut value = value.to_vec();
    for (step, with) in STEPS.iter().zip([&b" "[..], b" ", b" ", b" ", b""]) {
        value = step.replace_all(&value, with).into_owned();
    }
    let value = ADDRESS.replace_all(&value, &b"$1 ip*$0 "[..]);
    COMMON.replace_all(&value, &b" "[..]).into_owned()
}

/// A boundary's digits become one letter, so that its pattern remains.
fn content_type(value: &[u8]) -> Vec<u8> {
    static BOUNDARY: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)boundary=["'](.*?)["']"#));
    static COMMON: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:text|charset)\b"));
    static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"([-_.=]+)"));
    let mut boundary = Vec::new();
    let mut value = BOUNDARY
        .replace_all(value, |found: &Captures<'_>| {
            boundary = found[1].to_vec();
            b" ".to_vec()
        })
        .into_owned();
    boundary.iter_mut().filter(|byte| byte.is_ascii_hexdigit()).for_each(|byte| *byte = b'H');
    value.extend_from_slice(&MARKS.replace_all(&boundary, &b" $1 "[..]));
    COMMON.replace_all(&value, &b" "[..]).into_owned()
}

/// Words of the names, and the addresses in pieces, one by one: together they are much longer than the value.
fn addresses(value: &[u8], mut found: impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
    for entry in address::parse(value) {
        if let Some(phrase) = entry.phrase {
            let words = phrase.split(|byte| byte.is_ascii_whitespace() || *byte == 0x0b);
            for word in words.filter(|word| !word.is_empty()) {
                found(&[b"N*", word].concat())?;
            }
        }
        if let Some(address) = entry.address {
            address_pieces(&address, &mut found)?;
        }
    }
    ControlFlow::Continue(())
}

/// User, host, and each domain above the host.
pub fn address_pieces(address: &[u8], mut found: impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
    let sign = memchr::memrchr(b'@', &address[..address.len().saturating_sub(1)]).filter(|sign| *sign > 0);
    let Some(sign) = sign.filter(|sign| may_be_host(&address[sign + 1..])) else { return ControlFlow::Continue(()) };
    found(&[b"U*", &address[..sign]].concat())?;
    hosts(&address[sign + 1..], |host| found(&[b"D*", host].concat()))
}

/// A host and what stands above it.
pub fn hosts(host: &[u8], mut found: impl FnMut(&[u8]) -> ControlFlow<()>) -> ControlFlow<()> {
    let mut host = Some(host).filter(|host| may_be_host(host));
    while let Some(name) = host {
        found(name)?;
        host = above(name);
    }
    ControlFlow::Continue(())
}

fn may_be_host(name: &[u8]) -> bool {
    name.len() <= LONGEST_HOST && name.iter().filter(|byte| **byte == b'.').count() < MOST_LABELS
}

/// What is left without the first label and its dot.
fn above(host: &[u8]) -> Option<&[u8]> {
    let dot = memchr::memchr(b'.', host).filter(|dot| *dot > 0)?;
    Some(&host[dot + 1..]).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> String {
        let mut out = Vec::new();
        let all = each(name.as_bytes(), text.as_bytes(), |piece| {
            out.extend(String::from_utf8_lossy(piece).split_whitespace().map(str::to_owned));
            ControlFlow::Continue(())
        });
        assert!(all.is_continue());
        out.join(" ")
    }

    #[test]
    fn fields_that_say_nothing() {
        for name in
            ["Date", "subject", "X-List", "List-Id", "X-UID", "X-UIDL", "X-Spam", "X-Spam-Level", "X-DCC-ab-Metrics"]
        {
            assert!(is_ignored(name.as_bytes()), "{name}");
        }
        for name in ["From", "X-Spam-Prev", "X-Date", "List", "Received", "X-Priority", "X-DCC-a-Metrics"] {
            assert!(!is_ignored(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(of("From", " \"A B\" <c@d.e.example>"), "N*A N*B U*c D*d.e.example D*e.example D*example");
        assert_eq!(of("Message-Id", " <000a01c0$12345678$9abcdef0@host>"), "000a01c0 12345678 9abcdef0 host");
        assert_eq!(of("Message-ID", " <000a01c01234$12345678$9abcdef0@host>"), "OEA000a OEB1234 OEC9abcdef0 host");
        assert_eq!(of("Message-ID", " <E1abcde-000123-0A@host.example>"), "host example");
        assert_eq!(
            of(
                "Received",
                " from a ([192.0.2.7]) by b with ESMTP id 0123456789AB for <c@d>; Mon, 1 Jan 2024 10:00:00 +0900 (JST)"
            ),
            "a ([192.0.2 ip*192.0.2.7 ]) by b <c@d>;"
        );
        assert_eq!(of("received", " from a"), "from a");
        assert_eq!(of("Content-Type", " text/plain; charset=x; boundary=\"--=_a1\""), "/plain; =x; --=_ HH");
        assert_eq!(of("MIME-Version", " 1.0"), "");
        assert_eq!(of("DKIM-Signature", " v=1; b=abc"), "1");
        assert_eq!(of("x-spam-relays-untrusted", " [ ip=192.0.2.1 rdns= helo=x ]"), "[ 192.0.2.1 x ]");
    }

    #[test]
    fn what_is_no_host_has_no_pieces() {
        let long = format!(" a@{}example, b@c.example", "b.".repeat(4_000));
        assert_eq!(of("To", &long), "U*b D*c.example D*example");
        let longest = format!("{}example", "b.".repeat(123));
        assert_eq!(longest.len(), 253);
        assert_eq!(of("To", &format!(" a@{longest}")).split(' ').count(), 1 + 124);
        assert_eq!(of("To", &format!(" a@b{longest}")), "");
        // Whoever has enough says so.
        let mut count = 0;
        let stopped = each(b"To", format!("a@{longest}").as_bytes(), |_| {
            count += 1;
            if count < 10 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        assert!(stopped.is_break() && count == 10);
    }
}
