//! `_TAGS_` in templates: what `add_header`, `report` and `rewrite_header` may name.

use super::report::{perl_number, report_lines, summary};
use super::wrap::{Wrapping, wrap};
use super::{Stamp, Style, header, is_space, trim_start};
use mail::Verdict;
use mail::received::Relay;
use mail::views::{HeaderRequest, Views};
use std::net::IpAddr;

/// Everything a template may speak of.
#[derive(Clone, Copy)]
pub struct Tags<'a> {
    pub style: &'a Style,
    pub stamp: &'a Stamp,
    pub verdict: &'a Verdict,
    pub views: &'a Views<'a>,
}

/// Tags that exist in SpamAssassin even when nothing set them; they expand to nothing.
const EMPTY: &[&str] = &[
    "ASN",
    "ASNCIDR",
    "AWL",
    "AWLCOUNT",
    "AWLMEAN",
    "AWLPRESCORE",
    "BAYESTC",
    "BAYESTCHAMMY",
    "BAYESTCLEARNED",
    "BAYESTCSPAMMY",
    "DCCB",
    "DCCR",
    "DCCREP",
    "DKIMDOMAIN",
    "DKIMIDENTITY",
    "DKIMSELECTOR",
    "EXTRACTTEXTCHARS",
    "EXTRACTTEXTEXTENSIONS",
    "EXTRACTTEXTFLAGS",
    "EXTRACTTEXTTOOLS",
    "EXTRACTTEXTTYPES",
    "EXTRACTTEXTURIS",
    "EXTRACTTEXTWORDS",
    "HAMMYTOKENS",
    "LANGUAGES",
    "PYZOR",
    "RBL",
    "SPAMMYTOKENS",
    "TOKENSUMMARY",
];

