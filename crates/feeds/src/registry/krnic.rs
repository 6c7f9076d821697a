//! KRNIC's answers: a Korean block, then `# ENGLISH`; first the provider's range, then "More specific assignment
//! information". Ranges carry the lengths of the prefixes they are made of: `(/16+/18+/19)`.

use super::{Network, Reply, field, keep};
use crate::range::Range;

pub fn read(text: &str) -> Reply {
    let english = text.split_once("# ENGLISH").map_or(text, |(_, english)| english);
    let mut networks: Vec<Network> = Vec::new();
    for line in english.lines() {
        let Some((key, value)) = field(line) else { continue };
        match key.as_str() {
            "ipv4 address" => {
                let range = value.split('(').next().unwrap_or_default().trim().parse::<Range>().ok();
                let range = range.map(|range| (range.first(), range.last()));
                networks.push(Network { range, country: "KR".into(), source: "KRNIC".into(), ..Network::default() });
            }
            _ => {
                let Some(network) = networks.last_mut() else { continue };
                match key.as_str() {
                    "organization name" | "org name" => keep(&mut network.holder, value),
                    "service name" => keep(&mut network.name, value),
                    "network type" => keep(&mut network.status, value),
                    "registration date" | "reg. date" => keep(&mut network.changed, value),
                    _ => {}
                }
            }
        }
    }
    Reply::of(networks, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_and_customer() {
        let reply = read(
            "query : 61.254.160.1\n\n# KOREAN(UTF8)\n\nIPv4주소           : 61.254.160.0 - 61.255.255.255 (/16+/18+/19)\n기관명 : 어디\n\n\
             # ENGLISH\n\nKRNIC is not an ISP.\n\n[ Network Information ]\nIPv4 Address       : 61.254.160.0 - 61.255.255.255 (/16+/18+/19)\n\
             Organization Name  : Some Broadband\nService Name       : SOMENET\nRegistration Date  : 20010724\n\n\
             More specific assignment information is as follows.\n\n[ Network Information ]\nIPv4 Address       : 61.254.160.0 - 61.254.160.255 (/24)\n\
             Organization Name  : A Shop\nNetwork Type       : CUSTOMER\nRegistration Date  : 20090101\n",
        );
        let [child, parent] = reply.networks.as_slice() else { panic!("{reply:?}") };
        assert!(child.is_given_on() && child.holder == "A Shop" && child.country == "KR");
        assert_eq!((parent.name.as_str(), parent.range().unwrap().size()), ("SOMENET", 90_112));
    }
}
