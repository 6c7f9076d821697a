//! Who is ours: by these the direction of a message is told.

use super::units::{Addresses, Network};
use serde::Deserialize;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Networks {
    /// Clients in these networks are ours.
    pub internal: Vec<Network>,
    /// Our recipients.
    pub domains: Vec<Addresses>,
}

impl Default for Networks {
    fn default() -> Self {
        let internal = [
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1",
            "fc00::/7",
            "fe80::/10",
        ];
        Networks {
            internal: internal.iter().map(|text| text.parse().expect("written here")).collect(),
            domains: Vec::new(),
        }
    }
}

impl Networks {
    pub fn is_internal(&self, address: IpAddr) -> bool {
        self.internal.iter().any(|network| network.contains(address))
    }

    pub fn is_ours(&self, recipient: &str) -> bool {
        !recipient.contains('@') || self.domains.iter().any(|ours| ours.has(recipient))
    }
}