impl Tags<'_> {
    /// The template with its tags replaced; what looks like a tag and is none stays.
    pub fn expand(&self, template: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(template.len() * 2);
        let mut at = 0;
        while let Some(found) = memchr(b'_', &template[at..]) {
            let start = at + found;
            out.extend_from_slice(&template[at..start]);
            let value = tag_end(template, start).and_then(|end| {
                let tag = std::str::from_utf8(&template[start + 1..end]).ok()?;
                Some((end, self.value(tag)))
            });
            match value {
                Some((end, Some(value))) => {
                    out.extend_from_slice(&value);
                    at = end + 1;
                }
                Some((end, None)) => {
                    out.extend_from_slice(&template[start..=end]);
                    at = end + 1;
                }
                None => {
                    out.push(b'_');
                    at = start + 1;
                }
            }
        }
        out.extend_from_slice(&template[at..]);
        out
    }

    /// All `add_header` lines for this verdict, ready to stand in a message.
    pub fn added_headers(&self) -> Vec<u8> {
        self.headers(if self.verdict.spam { &self.style.headers_spam } else { &self.style.headers_ham })
    }

    pub(super) fn headers(&self, headers: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, template) in headers {
            let body = header::fold(name, &self.expand(template), self.style.fold_headers);
            out.extend_from_slice(format!("X-Spam-{name}: ").as_bytes());
            out.extend(header::encode(&body));
            out.push(b'\n');
        }
        out
    }

    /// The report template filled in, ending in one empty line.
    pub fn report(&self) -> Vec<u8> {
        let template = match self.style.report_template.is_empty() {
            true => b"(no report template found)",
            false => &self.style.report_template[..],
        };
        let mut report = self.expand(template);
        let end = report.iter().rposition(|&b| b != b'\n').map_or(0, |i| i + 1);
        report.truncate(end);
        report.extend_from_slice(b"\n\n");
        report
    }

    /// A tag's value; `None` where there is no such tag. `ADDEDHEADER*` is none in templates: a header that holds all
    /// headers would hold itself.
    fn value(&self, tag: &str) -> Option<Vec<u8>> {
        let (name, argument) = match tag.strip_suffix(')').and_then(|open| open.split_once('(')) {
            Some((name, argument)) => (name, Some(argument)),
            None => (tag, None),
        };
        let verdict = self.verdict;
        let separator = argument.filter(|a| !a.is_empty() && *a != "0").unwrap_or(",");
        let text = match name {
            "YESNO" => self.yes_no(argument),
            "YESNOCAPS" => self.yes_no(argument).to_ascii_uppercase(),
            "SCORE" | "HITS" => self.score(argument),
            "REQD" => format!("{:2.1}", verdict.required),
            "VERSION" => self.stamp.version.clone(),
            "SUBVERSION" => self.stamp.subversion.clone(),
            "RULESVERSION" => self.style.rules_version.clone(),
            "HOSTNAME" => {
                let host = self.style.report_hostname.clone().filter(|host| !host.is_empty());
                return Some(host.unwrap_or_else(|| self.stamp.host.clone().into_bytes()));
            }
            "REMOTEHOSTNAME" => "localhost".into(),
            "REMOTEHOSTADDR" => "127.0.0.1".into(),
            "FIRSTTRUSTEDIP" => return Some(relay(self.views.relays().trusted.last(), |r| r.ip_text.clone())),
            "FIRSTTRUSTEDREVIP" => return Some(relay(self.views.relays().trusted.last(), reversed)),
            "LASTEXTERNALIP" => return Some(relay(self.views.relays().external.first(), |r| r.ip_text.clone())),
            "LASTEXTERNALREVIP" => return Some(relay(self.views.relays().external.first(), reversed)),
            "LASTEXTERNALRDNS" => return Some(relay(self.views.relays().external.first(), |r| r.rdns.clone())),
            "LASTEXTERNALHELO" => return Some(relay(self.views.relays().external.first(), |r| r.helo.clone())),
            "CONTACTADDRESS" => return Some(self.style.report_contact.clone()),
            "BAYES" if !verdict.tags.iter().any(|(tag, _)| tag == "BAYES") => "0.5".into(),
            "DATE" => self.stamp.date.clone(),
            "STARS" => {
                let star = argument.filter(|a| !a.is_empty() && *a != "0").unwrap_or("*");
                star.repeat((verdict.score.trunc() as i64).clamp(0, 50) as usize)
            }
            "AUTOLEARN" => match self.style.learns {
                true => "unavailable".into(),
                false => "disabled".into(),
            },
            "AUTOLEARNSCORE" => perl_number(verdict.autolearn_points),
            "TESTS" => or_none(join(self.names(|hit| hit.rule.clone()), separator)),
            "TESTSSCORES" => {
                or_none(join(self.names(|hit| format!("{}={}", hit.rule, perl_number(hit.score))), separator))
            }
            "SUBTESTS" => {
                let names =
                    verdict.subtests.iter().flat_map(|(name, n)| std::iter::repeat_n(name.clone(), *n as usize));
                or_none(join(names, separator))
            }
            "SUBTESTSCOLLAPSED" => {
                let names = verdict.subtests.iter().map(|(name, n)| match n {
                    0 | 1 => name.clone(),
                    n => format!("{name}({n})"),
                });
                or_none(join(names, separator))
            }
            "PREVIEW" => return Some(self.preview()),
            "REPORT" => return Some([b"\n", &report_lines(&verdict.hits, self.style.report_wrap_width)[..]].concat()),
            "SUMMARY" => return Some(summary(&verdict.hits, self.style.report_wrap_width)),
            "SUBJPREFIX" => verdict.subject_prefix.clone(),
            "HEADER" => return Some(self.header(argument.unwrap_or(""))),
            "TIMING" => String::new(),
            "SC" if self.style.knows_shortcircuit => match &verdict.shortcircuit {
                Some(cut) if !cut.rule.is_empty() => format!("{} ({})", cut.rule, cut.kind),
                _ => "no".into(),
            },
            "SCRULE" if self.style.knows_shortcircuit => match &verdict.shortcircuit {
                Some(cut) if !cut.rule.is_empty() => cut.rule.clone(),
                _ => "none".into(),
            },
            "SCTYPE" if self.style.knows_shortcircuit => {
                verdict.shortcircuit.as_ref().map_or_else(|| "no".into(), |cut| cut.kind.to_string())
            }
            "RELAYSTRUSTED" => return Some(self.views.relays().trusted_text.clone()),
            "RELAYSUNTRUSTED" => return Some(self.views.relays().untrusted_text.clone()),
            "RELAYSINTERNAL" => return Some(self.views.relays().internal_text.clone()),
            "RELAYSEXTERNAL" => return Some(self.views.relays().external_text.clone()),
            "SENDERDOMAIN" => return self.values("EnvelopeFrom:first:addr:host").into_iter().next(),
            "AUTHORDOMAIN" => {
                let mut hosts: Vec<Vec<u8>> = Vec::new();
                for host in self.values("From:addr:host") {
                    if !hosts.contains(&host) {
                        hosts.push(host);
                    }
                }
                return (!hosts.is_empty()).then(|| hosts.join(&b' '));
            }
            _ => {
                if let Some((_, values)) = verdict.tags.iter().find(|(tag, _)| tag == name) {
                    return Some(values.join(&b' '));
                }
                if EMPTY.binary_search(&name).is_err() {
                    return None;
                }
                String::new()
            }
        };
        Some(text.into_bytes())
    }

    fn yes_no(&self, argument: Option<&str>) -> String {
        let (spam, ham) = match argument {
            Some(argument) => match argument.split_once(',') {
                Some((spam, ham)) => (Some(spam), Some(ham)),
                // Perl's split of an empty string gives nothing.
                None => (Some(argument).filter(|a| !a.is_empty()), None),
            },
            None => (None, None),
        };
        if self.verdict.spam { spam.unwrap_or("Yes") } else { ham.unwrap_or("No") }.into()
    }

    /// One decimal; ham that rounds up to the threshold is shown a tenth below it.
    fn score(&self, pad: Option<&str>) -> String {
        let required = format!("{:2.1}", self.verdict.required);
        let mut score = format!("{:2.1}", self.verdict.score);
        let number = |text: &str| text.trim().parse::<f64>().unwrap_or(0.0);
        if !self.verdict.spam && number(&score) >= number(&required) {
            score = perl_number(number(&required) - 0.1);
        }
        let pad = pad.unwrap_or("");
        let all = |byte: u8| !pad.is_empty() && pad.bytes().all(|b| b == byte);
        if all(b'0') || all(b' ') {
            let missing = (pad.len() + 3).saturating_sub(score.len()).min(pad.len());
            score.insert_str(0, &pad[..missing]);
        }
        score
    }

    /// Hits by name, each as often as it counted.
    fn names(&self, write: impl Fn(&mail::Hit) -> String) -> impl Iterator<Item = String> {
        let mut hits: Vec<_> = self.verdict.hits.iter().collect();
        hits.sort_by(|a, b| a.rule.cmp(&b.rule));
        hits.into_iter().flat_map(move |hit| std::iter::repeat_n(write(hit), hit.count as usize))
    }

    fn values(&self, request: &str) -> Vec<Vec<u8>> {
        let value = self.views.header(&HeaderRequest::parse(request));
        value.map(|value| value.values.clone()).unwrap_or_default()
    }

    /// As Perl's `get` in scalar context.
    fn header(&self, request: &str) -> Vec<u8> {
        let request = HeaderRequest::parse(request);
        self.views.header(&request).map(|value| value.scalar(&request)).unwrap_or_default()
    }

    /// `_PREVIEW_`: the first lines of the body, about 200 bytes.
    fn preview(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let body = self.views.body();
        for unit in body.iter().skip(1).take(3) {
            if text.len() >= 200 {
                break;
            }
            text.extend_from_slice(unit);
        }
        let mut cut = Vec::with_capacity(text.len());
        for (i, line) in text.split(|&b| b == b'\n').enumerate() {
            if i > 0 {
                cut.push(b'\n');
            }
            match line.len() {
                0..=200 => cut.extend_from_slice(line),
                _ => {
                    cut.extend_from_slice(&line[..200]);
                    cut.extend_from_slice(b" [...]");
                }
            }
        }
        if cut.last() == Some(&b'\n') {
            cut.pop();
        }
        cut.push(b'\n');

        let mut tidy: Vec<u8> = Vec::with_capacity(cut.len());
        for (i, line) in cut.split(|&b| b == b'\n').enumerate() {
            if i > 0 {
                tidy.push(b'\n');
            }
            const OUTLOOK: &[u8] = b"-----Original Message-----";
            let end = line.windows(OUTLOOK.len()).position(|w| w == OUTLOOK).unwrap_or(line.len());
            tidy.extend_from_slice(&line[..end]);
        }
        let tidy = remove_all(&tidy, b"This is a multi-part message in MIME format.");
        let squeezed = squeeze(&remove_rulers(&tidy));
        let how = Wrapping { prefix: b"  ", first: b"Content preview:  ", width: 75, overflow: true };
        let wrapped = wrap(&squeezed, how);
        trim_start(wrapped.strip_prefix(b"Content preview:").unwrap_or(&wrapped)).to_vec()
    }
}

