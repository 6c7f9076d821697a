//! What all checks that ask DNS share: which names may be asked for, how addresses are turned around, how answers are
//! compared.
//!
//! In: a name that a rule puts together from what strangers wrote. Out: a [`Question`] only where the name is one that
//! DNS can hold and no `dns_query_restriction` forbids it; else nothing is asked and the check does not hit.

use super::argument_pattern;
use crate::answers::{Answer, Question, Record};
use crate::check::{Context, Pending};
use mail::tld;
use std::net::{IpAddr, Ipv4Addr};

/// Bytes of a name in text, without the last dot.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// The question, where it may be asked.
pub fn question(cx: &Context<'_>, name: &[u8], record: Record) -> Option<Question> {
    if !cx.network || cx.settings.dns_available == "no" {
        return None;
    }
    let end = name.iter().rposition(|&b| b != b'.')? + 1;
    let ascii = tld::idn_to_ascii(&name[..end]);
    let name = std::str::from_utf8(&ascii).ok()?.to_ascii_lowercase();
    let sound = |label: &str| (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic());
    (name.len() <= LONGEST_NAME && name.split('.').all(sound) && !is_restricted(cx, &name))
        .then_some(Question::Dns { name, record })
}

/// The domain itself, then those above it, then `*`: the first that `dns_query_restriction` names decides.
fn is_restricted(cx: &Context<'_>, name: &str) -> bool {
    let restrictions = &cx.settings.dns_query_restriction;
    if restrictions.is_empty() {
        return false;
    }
    let mut rest = Some(name);
    while let Some(domain) = rest {
        if let Some(denied) = restrictions.get(domain) {
            return *denied;
        }
        rest = domain.split_once('.').map(|(_, above)| above);
    }
    restrictions.get("*").copied().unwrap_or(false)
}

/// The answers to all of them, or [`Pending`] with every open one noted, so that they are asked together.
pub fn answers<'a, Q: IntoIterator<Item = Question>>(
    cx: &Context<'a>,
    questions: Q,
) -> Result<Vec<(Question, &'a Answer)>, Pending> {
    let asked: Vec<_> = questions.into_iter().map(|question| (cx.asking.get(question.clone()), question)).collect();
    asked.into_iter().map(|(answer, question)| Ok((question, answer?))).collect()
}

pub fn name_of(question: &Question) -> &str {
    match question {
        Question::Dns { name, .. } | Question::Beyond { name, .. } => name,
        Question::SpamProbability
        | Question::Authentication(_)
        | Question::Digest(_)
        | Question::Reputation { .. }
        | Question::Acquaintance(_)
        | Question::Mention { .. } => "",
    }
}

/// `4.3.2.1` for 1.2.3.4, nibbles for IPv6.
pub fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

/// As `uri*sub` and `askdns` compare an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subtest {
    /// The text itself.
    Text(String),
    /// A regular expression, as written with its delimiters.
    Regex(String),
    /// Response codes.
    Codes(Vec<u16>),
    /// Some of the bits, in 127/8.
    Bits(u32),
    Range(u32, u32),
    /// The bits of the mask are those of the value.
    Masked {
        value: u32,
        mask: u32,
    },
    /// Cannot be understood: nothing is like it.
    Nothing,
}

