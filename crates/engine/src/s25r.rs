//! S25R: does this client's name look like a computer at home rather than a mail server?
//!
//! In: the client's address, and its name where a forward look-up confirmed it. Out: the rule that hits. The rules are 浅見
//! 秀雄's (Selective SMTP Rejection, 2004); the first that hits counts. IPv4 only: names of IPv6 hosts hold long runs of
//! digits whoever they are. Who is exempt is not decided here: mail servers of the largest senders hit rules 1 and 2.

use regex::Regex;
use std::net::IpAddr;
use std::sync::LazyLock;

/// A rule, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule(u8);

impl Rule {
    pub fn number(self) -> u8 {
        self.0
    }

    /// As a rule of the verdict.
    pub fn name(self) -> String {
        format!("S25R_{}", self.0)
    }

    pub fn description(self) -> &'static str {
        RULES[usize::from(self.0)].1
    }
}

/// The rules by number: what hits (nothing: the missing name), and what that means.
static RULES: [(&str, &str); 7] = [
    ("", "The client has no name that a look-up confirms"),
    (r"^[^.]*[0-9][^0-9.]+[0-9].*\.", "The client's host name holds two numbers, as lines of end users do"),
    (r"^[^.]*[0-9]{5}", "The client's host name holds a long number, as lines of end users do"),
    (r"^([^.]+\.)?[0-9][^.]*\.[^.]+\..+\.[a-z]", "The client's name begins with numbers, as lines of end users do"),
    (r"^[^.]*[0-9]\.[^.]*[0-9]-[0-9]", "The client's name holds an address, as lines of end users do"),
    (r"^[^.]*[0-9]\.[^.]*[0-9]\.[^.]+\..+\.", "The client's name is deep and numbered, as lines of end users are"),
    (r"^(dhcp|dialup|ppp|[achrsvx]?dsl)[^.]*[0-9]", "The client's name is that of a dial-up or DSL line"),
];

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let pattern = |(text, _): &(&str, _)| Regex::new(text).expect("the patterns above are right: a test uses each");
    RULES[1..].iter().map(pattern).collect()
});

/// The first rule that hits. `confirmed_name`: what the address resolves to, if that resolves to the address.
pub fn rule(address: IpAddr, confirmed_name: Option<&str>) -> Option<Rule> {
    if address.to_canonical().is_ipv6() {
        return None;
    }
    let name =
        confirmed_name.map(|name| name.trim_end_matches('.').to_ascii_lowercase()).filter(|name| !name.is_empty());
    let Some(name) = name else { return Some(Rule(0)) };
    let hit = PATTERNS.iter().position(|pattern| pattern.is_match(&name))?;
    u8::try_from(hit + 1).ok().map(Rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(address: &str, name: &str) -> Option<u8> {
        rule(address.parse().unwrap(), Some(name).filter(|name| !name.is_empty())).map(Rule::number)
    }

    #[test]
    fn names_and_their_rules() {
        for (name, expected) in [
            ("", Some(0)),
            (".", Some(0)),
            ("220-139-165-188.dynamic.example.net", Some(1)),
            ("evrtwa1-ar3-4-65-157-048.evrtwa1.dsl-example.net", Some(1)),
            ("pool12345.example.net", Some(2)),
            ("398pkj.cm.example.no", Some(3)),
            ("host.101.169.23.62.rev.example.com", Some(3)),
            ("wbar9.chi1-4-11-085-222.dsl-example.net", Some(4)),
            ("d5.as16.nwbl0.wi.example.net", Some(5)),
            ("dhcp0339.vpm.resnet.group.example.edu", Some(6)),
            ("PPPbf708.tokyo-ip.example.ne.jp", Some(6)),
            ("xdsl-5790.example.pl", Some(6)),
            // Mail servers that hit all the same: why there is a list of well-known ones.
            ("mail-pj1-f54.google.com", Some(1)),
            ("mail-os0jpn01on20123.outbound.protection.outlook.com", Some(1)),
            ("mail-eopbgr12345.outbound.protection.outlook.com", Some(2)),
            ("a8-31.smtp-out.amazonses.com", Some(1)),
            ("qs51p00im-qukt01071902.me.com", Some(1)),
            ("sv14078.xserver.jp", Some(2)),
            ("conssluserg-03.nifty.com", None),
            // And lines of end users that do not.
            ("p1234-ipbf.tokyo.ocn.ne.jp", None),
            ("mx.example.jp", None),
            ("mx1.example.co.jp", None),
            ("www262.sakura.ne.jp", None),
        ] {
            assert_eq!(number("192.0.2.1", name), expected, "{name}");
        }
    }

    #[test]
    fn addresses_of_version_6_are_left_alone() {
        assert_eq!(number("2001:db8::1", ""), None);
        assert_eq!(number("2001:db8::1", "2001-0db8-0000-0001.example.net"), None);
        assert_eq!(number("::ffff:192.0.2.1", ""), Some(0));
    }
}
