//! JPNIC's answers, in Japanese or (`/e`) English: `a. [Network Number]  192.0.2.0/24`. Some have no letters before the
//! brackets. The network asked for comes first, its parents and children as plain lines behind a heading.

use super::{Network, Reply, keep};
use crate::range::Range;

pub fn read(text: &str) -> Reply {
    let mut networks: Vec<Network> = Vec::new();
    let mut among_parents = false;
    let mut line_before = "";
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        among_parents |= line.contains("Less Specific") || line.contains("上位情報");
        among_parents &= !(line.contains("More Specific") || line.contains("下位情報"));
        if let Some(parent) = parent(line, line_before).filter(|_| among_parents) {
            networks.push(parent);
        } else if let Some((key, value)) = labelled(line) {
            match (key, networks.first_mut()) {
                ("IPネットワークアドレス" | "Network Number", _) => networks.push(of(value.parse().ok())),
                (_, None) => {}
                ("ネットワーク名" | "Network Name", Some(network)) => keep(&mut network.name, value),
                ("組織名" | "Organization", Some(network)) => keep(&mut network.holder, value),
                ("割当年月日" | "Assigned Date", Some(network)) => keep(&mut network.changed, value),
                ("最終更新" | "Last Update", Some(network)) => network.changed = value.to_owned(),
                ("返却年月日" | "Return Date", Some(network)) if !value.is_empty() => {
                    network.status = "RETURNED".into()
                }
                _ => {}
            }
        }
        line_before = line;
    }
    Reply::of(networks, None)
}

/// `Some Provider   [Allocation]   192.0.2.0/23`; a long name has the line before to itself.
fn parent(line: &str, before: &str) -> Option<Network> {
    let (head, range) = line.rsplit_once(char::is_whitespace)?;
    let range = range.parse::<Range>().ok()?;
    let (name, kind) = head.trim_end().strip_suffix(']')?.rsplit_once('[')?;
    let name = if name.trim().is_empty() { before } else { name.trim() };
    Some(Network { holder: name.to_owned(), status: kind.to_owned(), ..of(Some(range)) })
}

fn of(range: Option<Range>) -> Network {
    let range = range.map(|range| (range.first(), range.last()));
    Network { range, country: "JP".into(), source: "JPNIC".into(), ..Network::default() }
}

/// `a. [Network Number]    192.0.2.0/24` or `[Network Number] 192.0.2.0/24`.
fn labelled(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start();
    let rest = match rest.split_once(". ") {
        Some((letter, rest)) if letter.len() == 1 => rest.trim_start(),
        _ => rest,
    };
    let (key, value) = rest.strip_prefix('[')?.split_once(']')?;
    Some((key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_letters_and_a_parent() {
        let reply = read(
            "[ JPNIC database provides information regarding IP address and ASN. ]\n\nNetwork Information:\na. [Network Number]             192.0.2.0/24\n\
             b. [Network Name]               EXAMPLE-NET\ng. [Organization]               Example Co., Ltd.\nm. [Administrative Contact]     XX00000JP\n\
             p. [Nameserver]\n[Assigned Date]                 2009/01/14\n[Return Date]\n[Last Update]                   2015/01/14 11:50:03(JST)\n\n\
             Less Specific Info.\n----------\nBig Provider Inc.\n                     [Allocation]                              192.0.0.0/20\n\n\
             More Specific Info.\n----------\nNo match!!\n",
        );
        let [child, parent] = reply.networks.as_slice() else { panic!("{reply:?}") };
        assert_eq!((child.name.as_str(), child.holder.as_str()), ("EXAMPLE-NET", "Example Co., Ltd."));
        assert_eq!((child.changed.as_str(), child.country.as_str()), ("2015/01/14 11:50:03(JST)", "JP"));
        assert_eq!(
            (parent.range().unwrap().to_string().as_str(), parent.status.as_str()),
            ("192.0.0.0/20", "Allocation")
        );
    }

    #[test]
    fn japanese_without_letters() {
        let reply = read(
            "[IPネットワークアドレス] 203.0.113.0/26\n[ネットワーク名] REI\n[組織名] 例示株式会社\n[返却年月日] 2020/01/01\n",
        );
        let [network] = reply.networks.as_slice() else { panic!("{reply:?}") };
        assert_eq!((network.holder.as_str(), network.status.as_str()), ("例示株式会社", "RETURNED"));
    }
}
