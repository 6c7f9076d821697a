//! `[impersonation]`: in whose name others might write to us, officers and brands of our own.
//!
//! In: names, and the addresses and domains that are really theirs. Out: the lines `officer` and `brand` of rule files
//! (docs/japanese.md), since that is what checks go by; a site that writes rule files may go on to write them there. What
//! a rule file would merely warn of is an error here: a misspelt address makes the president himself a forger.

use serde::Deserialize;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impersonation {
    pub officers: Vec<Officer>,
    pub brands: Vec<Brand>,
}

/// Somebody in whose name others might give orders.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    pub names: Vec<String>,
    /// Addresses, and domains with all below them, that he really writes from.
    pub addresses: Vec<String>,
}

/// A name that customers know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brand {
    /// A word for reports.
    pub id: String,
    pub names: Vec<String>,
    pub domains: Vec<String>,
}

/// Entries of each list: every message is compared with all of them.
const MOST: usize = 1_000;

/// Domains in which everybody can have a mailbox: as a whole they are nobody's.
const EVERYBODYS: &[&str] = &[
    "aol.com",
    "docomo.ne.jp",
    "excite.co.jp",
    "ezweb.ne.jp",
    "gmail.com",
    "gmx.com",
    "hotmail.co.jp",
    "hotmail.com",
    "i.softbank.jp",
    "icloud.com",
    "live.com",
    "live.jp",
    "me.com",
    "nifty.com",
    "outlook.com",
    "outlook.jp",
    "proton.me",
    "qq.com",
    "softbank.ne.jp",
    "yahoo.co.jp",
    "yahoo.com",
];

impl Impersonation {
    pub(super) fn check(&self) -> Result<(), String> {
        for (list, length) in [("officers", self.officers.len()), ("brands", self.brands.len())] {
            if length > MOST {
                return Err(format!("impersonation: {length} {list} are more than {MOST}"));
            }
        }
        for (at, officer) in self.officers.iter().enumerate() {
            let place = entry("officers", at, officer.names.first());
            names(&place, &officer.names)?;
            if officer.addresses.is_empty() {
                return Err(format!(
                    "{place}: addresses is empty: name those, or the domain, that the officer writes from"
                ));
            }
            officer.addresses.iter().try_for_each(|address| is_sound(&place, address))?;
        }
        for (at, brand) in self.brands.iter().enumerate() {
            let place = entry("brands", at, Some(&brand.id));
            let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if brand.id.is_empty() || !brand.id.bytes().all(word) {
                return Err(format!("{place}: id {:?} is no word of letters, digits, - and _", brand.id));
            }
            names(&place, &brand.names)?;
            if brand.domains.is_empty() {
                return Err(format!("{place}: domains is empty: name those that are really the brand's"));
            }
            for domain in &brand.domains {
                if domain.contains('@') {
                    return Err(format!("{place}: {domain:?} is an address; domains holds domains"));
                }
                is_sound(&place, domain)?;
            }
        }
        Ok(())
    }

    /// The same as lines of a rule file.
    pub fn lines(&self) -> Vec<String> {
        let quoted = |names: &[String]| names.iter().map(|name| format!(" \"{name}\"")).collect::<String>();
        let officers = self.officers.iter().map(|o| format!("officer{} {}", quoted(&o.names), o.addresses.join(" ")));
        let brands = self.brands.iter().map(|b| format!("brand {} {}{}", b.id, b.domains.join(" "), quoted(&b.names)));
        officers.chain(brands).collect()
    }
}

/// `impersonation: officers, entry 2 ("佐伯 正弘")`.
fn entry(list: &str, at: usize, name: Option<&String>) -> String {
    match name {
        Some(name) => format!("impersonation: {list}, entry {} ({name:?})", at + 1),
        None => format!("impersonation: {list}, entry {}", at + 1),
    }
}

fn names(place: &str, names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        return Err(format!("{place}: names is empty: write the name as mail shows it"));
    }
    for name in names {
        if name.chars().any(|c| c == '"' || c.is_control()) {
            return Err(format!("{place}: the name {name:?} holds a quotation mark or a control character"));
        }
        if name.chars().filter(|c| c.is_alphanumeric()).count() < 2 {
            return Err(format!("{place}: the name {name:?} has fewer than two letters and would be found everywhere"));
        }
    }
    Ok(())
}

/// An address, or a domain.
fn is_sound(place: &str, written: &str) -> Result<(), String> {
    let domain = match written.rsplit_once('@') {
        Some(("", domain)) => domain,
        Some((_, domain)) => return check_domain(place, written, domain),
        None => written,
    };
    if EVERYBODYS.contains(&domain.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "{place}: everybody can have a mailbox in {domain}; write the whole address (name@{domain})"
        ));
    }
    check_domain(place, written, domain)
}

fn check_domain(place: &str, written: &str, domain: &str) -> Result<(), String> {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let sound = domain.contains('.') && domain.split('.').all(label);
    let blank = written.chars().any(|c| c.is_whitespace() || c == '"' || c.is_control());
    match sound && !blank {
        true => Ok(()),
        false => Err(format!("{place}: {written:?} is neither an address nor a domain (letters, digits, - and dots)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<String>, String> {
        let read: Impersonation = toml::from_str(text).map_err(|error| error.to_string())?;
        read.check()?;
        Ok(read.lines())
    }

    #[test]
    fn entries_become_lines_of_rules() {
        let text = "[[officers]]\nnames = [\"佐伯 正弘\", \"Masahiro Saeki\"]\naddresses = [\"example.co.jp\", \"saeki@home.example\"]\n\
                    [[brands]]\nid = \"mybank\"\nnames = [\"My Bank\"]\ndomains = [\"mybank.example\"]\n";
        let wanted = [
            "officer \"佐伯 正弘\" \"Masahiro Saeki\" example.co.jp saeki@home.example",
            "brand mybank mybank.example \"My Bank\"",
        ];
        assert_eq!(check(text).unwrap(), wanted);
        assert!(check("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_entry() {
        let officer = |names: &str, addresses: &str| {
            check(&format!("officers = [{{ names = {names}, addresses = {addresses} }}]")).unwrap_err()
        };
        let said = officer("[\"佐伯 正弘\"]", "[\"gmail.com\"]");
        assert!(said.contains("entry 1 (\"佐伯 正弘\")") && said.contains("name@gmail.com"), "{said}");
        assert!(officer("[]", "[\"a.example\"]").contains("names is empty"));
        assert!(officer("[\"A B\"]", "[]").contains("addresses is empty"));
        assert!(officer("[\"A\"]", "[\"a.example\"]").contains("fewer than two"));
        assert!(officer("['A\"B']", "[\"a.example\"]").contains("quotation mark"));
        assert!(officer("[\"A B\"]", "[\"nowhere\"]").contains("neither an address nor a domain"));
        assert!(officer("[\"A B\"]", "[\"a b@c.example\"]").contains("neither an address nor a domain"));
        let brand = |id: &str, domain: &str| {
            check(&format!("brands = [{{ id = {id:?}, names = [\"Mine\"], domains = [{domain:?}] }}]"))
        };
        assert!(brand("my bank", "a.example").unwrap_err().contains("no word"));
        assert!(brand("mine", "x@a.example").unwrap_err().contains("is an address"));
        assert!(brand("mine", "a.example").is_ok());
        assert!(check("officers = [{ name = \"x\" }]").unwrap_err().contains("unknown field"));
    }
}