impl Subtest {
    /// `2`, `0x2`, `127.0.0.2`, `127.0.0.2-127.0.0.9`, `127.0.0.2/255.0.0.255`.
    pub fn number(text: &str) -> Subtest {
        let number = |text: &str| -> Option<(u32, bool)> {
            if !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit()) {
                return text.parse().ok().map(|number| (number, false));
            }
            if let Some(digits) = text.strip_prefix("0x") {
                return u32::from_str_radix(digits, 16).ok().map(|number| (number, false));
            }
            text.parse::<Ipv4Addr>().ok().map(|address| (address.to_bits(), true))
        };
        let parsed = match text.find(['/', '-']) {
            None => number(text).map(|(n, quad)| if quad { Subtest::Range(n, n) } else { Subtest::Bits(n) }),
            Some(at) => {
                let (first, second) = (number(&text[..at]), number(&text[at + 1..]));
                first.zip(second).map(|((n, _), (m, _))| match text.as_bytes()[at] {
                    b'-' => Subtest::Range(n, m),
                    _ => Subtest::Masked { value: n, mask: m },
                })
            }
        };
        parsed.unwrap_or(Subtest::Nothing)
    }

    /// As [`Subtest::number`], and `/regex/`, `"text"`, `[NXDOMAIN,2]`.
    pub fn of_askdns(text: &str) -> Subtest {
        let quoted = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if text.len() > 2 && (text.starts_with('/') || is_m_regex(text)) {
            return Subtest::Regex(text.to_owned());
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let codes: Option<Vec<u16>> = inner.split(',').map(|code| response_code(code.trim())).collect();
            return codes.map_or(Subtest::Nothing, Subtest::Codes);
        }
        match quoted('"').or_else(|| quoted('\'')) {
            Some(inner) if text.len() >= 2 => Subtest::Text(inner.to_owned()),
            _ => Subtest::number(text),
        }
    }

    /// Whether a record is like it. Response codes are no record's.
    pub fn matches(&self, data: &str) -> bool {
        let address = || data.parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
        match self {
            Subtest::Text(text) => data == text,
            Subtest::Regex(regex) => argument_pattern::is_match_delimited(regex, data.as_bytes()).unwrap_or(false),
            Subtest::Codes(_) | Subtest::Nothing => false,
            // An answer in a TXT record may be the number itself.
            Subtest::Bits(bits) => {
                data == bits.to_string() || address().is_some_and(|n| n & bits != 0 && n >> 24 == 127)
            }
            Subtest::Range(first, last) => address().is_some_and(|n| (*first..=*last).contains(&n)),
            Subtest::Masked { value, mask } => address().is_some_and(|n| n & mask == value & mask),
        }
    }
}

/// `m{...}i` and the like.
fn is_m_regex(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next() == Some('m') && letters.next().is_some_and(|c| !c.is_alphanumeric() && c != '_' && c.is_ascii())
}

/// By name or number.
fn response_code(text: &str) -> Option<u16> {
    const CODES: &[(&str, u16)] = &[
        ("NOERROR", 0),
        ("FORMERR", 1),
        ("SERVFAIL", 2),
        ("NXDOMAIN", 3),
        ("NOTIMP", 4),
        ("REFUSED", 5),
        ("YXDOMAIN", 6),
        ("YXRRSET", 7),
        ("NXRRSET", 8),
        ("NOTAUTH", 9),
        ("NOTZONE", 10),
        ("BADVERS", 16),
    ];
    let named = CODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, code)| *code);
    named.or_else(|| text.parse().ok())
}

/// The response code that an answer stands for.
pub fn code_of(answer: &Answer) -> Option<u16> {
    match answer {
        Answer::Records(_) | Answer::Texts(_) => Some(0),
        Answer::NoSuchName => Some(3),
        Answer::Failed(code) => Some(*code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_turned_around() {
        assert_eq!(reversed("192.0.2.1".parse().unwrap()), "1.2.0.192");
        let nibbles = reversed("2001:db8::1".parse().unwrap());
        assert!(nibbles.starts_with("1.0.0.0.") && nibbles.ends_with(".8.b.d.0.1.0.0.2"), "{nibbles}");
        assert_eq!(nibbles.len(), 63);
    }

    #[test]
    fn subtests() {
        for (subtest, data, expected) in [
            ("2", "127.0.0.2", true),
            ("2", "127.0.0.3", true),
            ("2", "127.0.0.4", false),
            ("2", "10.0.0.2", false),
            ("0x2", "127.0.0.2", true),
            ("127.0.0.2", "127.0.0.2", true),
            ("127.0.0.2", "127.0.0.3", false),
            ("127.0.1.2-127.0.1.9", "127.0.1.5", true),
            ("127.0.1.2-127.0.1.9", "127.0.1.10", false),
            ("127.0.0.2/255.0.0.255", "127.9.9.2", true),
            ("127.0.0.2/255.0.0.255", "127.9.9.3", false),
            ("/^127\\.0\\.[01]/", "127.0.1.9", true),
            ("m{^v=SPF1}i", "v=spf1 -all", true),
            ("\"exact\"", "exact", true),
            ("'exact'", "exactly", false),
            ("nonsense", "nonsense", false),
            ("[NXDOMAIN]", "127.0.0.2", false),
        ] {
            assert_eq!(Subtest::of_askdns(subtest).matches(data), expected, "{subtest} {data}");
        }
        assert_eq!(Subtest::of_askdns("[NXDOMAIN, 2]"), Subtest::Codes(vec![3, 2]));
        assert_eq!(Subtest::of_askdns("[WHAT]"), Subtest::Nothing);
    }
}
