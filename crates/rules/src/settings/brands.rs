//! `brand`: well-known names, and the domains that belong to them.
//!
//! In: lines of rule files (the shipped table is `rules/35_brands.cf`). Out: which names a text shows, whose domain a host
//! is, and which names a host holds that are not its owner's. All of it is sorted lists: a table of hundreds of names costs
//! a message a few microseconds.

use super::names::{Folded, above, is_domain, quoted_words};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A line of the table, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BrandId(u16);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Brands {
    /// In the order of their first lines.
    ids: Vec<String>,
    domains: BTreeMap<String, Vec<BrandId>>,
    /// Domains in which everybody may have a mailbox; with a dot in front, everybody may have a domain below.
    mailboxes: BTreeSet<String>,
    /// Sorted by text.
    aliases: Vec<Alias>,
    /// Latin aliases, and what stands before the public suffix in a domain: what forged hosts are made of.
    in_hosts: BTreeMap<String, Vec<BrandId>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Alias {
    text: Vec<char>,
    brand: BrandId,
    /// Counts only where it is the whole name.
    whole: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrandFault {
    /// No domain or no alias at all.
    Incomplete,
    /// An alias shorter than two letters, and not whole.
    TooShort,
    /// More names than can be counted.
    TooMany,
}

impl Brands {
    /// Takes `ID domain ... alias ...`.
    pub fn add(&mut self, line: &str) -> Result<(), BrandFault> {
        let mut words = quoted_words(line).into_iter();
        let Some((id, _)) = words.next() else { return Err(BrandFault::Incomplete) };
        let words: Vec<_> = words.collect();
        if words.is_empty() {
            return Err(BrandFault::Incomplete);
        }
        let known = self.ids.iter().position(|known| known.eq_ignore_ascii_case(&id));
        let at = known.unwrap_or(self.ids.len());
        let brand = BrandId(u16::try_from(at).map_err(|_| BrandFault::TooMany)?);
        let mut fault = Ok(());
        for (word, quoted) in &words {
            let everybodys = word.strip_prefix('~').filter(|_| !quoted);
            let below = everybodys.and_then(|rest| rest.strip_prefix('.'));
            let domain = below.or(everybodys).unwrap_or(word);
            if !quoted && is_domain(domain) {
                let domain = domain.to_ascii_lowercase();
                if let Some(written) = everybodys {
                    self.mailboxes.insert(written.to_ascii_lowercase());
                }
                let label = domain.split('.').next().unwrap_or_default();
                if label.len() >= 5 && domain.matches('.').count() <= 2 && !ORDINARY.contains(&label) {
                    enter(&mut self.in_hosts, &skeleton(label), brand);
                }
                enter(&mut self.domains, &domain, brand);
                continue;
            }
            let (text, whole) = match word.strip_prefix('=') {
                Some(rest) if !quoted => (rest, true),
                _ => (word.as_str(), false),
            };
            let text = Folded::new(&mail::views::text::normalised(text));
            if text.chars.len() < 2 && !whole || text.chars.is_empty() {
                fault = Err(BrandFault::TooShort);
                continue;
            }
            let latin: String = text.text();
            if !whole && latin.is_ascii() && latin.len() >= 4 {
                enter(&mut self.in_hosts, &skeleton(&latin), brand);
            }
            let alias = Alias { text: text.chars, brand, whole };
            if let Err(at) = self.aliases.binary_search(&alias) {
                self.aliases.insert(at, alias);
            }
        }
        if known.is_none() {
            self.ids.push(id);
        }
        fault
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn id(&self, brand: BrandId) -> &str {
        self.ids.get(usize::from(brand.0)).map_or("", String::as_str)
    }

    /// Who owns a host; several names may share a domain.
    pub fn owners(&self, host: &str) -> &[BrandId] {
        let host = host.to_ascii_lowercase();
        above(&host).find_map(|domain| self.domains.get(domain)).map_or(&[], Vec::as_slice)
    }

    /// Whether everybody may have a mailbox in this very domain, or a domain of his own there: it says nothing of who
    /// writes.
    pub fn is_mailbox(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.mailboxes.contains(&host) || above(&host).any(|domain| self.mailboxes.contains(&format!(".{domain}")))
    }

    /// The names that a normalised text shows, each once, with where it begins (in letters). `within`: only so many
    /// letters from the beginning are looked at; `whole` ones are found where nothing else stands but words of courtesy.
    pub fn named(&self, text: &str, within: usize) -> Vec<(BrandId, usize)> {
        let folded = Folded::new(text);
        let mut found: Vec<(BrandId, usize)> = Vec::new();
        let mut essence = None;
        for at in 0..folded.chars.len().min(within) {
            let first = folded.chars[at];
            let from = self.aliases.partition_point(|alias| alias.text.first() < Some(&first));
            for alias in self.aliases[from..].iter().take_while(|alias| alias.text.first() == Some(&first)) {
                if found.iter().any(|(brand, _)| *brand == alias.brand) || folded.name_at(at, &alias.text).is_none() {
                    continue;
                }
                if alias.whole
                    && *essence.get_or_insert_with(|| without_courtesy(&folded.text()))
                        != alias.text.iter().collect::<String>()
                {
                    continue;
                }
                found.push((alias.brand, at));
            }
        }
        found
    }

    /// Names that a host holds as one of its words, letters changed for look-alikes or not.
    pub fn in_host(&self, host: &str) -> Vec<BrandId> {
        let mut found: Vec<BrandId> = Vec::new();
        let mut add = |word: &str| {
            if let Some(brands) = self.in_hosts.get(&skeleton(word)) {
                brands.iter().for_each(|brand| {
                    if !found.contains(brand) {
                        found.push(*brand);
                    }
                });
            }
        };
        let host = host.to_ascii_lowercase();
        for label in host.split('.') {
            add(label);
            if label.contains(['-', '_']) {
                label.split(['-', '_']).for_each(&mut add);
            }
        }
        found
    }
}

/// First labels of domains in the table that stand in anybody's host names.
const ORDINARY: &[&str] = &[
    "accounts",
    "android",
    "apple",
    "azure",
    "beauty",
    "booking",
    "canva",
    "chase",
    "courts",
    "customs",
    "digital",
    "energia",
    "family",
    "force",
    "freee",
    "github",
    "google",
    "hotmail",
    "icloud",
    "infoseek",
    "kraken",
    "ledger",
    "loyalty",
    "matsui",
    "mobile",
    "nomura",
    "notion",
    "office",
    "outlook",
    "recruit",
    "sakura",
    "skype",
    "slack",
    "stripe",
    "teams",
    "txn-email",
    "value-domain",
    "welcome",
    "wester",
    "windows",
    "workplace",
    "yahoo",
    "youtube",
];

fn enter(map: &mut BTreeMap<String, Vec<BrandId>>, key: &str, brand: BrandId) {
    let list = map.entry(key.to_owned()).or_default();
    if !list.contains(&brand) {
        list.push(brand);
    }
}

/// A word of a host with the letters that pass for each other made one: amaz0n, arnazon and amazon are the same.
fn skeleton(word: &str) -> String {
    let word = word.to_ascii_lowercase().replace("rn", "m").replace("vv", "w").replace(['-', '_'], "");
    word.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            '2' => 'z',
            other => other,
        })
        .collect()
}

/// A name without what any firm's name may carry: "Apple Support", "【Visa】お知らせ", "株式会社...".
fn without_courtesy(name: &str) -> String {
    const COURTESY: &[&str] = &[
        "カスタマーサービス",
        "カスタマーサポート",
        "カスタマーセンター",
        "カスタマー",
        "サポートセンター",
        "サポート",
        "サービスセンター",
        "サービス",
        "センター",
        "事務局",
        "お知らせ",
        "ご案内",
        "通知",
        "公式",
        "株式会社",
        "会員",
        "セキュリティ",
        "より",
        "からの",
        "カード",
        "japan",
        "support",
        "service",
        "services",
        "team",
        "info",
        "news",
        "noreply",
        "account",
        "accounts",
        "id",
        "security",
        "customer",
        "center",
        "alert",
        "alerts",
        "notice",
        "inc",
        "cojp",
        "com",
        "jp",
    ];
    let mut rest = name;
    loop {
        let shorter = COURTESY.iter().find_map(|word| {
            rest.strip_suffix(word).or_else(|| rest.strip_prefix(word)).filter(|shorter| !shorter.is_empty())
        });
        match shorter {
            Some(shorter) => rest = shorter,
            None => return rest.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Brands {
        let mut brands = Brands::default();
        brands.add("amazon amazon.co.jp amazon.com Amazon アマゾン").unwrap();
        brands.add("apple apple.com =Apple \"Apple ID\"").unwrap();
        brands.add("jr eki-net.com えきねっと").unwrap();
        brands.add("amazon amazonaws.com").unwrap();
        brands
    }

    fn ids(brands: &Brands, found: &[(BrandId, usize)]) -> Vec<String> {
        found.iter().map(|(brand, _)| brands.id(*brand).to_owned()).collect()
    }

    #[test]
    fn lines_add_up_and_faults_are_told() {
        let mut brands = table();
        assert_eq!(brands.len(), 3);
        assert_eq!(brands.add("x"), Err(BrandFault::Incomplete));
        assert_eq!(brands.add(""), Err(BrandFault::Incomplete));
        assert_eq!(brands.add("y y.example Y"), Err(BrandFault::TooShort));
    }

    #[test]
    fn domains_that_say_nothing_of_who_writes() {
        let mut brands = Brands::default();
        brands.add("mail ~mail.example Mailer").unwrap();
        brands.add("towns ~.lg.example 市役所").unwrap();
        assert!(brands.is_mailbox("mail.example") && !brands.is_mailbox("news.mail.example"));
        assert!(brands.is_mailbox("city.oak.lg.example") && !brands.is_mailbox("xlg.example"));
        assert_eq!(brands.owners("city.oak.lg.example").len(), 1);
    }

    #[test]
    fn names_in_texts() {
        let brands = table();
        assert_eq!(ids(&brands, &brands.named("Amazon.co.jp", 99)), ["amazon"]);
        assert_eq!(ids(&brands, &brands.named("アマゾンからのお知らせ", 99)), ["amazon"]);
        assert_eq!(ids(&brands, &brands.named("Apple Support", 99)), ["apple"]);
        assert!(brands.named("Apple pie recipes", 99).is_empty());
        assert!(brands.named("Ana Amazonia", 99).is_empty());
        assert!(brands.named("ご注文の控え：木工房より発送、Amazon倉庫", 10).is_empty());
    }

    #[test]
    fn hosts() {
        let brands = table();
        assert_eq!(brands.owners("www.AMAZON.co.jp").len(), 1);
        assert!(brands.owners("amazon.co.jp.evil.example").is_empty());
        assert_eq!(brands.in_host("amaz0n-login.example").len(), 1);
        assert_eq!(brands.in_host("www.arnazon.example").len(), 1);
        assert_eq!(brands.in_host("ekinet.example").len(), 1);
        assert!(brands.in_host("amazonia.example").is_empty());
    }
}
