//! A report in XML, as RFC 9990 has it; readers of RFC 7489's form find all of theirs in it.

use crate::answers::auth::library::policy_in;
use std::fmt::Write as _;
use store::reports::Row;

/// Who reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reporter {
    pub organisation: String,
    pub submitter: String,
    pub address: String,
    pub contact: String,
    /// Name and version of this program.
    pub generator: String,
}

pub const DAY: i64 = 24 * 60 * 60;

/// Tells this report from all others of ours.
pub fn id(reporter: &Reporter, domain: &str, day: i64) -> String {
    format!("{domain}.{}@{}", day * DAY, reporter.submitter)
}

/// Without path; RFC 7489, 7.2.1.1.
pub fn file_name(reporter: &Reporter, domain: &str, day: i64) -> String {
    format!("{}!{domain}!{}!{}.xml.gz", reporter.submitter, day * DAY, (day + 1) * DAY - 1)
}

pub fn subject(reporter: &Reporter, domain: &str, day: i64) -> String {
    format!("Report Domain: {domain} Submitter: {} Report-ID: <{}>", reporter.submitter, id(reporter, domain, day))
}

/// `left_out`: messages that no row counts.
pub fn report(reporter: &Reporter, domain: &str, day: i64, rows: &[Row], left_out: u64) -> String {
    let mut xml = Xml(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"), 0);
    xml.open("feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\"");
    xml.text("version", "1.0");
    xml.open("report_metadata");
    xml.text("org_name", &reporter.organisation);
    xml.text("email", &reporter.address);
    xml.some("extra_contact_info", &reporter.contact);
    xml.text("report_id", &id(reporter, domain, day));
    xml.open("date_range");
    xml.text("begin", &(day * DAY).to_string());
    xml.text("end", &((day + 1) * DAY - 1).to_string());
    xml.close("date_range");
    if left_out > 0 {
        xml.text("error", &format!("{left_out} messages are not counted here: too many different ones"));
    }
    xml.some("generator", &reporter.generator);
    xml.close("report_metadata");

    // What held last; rows that were judged by another record are few, and from one day.
    let record = rows.last().map_or("", |row| row.record.as_str());
    let published = policy_in(record).unwrap_or_default();
    let alignment = |strict: bool| if strict { "s" } else { "r" };
    xml.open("policy_published");
    xml.text("domain", domain);
    xml.text("p", published.p.name());
    xml.text("np", published.np.name());
    xml.text("sp", published.sp.name());
    xml.text("adkim", alignment(published.strict_dkim));
    xml.text("aspf", alignment(published.strict_spf));
    let failures = published.failures;
    if !failures.is_empty() && failures.bytes().all(|byte| b"01ds:".contains(&byte.to_ascii_lowercase())) {
        xml.text("fo", &failures);
    }
    xml.text("testing", if published.testing { "y" } else { "n" });
    xml.close("policy_published");

    for row in rows {
        xml.row(row);
    }
    xml.close("feedback");
    xml.0
}

struct Xml(String, usize);

impl Xml {
    fn indent(&mut self) {
        (0..self.1).for_each(|_| self.0.push_str("  "));
    }

    fn open(&mut self, name: &str) {
        self.indent();
        let _ = writeln!(self.0, "<{name}>");
        self.1 += 1;
    }

    fn close(&mut self, name: &str) {
        self.1 = self.1.saturating_sub(1);
        self.indent();
        let _ = writeln!(self.0, "</{name}>");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.indent();
        let _ = writeln!(self.0, "<{name}>{}</{name}>", escaped(text));
    }

    /// Left out where it is empty.
    fn some(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.text(name, text);
        }
    }

    fn row(&mut self, row: &Row) {
        let passed = |passed| if passed { "pass" } else { "fail" };
        self.open("record");
        self.open("row");
        self.text("source_ip", &row.source);
        self.text("count", &row.count.to_string());
        self.open("policy_evaluated");
        self.text("disposition", &row.disposition);
        self.text("dkim", passed(row.dkim));
        self.text("spf", passed(row.spf));
        for (kind, comment) in &row.reasons {
            self.open("reason");
            self.text("type", kind);
            self.some("comment", comment);
            self.close("reason");
        }
        self.close("policy_evaluated");
        self.close("row");
        self.open("identifiers");
        self.some("envelope_to", &row.envelope_to);
        self.text("envelope_from", &row.envelope_from);
        self.text("header_from", &row.header_from);
        self.close("identifiers");
        self.open("auth_results");
        for signature in &row.dkim_results {
            self.open("dkim");
            self.text("domain", &signature.domain);
            self.some("selector", &signature.selector);
            self.text("result", &signature.result);
            self.close("dkim");
        }
        for spf in &row.spf_results {
            self.open("spf");
            self.text("domain", &spf.domain);
            self.text("scope", &spf.scope);
            self.text("result", &spf.result);
            self.close("spf");
        }
        self.close("auth_results");
        self.close("record");
    }
}

/// What strangers wrote, as text of an element; what XML 1.0 cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(' '),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_what_the_rfcs_ask_for() {
        let reporter = Reporter {
            organisation: "Example & Sons".into(),
            submitter: "mx.example.jp".into(),
            address: "dmarc@example.jp".into(),
            contact: String::new(),
            generator: "sekisho 0".into(),
        };
        let row = Row {
            record: "v=DMARC1; p=Quarantine; sp=reject; adkim=s; rua=mailto:x@y".into(),
            source: "192.0.2.1".into(),
            disposition: "none".into(),
            spf: true,
            reasons: vec![("local_policy".into(), "<x>\u{1}".into())],
            header_from: "example.com".into(),
            count: 3,
            ..Row::default()
        };
        let xml = report(&reporter, "example.com", 20_000, &[row], 7);
        for wanted in [
            "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">",
            "<org_name>Example &amp; Sons</org_name>",
            "<report_id>example.com.1728000000@mx.example.jp</report_id>",
            "<begin>1728000000</begin>",
            "<end>1728086399</end>",
            "<error>7 messages are not counted here",
            "<p>quarantine</p>",
            "<np>reject</np>",
            "<sp>reject</sp>",
            "<adkim>s</adkim>",
            "<aspf>r</aspf>",
            "<testing>n</testing>",
            "<count>3</count>",
            "<dkim>fail</dkim>",
            "<spf>pass</spf>",
            "<comment>&lt;x&gt;</comment>",
        ] {
            assert!(xml.contains(wanted), "{wanted}: {xml}");
        }
        assert_eq!(
            file_name(&reporter, "example.com", 20_000),
            "mx.example.jp!example.com!1728000000!1728086399.xml.gz"
        );
        let subject = subject(&reporter, "example.com", 20_000);
        assert_eq!(
            subject,
            "Report Domain: example.com Submitter: mx.example.jp Report-ID: <example.com.1728000000@mx.example.jp>"
        );
    }
}
