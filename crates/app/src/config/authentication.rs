//! `[authentication]` and `[dmarc]`: what is said of who sent a message, and what comes of it.

use super::dkim::is_domain;
use super::units::{Addresses, Network};
use crate::environment;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authentication {
    /// Whether `Authentication-Results` is written, and removed where somebody else wrote it in our name.
    pub header: bool,
    /// On which mail.
    pub mail: Marked,
    /// Our name in it; empty: the host's.
    pub name: String,
    /// Other names of ours, such as those of further mail servers: fields in them are removed too.
    pub also: Vec<String>,
    /// Domains whose ARC seals are believed.
    pub sealers: Vec<String>,
}

/// Which mail from outside bears our field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Marked {
    /// All that is delivered.
    Incoming,
    /// Only what our other headers are written on.
    Marked,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dmarc {
    pub action: Wished,
    /// Points for a message whose author's domain asks for quarantine or rejection.
    pub points: f64,
    /// With mailing lists that prove themselves it goes one step milder.
    pub lists: bool,
    /// Mailing lists of these domains that prove themselves are let pass.
    pub list_domains: Vec<String>,
    /// Clients and authors' domains that are let pass.
    pub except_clients: Vec<Network>,
    pub except: Vec<Addresses>,
}

/// How far a domain's wish goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wished {
    Off,
    /// Rules and points.
    Score,
    /// Whatever the domain asks for beyond "none" is quarantine.
    Quarantine,
    /// As the domain asks.
    Reject,
}

impl Default for Authentication {
    fn default() -> Self {
        Authentication {
            header: true,
            mail: Marked::Incoming,
            name: String::new(),
            also: Vec::new(),
            sealers: Vec::new(),
        }
    }
}

impl Default for Dmarc {
    fn default() -> Self {
        Dmarc {
            action: Wished::Score,
            points: 0.0,
            lists: true,
            list_domains: Vec::new(),
            except_clients: Vec::new(),
            except: Vec::new(),
        }
    }
}

impl Authentication {
    /// Whether fields in this name are ours alone to write.
    pub fn is_ours(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        name.eq_ignore_ascii_case(self.name()) || self.also.iter().any(|other| other.eq_ignore_ascii_case(name))
    }

    /// The authserv-id.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { environment::host_name() } else { &self.name }
    }

    pub fn check(&self) -> Result<(), String> {
        let sound = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if !sound(&self.name) {
            return Err(format!("authentication: name {:?} is no host name", self.name));
        }
        if let Some(wrong) = self.also.iter().find(|name| name.is_empty() || !sound(name)) {
            return Err(format!("authentication: also: {wrong:?} is no host name"));
        }
        match self.sealers.iter().find(|domain| domain.is_empty() || !sound(domain)) {
            Some(wrong) => Err(format!("authentication: sealers: {wrong:?} is no domain")),
            None => Ok(()),
        }
    }
}

impl Dmarc {
    pub fn check(&self) -> Result<(), String> {
        if !self.points.is_finite() {
            return Err(format!("dmarc: points = {} is no score", self.points));
        }
        match self.list_domains.iter().find(|domain| !is_domain(domain)) {
            Some(wrong) => Err(format!("dmarc: list_domains: {wrong:?} is no domain")),
            None => Ok(()),
        }
    }
}
