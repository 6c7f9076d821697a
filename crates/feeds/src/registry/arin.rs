//! ARIN's answers to `n + ADDRESS`: several networks, the least specific first, and perhaps a server that knows more; and
//! RWhois, which such servers may speak.

use super::{MOST_NETWORKS, Network, Reply, field, keep};
use crate::range::Range;

pub fn read(text: &str) -> Reply {
    let mut networks: Vec<Network> = Vec::new();
    let mut referral = None;
    for line in text.lines() {
        let Some((key, value)) = line.strip_prefix("network:").map_or_else(|| field(line), rwhois) else { continue };
        if matches!(key.as_str(), "netrange" | "ip-network") {
            let range: Option<Range> = value.parse().ok();
            if networks.len() < MOST_NETWORKS {
                let range = range.map(|range| (range.first(), range.last()));
                networks.push(Network { range, source: "ARIN".into(), ..Network::default() });
            }
            continue;
        }
        if key == "referralserver" {
            // The last one counts.
            referral = Some(value.to_owned());
            continue;
        }
        let Some(network) = networks.last_mut() else { continue };
        match key.as_str() {
            "netname" | "network-name" => keep(&mut network.name, value),
            "orgname" | "custname" | "org-name" | "organization" => keep(&mut network.holder, value),
            "country" | "country-code" => keep(&mut network.country, &value.to_ascii_uppercase()),
            "nettype" => keep(&mut network.status, value),
            "updated" => network.changed = value.to_owned(),
            "regdate" => keep(&mut network.changed, value),
            _ => {}
        }
    }
    Reply::of(networks, referral)
}

/// `network:IP-Network:192.0.2.0/24`, also `network:IP-Network;I:`.
fn rwhois(rest: &str) -> Option<(String, &str)> {
    let (key, value) = field(rest)?;
    Some((key.split(';').next().unwrap_or_default().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_comes_first() {
        let reply = read(
            "#\n# ARIN WHOIS data\n#\n\nNetRange:       198.51.0.0 - 198.51.255.255\nCIDR:           198.51.0.0/16\nNetName:        BIG\n\
             NetType:        Direct Allocation\nOrgName:        Big Carrier\nCountry:        US\nRegDate:        1998-09-25\n\
             Updated:        2020-01-02\nReferralServer: rwhois://rwhois.example.net:4321\n\n\
             NetRange:       198.51.100.0 - 198.51.100.255\nNetName:        SMALL-1\nNetType:        Reassigned\nCustName:       Small Shop\n",
        );
        let names: Vec<_> = reply.networks.iter().map(|network| network.name.as_str()).collect();
        assert_eq!(names, ["SMALL-1", "BIG"]);
        assert!(reply.networks[0].is_given_on());
        assert_eq!((reply.networks[1].country.as_str(), reply.networks[1].changed.as_str()), ("US", "2020-01-02"));
        assert_eq!(reply.referral.as_deref(), Some("rwhois://rwhois.example.net:4321"));
    }

    #[test]
    fn rwhois_answers() {
        let reply = read(
            "%rwhois V-1.5\nnetwork:ID:NET-1\nnetwork:IP-Network:192.0.2.64/26\nnetwork:Org-Name;I:A Customer\nnetwork:Country-Code:ca\n%ok\n",
        );
        let [network] = reply.networks.as_slice() else { panic!("{reply:?}") };
        assert_eq!((network.holder.as_str(), network.country.as_str()), ("A Customer", "CA"));
        assert_eq!(network.range().unwrap().to_string(), "192.0.2.64/26");
    }
}