fn memchr(needle: u8, haystack: &[u8]) -> Option<usize> {
    haystack.iter().position(|&b| b == needle)
}

/// For a `_` at `start`: the index of the `_` that ends the tag there.
fn tag_end(template: &[u8], start: usize) -> Option<usize> {
    let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !template.get(start + 1)?.is_ascii_uppercase() {
        return None;
    }
    let mut at = start + 2;
    while word(template.get(at)) {
        at += 1;
    }
    let mut ends = vec![at];
    while template.get(at) == Some(&b'_') && word(template.get(at + 1)) {
        at += 2;
        while word(template.get(at)) {
            at += 1;
        }
        ends.push(at);
    }
    for &end in ends.iter().rev() {
        match template.get(end) {
            Some(b'_') => return Some(end),
            Some(b'(') => {
                let line = template[end..].split(|&b| b == b'\n').next().unwrap_or_default();
                if let Some(close) = line.windows(2).position(|w| w == b")_") {
                    return Some(end + close + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn relay(relay: Option<&Relay>, what: impl Fn(&Relay) -> Vec<u8>) -> Vec<u8> {
    relay.map(what).unwrap_or_default()
}

/// An address as DNS blocklists want it: octets or nibbles backwards.
fn reversed(relay: &Relay) -> Vec<u8> {
    match relay.ip {
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}").into_bytes()
        }
        Some(IpAddr::V6(ip)) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|o| [o & 15, o >> 4]);
            join(nibbles.map(|n| format!("{n:x}")), ".").into_bytes()
        }
        None => Vec::new(),
    }
}

fn join(items: impl Iterator<Item = String>, separator: &str) -> String {
    items.collect::<Vec<_>>().join(separator)
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".into() } else { text }
}

fn remove_all(text: &[u8], what: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(what) {
            at += what.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// Ten or more of `-_*.` in a row go.
fn remove_rulers(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut run = 0;
    for &byte in text {
        if matches!(byte, b'-' | b'_' | b'*' | b'.') {
            run += 1;
        } else {
            if run >= 10 {
                out.truncate(out.len() - run);
            }
            run = 0;
        }
        out.push(byte);
    }
    if run >= 10 {
        out.truncate(out.len() - run);
    }
    out
}

fn squeeze(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut blank = false;
    for &byte in text {
        if is_space(byte) {
            if !blank {
                out.push(b' ');
            }
            blank = true;
        } else {
            out.push(byte);
            blank = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_tags_are_sorted() {
        assert!(EMPTY.is_sorted());
    }

    #[test]
    fn tags_end_where_perl_ends_them() {
        for (template, expected) in [
            ("_SCORE_", Some(6)),
            ("_STARS(*)_", Some(9)),
            ("_A_B_ ", Some(4)),
            ("_A_B ", Some(2)),
            ("_YESNO(, NOT)_ x(1)_", Some(13)),
            ("_a_", None),
            ("_A(x\n)_", None),
            ("_A", None),
            ("__A__", None),
            ("_A(x)y)_", Some(7)),
        ] {
            assert_eq!(tag_end(template.as_bytes(), 0), expected, "{template}");
        }
    }

    #[test]
    fn rulers_and_blanks_of_previews_go() {
        assert_eq!(squeeze(&remove_rulers(b"a ------------ b\n\n c.-.-.-.-.-.-d")), b"a b cd");
        assert_eq!(remove_rulers(b"---------"), b"---------");
    }
}
