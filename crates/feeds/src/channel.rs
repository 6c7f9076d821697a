//! Channels of `sa-update`: where the version stands in DNS, what the list of mirrors says, how an update's files are named.

use crate::Refusal;

/// The name whose TXT record has the version: that of the program with its parts turned round, then the channel.
pub fn version_name(program: &str, channel: &str) -> String {
    let mut parts: Vec<&str> = program.split('.').collect();
    parts.reverse();
    format!("{}.{channel}", parts.join("."))
}

/// The name whose TXT record has the address of the list of mirrors.
pub fn mirrors_name(channel: &str) -> String {
    format!("mirrors.{channel}")
}

/// A number; old versions are smaller.
pub fn version(records: &[String]) -> Result<u64, Refusal> {
    let wrong = || Refusal::Format(format!("DNS has no version of the channel but {records:?}"));
    let numbers = records.iter().filter_map(|text| text.trim().parse().ok()).filter(|version| *version > 0);
    numbers.max().ok_or_else(wrong)
}

/// A mirror and how much it is to be preferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Without the stroke at its end.
    pub url: String,
    pub weight: u32,
}

/// Mirrors taken of one list.
const MIRRORS: usize = 50;

/// `http://host/path weight=5` a line; what is none is passed over.
pub fn mirrors(list: &[u8]) -> Result<Vec<Mirror>, Refusal> {
    let list = String::from_utf8_lossy(list);
    let mirrors: Vec<Mirror> = list.lines().filter_map(mirror).take(MIRRORS).collect();
    match mirrors.is_empty() {
        true => Err(Refusal::Format("the list of mirrors names none".into())),
        false => Ok(mirrors),
    }
}

fn mirror(line: &str) -> Option<Mirror> {
    let line = line.split('#').next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let url = words.next().filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
    let weight = words.find_map(|word| word.strip_prefix("weight=")?.parse().ok());
    (url.len() <= 500)
        .then(|| Mirror { url: url.trim_end_matches('/').to_owned(), weight: weight.unwrap_or(1).clamp(1, 1000) })
}

/// In an order that a number between 0 and 1 decides by weight, the rest behind the first.
pub fn ordered(mut mirrors: Vec<Mirror>, chance: f64) -> Vec<Mirror> {
    let all: u32 = mirrors.iter().map(|mirror| mirror.weight).sum();
    let mut left = chance.clamp(0.0, 1.0) * f64::from(all);
    let first = mirrors.iter().position(|mirror| {
        left -= f64::from(mirror.weight);
        left < 0.0
    });
    mirrors.rotate_left(first.unwrap_or(0));
    mirrors
}

/// Files of a version: the archive, its checksums (the stronger first) and its signature.
pub fn files(version: u64) -> (String, [String; 2], String) {
    let archive = format!("{version}.tar.gz");
    let sums = [format!("{archive}.sha512"), format!("{archive}.sha256")];
    let signature = format!("{archive}.asc");
    (archive, sums, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_dns() {
        assert_eq!(version_name("4.0.1", "updates.spamassassin.org"), "1.0.4.updates.spamassassin.org");
        assert_eq!(version(&["1929413".into()]), Ok(1_929_413));
        assert!(version(&["<html>".into(), String::new(), "0".into(), "-1".into()]).is_err());
    }

    #[test]
    fn mirror_lists() {
        let list =
            b"# mirrors\r\nhttp://a.example/x/ weight=5\nhttps://b.example weight=x\nftp://c\n\n  http://d # near\n";
        let found = mirrors(list).unwrap();
        let shown: Vec<_> = found.iter().map(|mirror| (mirror.url.as_str(), mirror.weight)).collect();
        assert_eq!(shown, [("http://a.example/x", 5), ("https://b.example", 1), ("http://d", 1)]);
        for (chance, first) in [
            (0.0, "http://a.example/x"),
            (0.7, "http://a.example/x"),
            (0.75, "https://b.example"),
            (1.0, "http://a.example/x"),
        ] {
            assert_eq!(ordered(found.clone(), chance)[0].url, first, "{chance}");
        }
        assert!(mirrors(b"<html><body>moved</body></html>").is_err());
    }
}
