//! DMARC's aggregate reports as other receivers send them (RFC 7489, RFC 9990).
//!
//! In: a file as it is attached: XML, or XML in gzip or zip. Out: [`Report`]s, and why others are none. Elements alone are
//! read, whatever their namespace; attributes, comments and instructions are passed over. A document type is refused, and
//! of entities only the five and numbers are known, so nothing grows that is not there.

use crate::Refusal;
use std::borrow::Cow;
use std::net::IpAddr;
use unpack::{Budget, Kind, Limits};

/// What one receiver says of one domain's mail in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub organisation: String,
    pub email: String,
    pub id: String,
    /// Seconds since 1970.
    pub begin: i64,
    pub end: i64,
    pub domain: String,
    /// `p=` as the receiver saw it.
    pub policy: String,
    pub rows: Vec<Row>,
}

/// Messages of one source that had the same results.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub source: Option<IpAddr>,
    pub count: u64,
    /// What was done: `none`, `quarantine` or `reject`.
    pub disposition: String,
    /// Passed and aligned.
    pub dkim: bool,
    pub spf: bool,
    /// Types of the reasons why the policy was not followed.
    pub reasons: Vec<String>,
    pub header_from: String,
    pub envelope_from: String,
    /// Domain, selector, result.
    pub dkim_results: Vec<[String; 3]>,
    /// Domain, result.
    pub spf_results: Vec<[String; 2]>,
}

/// Elements within elements.
const DEPTH: usize = 32;
/// Of one report.
const ROWS: usize = 200_000;
/// Reasons, signatures or SPF results of one row.
const RESULTS: usize = 100;
/// Bytes of one element's text, and of its name.
const TEXT: usize = 2_000;
/// Bytes of XML.
const XML: u64 = 200 << 20;
/// Files in one archive.
const FILES: u32 = 100;

/// Whether it is worth reading: for who looks through a mail's parts.
pub fn may_be(bytes: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(4_096)]);
    is_archive(unpack::kind(bytes)) || is_xml(bytes) && start.contains("feedback")
}

/// Each report in a file, or why it is none.
pub fn read(bytes: &[u8]) -> Vec<Result<Report, Refusal>> {
    if is_xml(bytes) {
        return vec![parse(bytes)];
    }
    let kind = unpack::kind(bytes);
    if !is_archive(kind) {
        return vec![Err(Refusal::Format("neither XML nor gzip nor zip".to_owned()))];
    }
    let limits = Limits { bytes: XML, member: XML, members: FILES, ..Limits::default() };
    let unpacked = unpack::open(bytes, kind, &[], &mut Budget::new(limits));
    let reports: Vec<_> = unpacked.members.iter().map(|member| parse(&member.bytes)).collect();
    match reports.is_empty() {
        true => vec![Err(Refusal::Format("the archive is broken, or empty".to_owned()))],
        false => reports,
    }
}

fn is_archive(kind: Kind) -> bool {
    matches!(kind, Kind::Gzip | Kind::Zip)
}

fn is_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    bytes.starts_with(b"<") && bytes.get(1).is_some_and(|b| matches!(b, b'?' | b'!') || b.is_ascii_alphabetic())
}

/// One XML document.
pub fn parse(bytes: &[u8]) -> Result<Report, Refusal> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let mut reader =
        Reader { report: Report::default(), path: Vec::new(), text: String::new(), begun: false, ended: false };
    let mut rest: &str = &text;
    let place = |rest: &str| text[..text.len() - rest.len()].bytes().filter(|b| *b == b'\n').count() + 1;
    let wrong = |rest: &str, what: &str| Refusal::Format(format!("line {}: {what}", place(rest)));
    while !rest.is_empty() {
        let Some(start) = rest.find('<') else {
            reader.add_text(rest);
            break;
        };
        reader.add_text(&rest[..start]);
        rest = &rest[start..];
        let end = |close: &str| rest.find(close).map(|at| at + close.len());
        let length = if rest.starts_with("<!--") {
            end("-->")
        } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let end = end("]]>");
            if let Some(end) = end {
                reader.push(&data[..end - "<![CDATA[".len() - "]]>".len()]);
            }
            end
        } else if rest.starts_with("<?") {
            end("?>")
        } else if rest.starts_with("<!") {
            return Err(wrong(rest, "a document type: no report has one"));
        } else {
            tag_length(rest)
        };
        let Some(length) = length else { return Err(wrong(rest, "what begins here does not end")) };
        let tag = &rest[..length];
        let name_of = |name: &str| name.rsplit(':').next().unwrap_or_default().chars().take(TEXT).collect::<String>();
        if let Some(name) = tag.strip_prefix("</") {
            let name = name_of(name.trim_end_matches('>').trim());
            reader.close(&name).map_err(|what| wrong(rest, &what))?;
        } else if !tag.starts_with("<!") && !tag.starts_with("<?") {
            let inner = tag[1..].trim_end_matches('>');
            let empty = inner.ends_with('/');
            let name = inner.trim_end_matches('/').split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
            let name = name_of(name);
            reader.open(&name).map_err(|what| wrong(rest, &what))?;
            if empty {
                reader.close(&name).map_err(|what| wrong(rest, &what))?;
            }
        }
        rest = &rest[length..];
    }
    match reader {
        Reader { ended: true, report, .. } => Ok(report),
        Reader { begun: true, .. } => Err(wrong("", "the report breaks off")),
        _ => Err(Refusal::Format("no DMARC report: there is no element feedback".to_owned())),
    }
}

