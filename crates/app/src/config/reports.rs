//! `[reports]`: DMARC's aggregate reports to the owners of domains.

use super::dkim::is_domain;
use super::units::Span;
use anyhow::bail;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reports {
    /// Count what DMARC made of mail.
    pub collect: bool,
    /// The service makes and sends the reports of each day that is over.
    pub send: bool,
    pub keep: Span,
    /// Who we are, for people.
    pub organisation: String,
    /// Who we are, for programs: a domain.
    pub submitter: String,
    /// Whom to ask; also the reports' author.
    pub address: String,
    /// A page or telephone number, for people.
    pub contact: String,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports {
            collect: false,
            send: false,
            keep: Span::seconds(8 * 24 * 3600),
            organisation: String::new(),
            submitter: String::new(),
            address: String::new(),
            contact: String::new(),
        }
    }
}

impl Reports {
    pub(super) fn check(&self, store: bool) -> anyhow::Result<()> {
        if self.collect && !store {
            bail!("reports: they are made of what the store counts: set store.location");
        }
        if self.send && !self.collect {
            bail!("reports: send without collect sends nothing: set collect = true");
        }
        if self.send && self.address.is_empty() {
            bail!("reports: set address = \"dmarc-reports@example.jp\": reports have an author who can be asked");
        }
        if self.keep.0.as_secs() < 2 * 24 * 3600 {
            bail!("reports: keep must be two days at least: a day is reported when it is over");
        }
        if !self.submitter.is_empty() && !is_domain(&self.submitter) {
            bail!("reports: submitter {:?} is no domain", self.submitter);
        }
        let address =
            |text: &str| text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && is_domain(domain));
        if !self.address.is_empty() && !address(&self.address) {
            bail!("reports: address {:?} is no address", self.address);
        }
        Ok(())
    }
}
