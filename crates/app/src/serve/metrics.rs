//! What the service counts, in the text form that Prometheus reads.
//!
//! Atomics in fixed tables: to count costs nothing that a message would notice. No label is chosen by a stranger; a word
//! that is not in its table counts as `other`.

use mail::Meaning;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ACTIONS: [&str; 13] = [
    "pass",
    "tag",
    "quarantine",
    "hold",
    "redirect",
    "reject",
    "discard",
    "defer",
    "mixed",
    "told",
    "late",
    "failed",
    "other",
];
const DIRECTIONS: [&str; 5] = ["inbound", "internal", "outbound", "submission", "other"];
const PROTOCOLS: [&str; 8] = ["clamd", "http", "lmtp", "milter", "policy", "smtp", "spamd", "other"];

const INSPECTED: [&str; 3] = ["clean", "found", "failed"];

/// Upper ends of the latency histograms' buckets, in milliseconds.
const BUCKETS: [u64; 15] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// What became of something that may be refused.
#[derive(Debug, Default)]
struct Outcomes {
    ok: Counter,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Histogram {
    /// One more than there are ends.
    buckets: [Counter; BUCKETS.len() + 1],
    microseconds: Counter,
}

impl Histogram {
    fn add(&self, time: Duration) {
        let bucket = BUCKETS.iter().position(|end| time <= Duration::from_millis(*end)).unwrap_or(BUCKETS.len());
        self.buckets[bucket].add(1);
        self.microseconds.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

const MEANINGS: [Meaning; 5] = [Meaning::Virus, Meaning::Banned, Meaning::Phishing, Meaning::Spam, Meaning::Unchecked];

#[derive(Debug, Default)]
pub struct Metrics {
    messages: [[Counter; DIRECTIONS.len()]; ACTIONS.len()],
    hits: Counter,
    bytes: Counter,
    waiting: Histogram,
    judging: Histogram,
    in_work: Counter,
    opened: [Counter; PROTOCOLS.len()],
    closed: [Counter; PROTOCOLS.len()],
    rules: Outcomes,
    signatures: Outcomes,
    signature_hits: [Counter; MEANINGS.len()],
    configurations: Outcomes,
    store_errors: Counter,
    notices_failed: Counter,
    inspected: [Counter; INSPECTED.len()],
}

/// Something that goes on as long as this lives.
pub struct Going<'a>(&'a Counter, Ends);

enum Ends {
    CountDown,
    CountAsClosed,
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        match self.1 {
            Ends::CountDown => drop(self.0.0.fetch_sub(1, Ordering::Relaxed)),
            Ends::CountAsClosed => self.0.add(1),
        }
    }
}

/// What is not counted but looked up when somebody asks.
#[derive(Debug, Default)]
pub struct Gauges {
    pub rules: usize,
    pub signatures: u64,
    pub queued: usize,
    pub stopping: bool,
    /// Bytes; `None`: there is no store, or it does not answer.
    pub quarantine: Option<u64>,
    /// Recipients at next hops, by what became of them.
    pub handed_on: [(&'static str, u64); 4],
    /// Messages shown to each other scanner, by what it said.
    pub scanners: Vec<(String, [(&'static str, u64); 4])>,
    /// Questions to DNS, by how they ended.
    pub dns: Vec<(&'static str, u64)>,
}

impl Metrics {
    /// A message for which there was an answer.
    pub fn message(&self, action: &str, direction: &str, hits: usize, bytes: u64) {
        self.messages[place(&ACTIONS, action)][place(&DIRECTIONS, direction)].add(1);
        self.hits.add(hits as u64);
        self.bytes.add(bytes);
    }

    pub fn begin(&self) -> Going<'_> {
        self.in_work.add(1);
        Going(&self.in_work, Ends::CountDown)
    }

    pub fn connection(&self, protocol: &str) -> Going<'_> {
        let protocol = place(&PROTOCOLS, protocol);
        self.opened[protocol].add(1);
        Going(&self.closed[protocol], Ends::CountAsClosed)
    }

    /// Does what was asked for at `asked`.
    pub fn timed<T>(&self, asked: Instant, work: impl FnOnce() -> T) -> T {
        self.waiting.add(asked.elapsed());
        let began = Instant::now();
        let done = work();
        self.judging.add(began.elapsed());
        done
    }

    pub fn rules_reloaded(&self, taken: bool) {
        if taken { self.rules.ok.add(1) } else { self.rules.refused.add(1) }
    }

    pub fn signatures_reloaded(&self, taken: bool) {
        if taken { self.signatures.ok.add(1) } else { self.signatures.refused.add(1) }
    }

    /// Signatures that hit in one message.
    pub fn signatures_hit(&self, hits: &[mail::Signature]) {
        hits.iter().for_each(|hit| self.signature_hits[hit.meaning as usize].add(1));
    }

    pub fn configuration_reloaded(&self, taken: bool) {
        if taken { self.configurations.ok.add(1) } else { self.configurations.refused.add(1) }
    }

    /// A stream or file of a clamd's client.
    pub fn inspected(&self, result: &str) {
        self.inspected[place(&INSPECTED, result)].add(1);
    }

    pub fn notice_failed(&self) {
        self.notices_failed.add(1);
    }

    pub fn store_errors(&self, count: u64) {
        self.store_errors.add(count);
    }

    pub fn text(&self, gauges: &Gauges) -> String {
        let mut out = Text::default();
        out.metric("build_info", "gauge", "The program.", &[(&[("version", env!("CARGO_PKG_VERSION"))], 1)]);

        out.head("messages_total", "counter", "Messages answered, by what became of them and their direction.");
        for (action, row) in ACTIONS.iter().zip(&self.messages) {
            for (direction, counter) in DIRECTIONS.iter().zip(row).filter(|(_, counter)| counter.count() > 0) {
                out.value("messages_total", &[("action", action), ("direction", direction)], counter.count());
            }
        }
        let unjudged = |action| -> u64 { self.messages[place(&ACTIONS, action)].iter().map(Counter::count).sum() };
        let reasons: [(&[_], _); 2] =
            [(&[("reason", "late")], unjudged("late")), (&[("reason", "failed")], unjudged("failed"))];
        out.metric("unjudged_total", "counter", "Messages for which there was no verdict.", &reasons);
        out.plain("message_bytes_total", "counter", "Bytes of these messages.", self.bytes.count());
        out.plain("hits_total", "counter", "Rules that hit.", self.hits.count());

        out.histogram("waiting_seconds", "From the question until a judge took it up.", &self.waiting);
        out.histogram("judging_seconds", "Judging and acting, without waiting.", &self.judging);
        out.plain("messages_in_work", "gauge", "Messages that wait or are judged.", self.in_work.count());
        out.plain("messages_queued", "gauge", "Messages that no judge has taken up yet.", gauges.queued as u64);

        let each = || PROTOCOLS.iter().zip(self.opened.iter().zip(&self.closed)).filter(|(_, (o, _))| o.count() > 0);
        out.head("connections_total", "counter", "Connections accepted.");
        for (protocol, (opened, _)) in each() {
            out.value("connections_total", &[("protocol", protocol)], opened.count());
        }
        out.head("connections", "gauge", "Connections that are open.");
        for (protocol, (opened, closed)) in each() {
            let closed = closed.count(); // before the other, which is never less
            out.value("connections", &[("protocol", protocol)], opened.count().saturating_sub(closed));
        }

        out.head("handed_on_total", "counter", "Recipients handed on to a next hop, by its last word.");
        for (outcome, recipients) in gauges.handed_on.iter().filter(|(outcome, _)| !outcome.is_empty()) {
            out.value("handed_on_total", &[("outcome", outcome)], *recipients);
        }

        if !gauges.scanners.is_empty() {
            out.head("scanner_total", "counter", "Messages shown to other scanners, by what came of it.");
        }
        for (scanner, results) in &gauges.scanners {
            for (result, messages) in results {
                out.value("scanner_total", &[("scanner", scanner), ("result", result)], *messages);
            }
        }
        if !gauges.dns.is_empty() {
            out.head(
                "dns_questions_total",
                "counter",
                "Questions to name servers since they were last changed, by how they ended.",
            );
        }
        for (result, questions) in &gauges.dns {
            out.value("dns_questions_total", &[("result", result)], *questions);
        }
        out.head("inspected_total", "counter", "Streams and files that clients of clamd's protocol asked about.");
        for (result, counter) in INSPECTED.iter().zip(&self.inspected) {
            out.value("inspected_total", &[("result", result)], counter.count());
        }

        out.plain("rules", "gauge", "Rules in force.", gauges.rules as u64);
        out.plain("signatures", "gauge", "Signatures in force.", gauges.signatures);
        out.head("signature_hits_total", "counter", "Signatures that hit, by what they mean.");
        for (meaning, counter) in MEANINGS.iter().zip(&self.signature_hits).filter(|(_, c)| c.count() > 0) {
            out.value("signature_hits_total", &[("means", meaning.name())], counter.count());
        }
        out.head("reloads_total", "counter", "New rules and configurations, taken or refused.");
        for (what, outcomes) in
            [("rules", &self.rules), ("signatures", &self.signatures), ("configuration", &self.configurations)]
        {
            out.value("reloads_total", &[("what", what), ("result", "ok")], outcomes.ok.count());
            out.value("reloads_total", &[("what", what), ("result", "refused")], outcomes.refused.count());
        }
        out.plain("store_errors_total", "counter", "Times that the store failed.", self.store_errors.count());
        let failed = self.notices_failed.count();
        out.plain("notices_failed_total", "counter", "Times that a notice, digest or alarm could not be sent.", failed);
        if let Some(bytes) = gauges.quarantine {
            out.plain("quarantine_bytes", "gauge", "Bytes of the messages in quarantine.", bytes);
        }
        out.plain("stopping", "gauge", "1: no new messages are taken.", gauges.stopping.into());
        out.0
    }
}

/// The last place is for words that are not in the table.
fn place(table: &[&str], word: &str) -> usize {
    table.iter().position(|known| *known == word).unwrap_or(table.len() - 1)
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP sekisho_{name} {help}\n# TYPE sekisho_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "sekisho_{name}{labels} {value}");
    }

    fn metric(&mut self, name: &str, kind: &str, help: &str, values: &[(&[(&str, &str)], u64)]) {
        self.head(name, kind, help);
        values.iter().for_each(|(labels, value)| self.value(name, labels, *value));
    }

    fn plain(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.metric(name, kind, help, &[(&[], value)]);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        let mut count = 0;
        for (end, own) in BUCKETS.iter().zip(&histogram.buckets) {
            count += own.count();
            self.value(&bucket, &[("le", &format!("{}", *end as f64 / 1000.0))], count);
        }
        count += histogram.buckets[BUCKETS.len()].count();
        self.value(&bucket, &[("le", "+Inf")], count);
        let _ = writeln!(self.0, "sekisho_{name}_sum {}", histogram.microseconds.count() as f64 / 1e6);
        self.value(&format!("{name}_count"), &[], count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told() {
        let metrics = Metrics::default();
        metrics.message("reject", "inbound", 3, 1000);
        metrics.message("reject", "inbound", 1, 24);
        metrics.message("late", "", 0, 0);
        metrics.message("\"}\nevil 1", "x", 0, 0);
        metrics.waiting.add(Duration::from_millis(3));
        metrics.waiting.add(Duration::from_secs(100));
        metrics.rules_reloaded(false);
        let (milter, gone) = (metrics.connection("milter"), metrics.connection("milter"));
        drop(gone);
        let going = metrics.begin();
        let text = metrics.text(&Gauges { rules: 7, quarantine: Some(9), ..Gauges::default() });
        for line in [
            "sekisho_messages_total{action=\"reject\",direction=\"inbound\"} 2",
            "sekisho_messages_total{action=\"other\",direction=\"other\"} 1",
            "sekisho_unjudged_total{reason=\"late\"} 1",
            "sekisho_message_bytes_total 1024",
            "sekisho_hits_total 4",
            "sekisho_waiting_seconds_bucket{le=\"0.002\"} 0",
            "sekisho_waiting_seconds_bucket{le=\"0.005\"} 1",
            "sekisho_waiting_seconds_bucket{le=\"60\"} 1",
            "sekisho_waiting_seconds_bucket{le=\"+Inf\"} 2",
            "sekisho_waiting_seconds_sum 100.003",
            "sekisho_waiting_seconds_count 2",
            "sekisho_messages_in_work 1",
            "sekisho_connections_total{protocol=\"milter\"} 2",
            "sekisho_connections{protocol=\"milter\"} 1",
            "sekisho_rules 7",
            "sekisho_reloads_total{what=\"rules\",result=\"refused\"} 1",
            "sekisho_quarantine_bytes 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        // Every line is a comment or a name of ours with a number.
        for line in text.lines().filter(|line| !line.starts_with("# ")) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("sekisho_") && value.parse::<f64>().is_ok(), "{line}");
        }
        drop((milter, going));
        let text = metrics.text(&Gauges::default());
        assert!(text.contains("sekisho_messages_in_work 0\n") && text.contains("{protocol=\"milter\"} 0\n"), "{text}");
    }
}
