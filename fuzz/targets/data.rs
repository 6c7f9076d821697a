//! Data about addresses and domains: a file is taken or refused, and what was taken makes rules or says where addresses are.
//!
//! The input's first byte chooses the kind of file.
#![no_main]
#![forbid(unsafe_code)]

use feeds::data;
use feeds::mmdb::Database;
use libfuzzer_sys::fuzz_target;

const NAMES: [(&str, &str); 6] = [
    ("rir-apnic", "delegated-apnic-extended-latest"),
    ("publicsuffix", "public_suffix_list.dat"),
    ("freemail", "domains.json"),
    ("disposable", "disposable_email_blocklist.conf"),
    ("spamhaus-drop", "drop_v4.json"),
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
    if data::check(name, data).is_ok()
        && let Some(text) = data::rules(set, &[(name, data)])
    {
        assert!(text.lines().all(|line| line.starts_with(|first: char| first.is_ascii_lowercase() || first == '#')));
    }
});
