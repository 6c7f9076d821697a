//! Data about addresses and domains: a file is taken or refused, and what was taken makes rules or says where addresses are.
//!
//! The input's first byte chooses the kind of file.
#![no_main]
#![forbid(unsafe_code)]

use feeds::data;
use feeds::mmdb::Database;
use libfuzzer_sys::fuzz_target;
use mail::suffixes::Suffixes;
use mail::tld::Registry;

const NAMES: [(&str, &str); 7] = [
    ("rir-apnic", "delegated-apnic-extended-latest"),
    ("publicsuffix", "public_suffix_list.dat"),
    ("freemail", "domains.json"),
    ("disposable", "disposable_email_blocklist.conf"),
    ("spamhaus-drop", "drop_v4.json"),
    ("spamhaus-drop", "drop_v6.json"),
    ("country", "asn-country.mmdb"),
];

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let (set, name) = NAMES[usize::from(*first) % NAMES.len()];
    if name.ends_with(".mmdb")
        && let Ok(database) = Database::open(data.to_vec())
    {
        for address in ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1"] {
            let address = address.parse().expect("an address");
            assert!(database.country(address).is_none_or(|country| country.len() == 2));
            database.system(address);
        }
    }
    if set == "publicsuffix"
        && let Some(list) = std::str::from_utf8(data).ok().and_then(Suffixes::parse)
    {
        let registry = Registry::default().with_suffixes(Some(list.into()));
        for name in ["www.example.co.jp", "a.b.c.d.e.f.g.h.i.j", "xn--55qx5d.cn", "..", "", "com"] {
            assert!(name.ends_with(
                std::str::from_utf8(registry.organisation(name.as_bytes())).unwrap_or("?").trim_matches('.')
            ));
            registry.is_domain_valid(name.as_bytes());
        }
    }
    if data::check(name, data).is_ok()
        && let Some(text) = data::rules(set, &[(name, data)])
    {
        assert!(text.lines().all(|line| line.starts_with(|first: char| first.is_ascii_lowercase() || first == '#')));
    }
});
