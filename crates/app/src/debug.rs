//! `-D AREA,...`: what happened inside, on standard error, in the form of SpamAssassin's debug lines.

use crate::environment;
use crate::output::readable;
use mail::Verdict;
use mail::views::Views;

/// Which areas are to be told.
#[derive(Debug, Clone, Default)]
pub struct Debug {
    areas: Vec<String>,
}

impl Debug {
    /// From `metadata,rules`; `all` is all, `noAREA` leaves one out.
    pub fn new(areas: Option<&str>) -> Debug {
        Debug { areas: areas.unwrap_or_default().split(',').filter(|a| !a.is_empty()).map(str::to_owned).collect() }
    }

    pub fn wants(&self, area: &str) -> bool {
        let named = |name: &str| self.areas.iter().any(|wanted| wanted == name);
        (named("all") || named(area)) && !named(&format!("no{area}"))
    }

    pub fn is_on(&self) -> bool {
        !self.areas.is_empty()
    }

    /// A line, if the area is wanted.
    pub fn line(&self, area: &str, text: impl FnOnce() -> String) {
        if self.wants(area) {
            eprintln!("{} [{}] dbg: {area}: {}", environment::debug_date(), std::process::id(), text());
        }
    }

    /// What was found out about a message.
    pub fn message(&self, views: &Views<'_>, verdict: &Verdict) {
        if self.wants("metadata") {
            let relays = views.relays();
            for (name, text) in [
                ("Trusted", &relays.trusted_text),
                ("Untrusted", &relays.untrusted_text),
                ("Internal", &relays.internal_text),
                ("External", &relays.external_text),
            ] {
                self.line("metadata", || format!("X-Spam-Relays-{name}: {}", readable(text, usize::MAX)));
            }
        }
        if self.wants("uri") {
            for unit in views.uris().text.iter() {
                self.line("uri", || readable(unit, 2000));
            }
        }
        for hit in &verdict.hits {
            self.line("rules", || match hit.evidence.first() {
                Some(seen) => {
                    format!("rule {} ======> got hit: \"{}\" ({})", hit.rule, readable(&seen.matched, 400), seen.view)
                }
                None => format!("rule {} ======> got hit", hit.rule),
            });
        }
        for trouble in &verdict.troubles {
            self.line("rules", || format!("{}: {}", trouble.rule, trouble.what));
        }
        self.line("check", || format!("is spam? score={} required={}", verdict.score, verdict.required));
        self.line("check", || {
            let mut names: Vec<_> = verdict.hits.iter().map(|hit| hit.rule.as_str()).collect();
            names.sort_unstable();
            format!("tests={}", names.join(","))
        });
        self.line("check", || {
            let names: Vec<_> = verdict
                .subtests
                .iter()
                .map(|(name, n)| if *n > 1 { format!("{name}({n})") } else { name.clone() })
                .collect();
            format!("subtests={}", names.join(","))
        });
    }
}
