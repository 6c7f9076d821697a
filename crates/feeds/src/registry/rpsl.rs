//! RPSL objects as APNIC, RIPE and AFRINIC answer with them and publish them in bulk, and LACNIC's language, which is near
//! to it: `key: value`, objects apart by empty lines, a line that begins with a blank, a tab or `+` continues the last.

use super::{MOST_NETWORKS, Network, Reply, field, keep};
use crate::range::Range;

/// All `inetnum` objects of an answer or of a part of a database.
pub fn read(text: &str) -> Reply {
    let mut networks = Vec::new();
    let mut referral = None;
    for object in objects(text) {
        match network(object) {
            Some(network) if networks.len() < MOST_NETWORKS => networks.push(network),
            _ => {}
        }
        referral = referral.or_else(|| refers(object));
    }
    Reply::of(networks, referral)
}

/// The objects of a text, each with its lines.
pub fn objects(text: &str) -> impl Iterator<Item = &str> {
    // Line ends are CRLF from servers, LF in dumps.
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let mut end = rest.len();
            let mut next = rest.len();
            let mut at = 0;
            for line in rest.split_inclusive('\n') {
                if line.trim().is_empty() {
                    (end, next) = (at, at + line.len());
                    break;
                }
                at += line.len();
            }
            let object = &rest[..end];
            rest = &rest[next..];
            if !object.trim().is_empty() {
                return Some(object);
            }
        }
    })
}

/// The network that an object tells of, if it is one.
pub fn network(object: &str) -> Option<Network> {
    let mut network = Network::default();
    let mut found = false;
    let mut modified = String::new();
    let mut last = String::new();
    for line in object.lines() {
        if line.starts_with([' ', '\t', '+']) {
            let more = line.trim_start_matches('+').trim();
            if matches!(last.as_str(), "descr" | "owner") && !more.is_empty() {
                append(&mut network.holder, more);
            }
            continue;
        }
        let Some((key, value)) = field(line) else { continue };
        match key.as_str() {
            "inetnum" => {
                let range: Range = value.parse().ok()?;
                network.range = Some((range.first(), range.last()));
                found = true;
            }
            "netname" | "ownerid" => keep(&mut network.name, value),
            "descr" | "owner" | "org-name" => append(&mut network.holder, value),
            "country" => keep(&mut network.country, &value.chars().take(2).collect::<String>().to_ascii_uppercase()),
            "status" => keep(&mut network.status, value),
            // `changed: mail 20090811`, the last line is the latest.
            "changed" => network.changed = value.rsplit(' ').next().unwrap_or_default().to_owned(),
            "last-modified" => modified = value.to_owned(),
            "source" => keep(&mut network.source, value.split_whitespace().next().unwrap_or_default()),
            _ => {}
        }
        last = key;
    }
    if !modified.is_empty() {
        network.changed = modified;
    }
    found.then_some(network)
}

fn append(text: &mut String, more: &str) {
    if text.len() + more.len() < 1000 {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(more);
    }
}

/// `ReferralServer:` is ARIN's, but RPSL databases say `remarks: ... whois.nic.ad.jp` of what JPNIC and KRNIC know better.
fn refers(object: &str) -> Option<String> {
    let known = ["whois.nic.ad.jp", "whois.kisa.or.kr", "whois.twnic.net.tw"];
    known.into_iter().find(|host| object.contains(host)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// What the second talk shows of 180.94.8.6, with its parent.
    const TALK: &str = "% [whois.apnic.net node-1]\r\n\r\ninetnum:      180.94.0.0 - 180.94.31.255\r\nnetname:      GLOBALSPEED-PH\r\n\
        descr:        5th Flr JY Square Bldg\r\nstatus:       ALLOCATED PORTABLE\r\nmnt-by:       APNIC-HM\r\n\
        mnt-lower:    MAINT-GLOBALSPEED-PH\r\ncountry:      PH\r\nsource:       APNIC\r\n\r\n\
        inetnum:      180.94.8.0 - 180.94.8.255\r\nnetname:      Warpspeed-2-Tel\r\ndescr:        Wifi Provider\r\n\
        +             in Djibouti\r\ncountry:      PH\r\nadmin-c:      Gna30-AP\r\nstatus:       ALLOCATED NON-PORTABLE\r\n\
        mnt-by:       MAINT-GLOBALSPEED-PH\r\nchanged:      someone@example.ph 20090811\r\nsource:       APNIC\r\n";

    #[test]
    fn the_talks_network_and_its_parent() {
        let reply = read(TALK);
        let [child, parent] = reply.networks.as_slice() else { panic!("{reply:?}") };
        assert_eq!(child.range().unwrap().to_string(), "180.94.8.0/24");
        assert_eq!(child.name, "Warpspeed-2-Tel");
        assert_eq!(child.holder, "Wifi Provider, in Djibouti");
        assert_eq!(
            (child.country.as_str(), child.changed.as_str(), child.source.as_str()),
            ("PH", "20090811", "APNIC")
        );
        assert!(child.is_given_on() && !parent.is_given_on());
        assert_eq!((parent.name.as_str(), parent.range().unwrap().size()), ("GLOBALSPEED-PH", 8192));
        assert_eq!(reply.holding(Ipv4Addr::new(180, 94, 20, 6)).count(), 1);
    }

    #[test]
    fn lacnic_writes_short_prefixes() {
        let reply = read(
            "\n% Joint Whois - whois.lacnic.net\n\ninetnum:     200.57.128/19\nstatus:      allocated\nowner:       Some S.A.\n\
                          ownerid:     MX-SOSA-LACNIC\ncountry:     MX\ncreated:     20010101\nchanged:     20050505\n",
        );
        let [network] = reply.networks.as_slice() else { panic!("{reply:?}") };
        assert_eq!(network.range().unwrap().to_string(), "200.57.128.0/19");
        assert_eq!((network.name.as_str(), network.changed.as_str()), ("MX-SOSA-LACNIC", "20050505"));
    }

    #[test]
    fn what_is_no_network_is_left_out() {
        for text in [
            "",
            "% nothing found\n",
            "person: X\ncountry: JP\n",
            "inetnum: 1.2.3\n",
            "inetnum: 9.9.9.9 - 1.1.1.1\n",
            ":\n:::\n+\n",
        ] {
            assert_eq!(read(text).networks, [], "{text}");
        }
        assert_eq!(
            read("inetnum: 202.12.27.0/24\nremarks: ask whois.nic.ad.jp\n").referral.as_deref(),
            Some("whois.nic.ad.jp")
        );
    }
}
