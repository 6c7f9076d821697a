//! What the registries of addresses say, in each of their languages: who holds a range, in which country, since when.
//!
//! In: answers of whois servers (RPSL of APNIC, RIPE and AFRINIC; ARIN; LACNIC; KRNIC; JPNIC) and of RDAP, and the daily
//! statistics of the five RIRs. Out: [`Network`]s, most specific first. What a field says is kept as it was said, country
//! and description may contradict each other. Nobody is asked here: `app` does that.

pub mod arin;
pub mod delegated;
pub mod jpnic;
pub mod krnic;
pub mod origin;
pub mod rdap;
pub mod rpsl;

use crate::range::Range;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// No answer has more fields, lines and networks than this in what we look at.
const MOST_NETWORKS: usize = 1000;

/// A range of addresses and who has it, as far as the source says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// First and last address; `None` only while it is read.
    pub range: Option<(Ipv4Addr, Ipv4Addr)>,
    /// `GLOBALSPEED-PH`: the registry's short name.
    pub name: String,
    /// Who has it, in words.
    pub holder: String,
    /// Two letters, upper case; empty: not said.
    pub country: String,
    /// `ALLOCATED NON-PORTABLE`, `CUSTOMER`, `Direct Allocation` ...
    pub status: String,
    /// Last change as written: `20090811`, `2015/01/14 11:50:03(JST)`, an ISO date.
    pub changed: String,
    /// `APNIC`, `RIPE` ...; empty: not said.
    pub source: String,
}

impl Network {
    pub fn range(&self) -> Option<Range> {
        self.range.and_then(|(first, last)| Range::new(first, last))
    }

    /// Given on by somebody who has it from the registry, not held by himself: what an ISP gives its customers.
    pub fn is_given_on(&self) -> bool {
        let status = self.status.to_ascii_uppercase();
        // ALLOCATED PA is what a registry gives a provider; ASSIGNED PA what he gives on.
        ["NON-PORTABLE", "CUSTOMER", "REASSIGN", "REALLOCAT", "ASSIGNED PA", "SUB-ALLOCATED"]
            .iter()
            .any(|given_on| status.contains(given_on))
    }
}

/// An answer read: the networks, the most specific one first, and whom to ask instead if it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub networks: Vec<Network>,
    /// `whois://host:port` or `rwhois://host:port`, as ARIN says it; else a server's name.
    pub referral: Option<String>,
}

impl Reply {
    fn of(mut networks: Vec<Network>, referral: Option<String>) -> Reply {
        networks.retain(|network| network.range().is_some());
        networks.sort_by_key(|network| network.range().map_or(u64::MAX, Range::size));
        networks.dedup();
        Reply { networks, referral }
    }

    /// Only those that hold the address.
    pub fn holding(&self, address: Ipv4Addr) -> impl Iterator<Item = &Network> {
        self.networks.iter().filter(move |network| network.range().is_some_and(|range| range.contains(address)))
    }
}

/// The servers of whois, and what their answers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Afrinic,
    Apnic,
    Arin,
    Jpnic,
    Krnic,
    Lacnic,
    Ripe,
}

/// In the order of [`Server`].
pub const SERVERS: &[(Server, &str)] = &[
    (Server::Afrinic, "whois.afrinic.net"),
    (Server::Apnic, "whois.apnic.net"),
    (Server::Arin, "whois.arin.net"),
    (Server::Jpnic, "whois.nic.ad.jp"),
    (Server::Krnic, "whois.kisa.or.kr"),
    (Server::Lacnic, "whois.lacnic.net"),
    (Server::Ripe, "whois.ripe.net"),
];

impl Server {
    pub fn host(self) -> &'static str {
        SERVERS.iter().find(|(server, _)| *server == self).map_or("", |(_, host)| host)
    }

    /// By a registry's name as the statistics say it (`apnic`, `ripencc`) or a host's name.
    pub fn of(name: &str) -> Option<Server> {
        let name = name.to_ascii_lowercase();
        if name == "ripencc" {
            return Some(Server::Ripe);
        }
        SERVERS
            .iter()
            .find(|(_, host)| name == *host || host.split('.').any(|label| label == name))
            .map(|(server, _)| *server)
    }

    /// What to send on the connection, line end included.
    pub fn query(self, address: Ipv4Addr) -> String {
        match self {
            Server::Arin => format!("n + {address}\r\n"),
            // Least specific objects too: the parent is what one registers.
            Server::Afrinic | Server::Apnic | Server::Ripe => format!("-L {address}\r\n"),
            Server::Jpnic => format!("NET {address}/e\r\n"),
            Server::Krnic | Server::Lacnic => format!("{address}\r\n"),
        }
    }

    /// `text` is decoded already: JPNIC answers in ISO-2022-JP, RPSL databases in Latin-1, KRNIC in UTF-8.
    pub fn read(self, text: &str) -> Reply {
        match self {
            Server::Afrinic | Server::Apnic | Server::Ripe | Server::Lacnic => rpsl::read(text),
            Server::Arin => arin::read(text),
            Server::Jpnic => jpnic::read(text),
            Server::Krnic => krnic::read(text),
        }
    }
}

/// `key: value` with the key in lower case; lines without a colon, comments and remarks of the server are `None`.
fn field(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['%', '#']) {
        return None;
    }
    let (key, value) = line.split_once(':')?;
    let key = key.trim();
    (!key.is_empty() && key.len() <= 60).then(|| (key.to_ascii_lowercase(), value.trim()))
}

/// The first that is said counts.
fn keep(slot: &mut String, value: &str) {
    if slot.is_empty() {
        slot.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_gives_on_is_told_from_what_he_has() {
        for (status, given_on) in [
            ("ALLOCATED PORTABLE", false),
            ("ALLOCATED NON-PORTABLE", true),
            ("ASSIGNED NON-PORTABLE", true),
            ("ALLOCATED PA", false),
            ("ASSIGNED PA", true),
            ("SUB-ALLOCATED PA", true),
            ("ASSIGNED PI", false),
            ("LEGACY", false),
            ("Direct Allocation", false),
            ("Reallocated", true),
            ("Reassigned", true),
            ("CUSTOMER", true),
            ("", false),
        ] {
            let network = Network { status: status.into(), ..Network::default() };
            assert_eq!(network.is_given_on(), given_on, "{status}");
        }
    }

    #[test]
    fn servers_are_in_order_and_found() {
        assert!(SERVERS.windows(2).all(|pair| pair[0].1 != pair[1].1));
        for (name, server) in [
            ("apnic", Some(Server::Apnic)),
            ("ripencc", Some(Server::Ripe)),
            ("whois.nic.ad.jp", Some(Server::Jpnic)),
            ("kisa", Some(Server::Krnic)),
            ("example", None),
        ] {
            assert_eq!(Server::of(name), server, "{name}");
        }
        assert_eq!(Server::Arin.query(Ipv4Addr::new(192, 0, 2, 1)), "n + 192.0.2.1\r\n");
    }
}
