//! What registries of addresses answer: whois in each of its languages, RDAP, the daily statistics; and ranges of addresses
//! with the patterns made of them.
//!
//! The first byte chooses.
#![no_main]
#![forbid(unsafe_code)]

use feeds::prefix6::Prefix6;
use feeds::range::{self, Range};
use feeds::registry::delegated::Delegations;
use feeds::registry::{Reply, SERVERS, rdap};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(180, 94, 8, 6);

fn sound(reply: &Reply) {
    let sizes: Vec<u64> = reply.networks.iter().map(|network| network.range().expect("has one").size()).collect();
    assert!(sizes.is_sorted(), "most specific first");
    assert!(reply.holding(ADDRESS).all(|network| network.range().is_some_and(|range| range.contains(ADDRESS))));
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    match first {
        b'r' => sound(&rdap::read(data)),
        b'd' => {
            let mut delegations = Delegations::default();
            delegations.add(&text);
            delegations.sort();
            delegations.find(ADDRESS);
            assert!(delegations.is_empty() == (delegations.len() == 0));
        }
        b'p' => {
            if let Ok(range) = text.parse::<Range>() {
                let read = range::of_pattern(&range.pattern()).expect("a pattern of ours");
                assert!(read.iter().map(|range| range.size()).sum::<u64>() == range.size());
            }
            range::of_pattern(&text);
        }
        b'6' => {
            if let Some(prefix) = Prefix6::parse(&text) {
                assert!(prefix.pattern().starts_with(r"^\[ ip=(?:"));
            }
        }
        other => sound(&SERVERS[usize::from(*other) % SERVERS.len()].0.read(&text)),
    }
});