/// Up to the `>` that is in no quotes.
fn tag_length(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

struct Reader {
    report: Report,
    path: Vec<String>,
    /// Of the innermost element.
    text: String,
    begun: bool,
    ended: bool,
}

impl Reader {
    fn add_text(&mut self, text: &str) {
        let text = unescaped(text);
        self.push(&text);
    }

    fn push(&mut self, text: &str) {
        let room = TEXT.saturating_sub(self.text.len());
        let end = (0..=text.len().min(room)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.text.push_str(&text[..end]);
    }

    fn open(&mut self, name: &str) -> Result<(), String> {
        if self.path.len() >= DEPTH {
            return Err(format!("more than {DEPTH} elements within one another"));
        }
        self.path.push(name.to_owned());
        self.text.clear();
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path[..] {
            ["feedback"] => self.begun = true,
            ["feedback", "record"] if self.report.rows.len() >= ROWS => {
                return Err(format!("more than {ROWS} records"));
            }
            ["feedback", "record"] => self.report.rows.push(Row::default()),
            ["feedback", "record", "auth_results", kind @ ("dkim" | "spf")] => {
                let Some(row) = self.report.rows.last_mut() else { return Ok(()) };
                if row.dkim_results.len() + row.spf_results.len() >= RESULTS {
                    return Err(format!("more than {RESULTS} results in one record"));
                }
                match kind {
                    "dkim" => row.dkim_results.push(Default::default()),
                    _ => row.spf_results.push(Default::default()),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), String> {
        if self.path.last().is_none_or(|open| open != name) {
            return Err(format!("</{}> closes nothing", name.escape_debug()));
        }
        let value = std::mem::take(&mut self.text).trim().to_owned();
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let report = &mut self.report;
        let number = |what: &str| value.parse().map_err(|_| format!("{what} {value:?} is no number"));
        match path[..] {
            ["feedback"] => self.ended = true,
            ["feedback", "report_metadata", "org_name"] => report.organisation = value,
            ["feedback", "report_metadata", "email"] => report.email = value,
            ["feedback", "report_metadata", "report_id"] => report.id = value,
            ["feedback", "report_metadata", "date_range", "begin"] => report.begin = number("begin")?,
            ["feedback", "report_metadata", "date_range", "end"] => report.end = number("end")?,
            ["feedback", "policy_published", "domain"] => report.domain = value,
            ["feedback", "policy_published", "p"] => report.policy = value,
            ["feedback", "record", ref within @ ..] => {
                if let Some(row) = report.rows.last_mut() {
                    row.take(within, value)?;
                }
            }
            _ => {}
        }
        self.path.pop();
        Ok(())
    }
}

impl Row {
    fn take(&mut self, within: &[&str], value: String) -> Result<(), String> {
        let passes = |value: &str| value.eq_ignore_ascii_case("pass");
        match within {
            ["row", "source_ip"] => {
                self.source = Some(value.parse().map_err(|_| format!("source_ip {value:?} is no address"))?);
            }
            ["row", "count"] => self.count = value.parse().map_err(|_| format!("count {value:?} is no number"))?,
            ["row", "policy_evaluated", "disposition"] => self.disposition = value,
            ["row", "policy_evaluated", "dkim"] => self.dkim = passes(&value),
            ["row", "policy_evaluated", "spf"] => self.spf = passes(&value),
            ["row", "policy_evaluated", "reason", "type"] if self.reasons.len() < RESULTS => self.reasons.push(value),
            ["identifiers", "header_from"] => self.header_from = value,
            ["identifiers", "envelope_from"] => self.envelope_from = value,
            ["auth_results", "dkim", field] => {
                let place = ["domain", "selector", "result"].iter().position(|known| known == field);
                if let (Some(place), Some(last)) = (place, self.dkim_results.last_mut()) {
                    last[place] = value;
                }
            }
            ["auth_results", "spf", field] => {
                let place = ["domain", "result"].iter().position(|known| known == field);
                if let (Some(place), Some(last)) = (place, self.spf_results.last_mut()) {
                    last[place] = value;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// With `&amp;` and its kin as what they stand for; what is none stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let known = end.and_then(|end| {
            let name = &rest[1..end];
            let code = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
            let known = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => match name.strip_prefix("#x") {
                    Some(digits) => code(digits, 16),
                    None => name.strip_prefix('#').and_then(|digits| code(digits, 10)),
                },
            };
            known.map(|known| (known, end))
        });
        match known {
            Some((known, end)) => {
                out.push(known);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "<?xml version='1.0'?>\n<!-- of > a day -->\n<f:feedback xmlns:f=\"a>b\">\n<f:report_metadata><f:org_name>A &amp; \
        <![CDATA[B <C>]]> &#x95a2;</f:org_name><f:email>x@example.com</f:email><f:report_id>1</f:report_id>\n\
        <f:date_range><f:begin>1700000000</f:begin><f:end> 1700086399 </f:end></f:date_range></f:report_metadata>\n\
        <f:policy_published><f:domain>example.net</f:domain><f:p>reject</f:p></f:policy_published>\n\
        <f:record><f:row><f:source_ip>192.0.2.1</f:source_ip><f:count>3</f:count><f:policy_evaluated><f:disposition>none</f:disposition>\
        <f:dkim>pass</f:dkim><f:spf>fail</f:spf><f:reason><f:type>mailing_list</f:type><f:comment/></f:reason></f:policy_evaluated></f:row>\
        <f:identifiers><f:header_from>example.net</f:header_from></f:identifiers><f:auth_results><f:dkim><f:domain>example.net</f:domain>\
        <f:selector>s</f:selector><f:result>pass</f:result></f:dkim><f:spf><f:domain>example.org</f:domain><f:result>pass</f:result></f:spf>\
        </f:auth_results></f:record>\n</f:feedback>\n";

    #[test]
    fn a_report_is_read() {
        let report = parse(REPORT.as_bytes()).unwrap();
        assert_eq!(
            (report.organisation.as_str(), report.begin, report.end),
            ("A & B <C> \u{95a2}", 1_700_000_000, 1_700_086_399)
        );
        assert_eq!((report.domain.as_str(), report.policy.as_str()), ("example.net", "reject"));
        let [row] = &report.rows[..] else { panic!("{report:?}") };
        assert_eq!((row.source, row.count, row.dkim, row.spf), ("192.0.2.1".parse().ok(), 3, true, false));
        assert_eq!((row.disposition.as_str(), row.reasons.as_slice()), ("none", &["mailing_list".to_owned()][..]));
        assert_eq!(row.dkim_results, [["example.net", "s", "pass"].map(str::to_owned)]);
        assert_eq!(row.spf_results, [["example.org", "pass"].map(str::to_owned)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let deep = "<feedback>".to_owned() + &"<a>".repeat(40);
        for (xml, told) in [
            ("<html></html>", "no element feedback"),
            ("<feedback>\n<record>", "line 2: the report breaks off"),
            ("<feedback>\n<record></feedback>", "line 2: </feedback> closes nothing"),
            ("<feedback>\n\n<record><row><count>x</count>", "line 3: count \"x\" is no number"),
            ("<feedback><record><row><source_ip>1.2.3</source_ip>", "is no address"),
            ("<!DOCTYPE x [<!ENTITY a \"b\">]><feedback/>", "document type"),
            ("<feedback", "does not end"),
            ("<feedback><!-- ", "does not end"),
            (&deep, "more than 32 elements"),
        ] {
            let error = parse(xml.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(told), "{xml}: {error}");
        }
        assert_eq!(parse(b"<feedback/>").unwrap(), Report::default());
        assert_eq!(unescaped("&x; &amp;amp; &#0; &#1114112; & &#65;"), "&x; &amp; \0 &#1114112; & A");
        assert!(read(b"hello")[0].is_err() && may_be(REPORT.as_bytes()) && !may_be(b"hello <b>"));
    }
}
