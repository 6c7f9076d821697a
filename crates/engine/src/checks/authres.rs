//! What `Authentication-Results` fields of servers that we trust say.
//!
//! In: the fields above the internal (or trusted) border, as `authres_networks` has it. Out: one result a method. A
//! field counts whole or not at all: where a piece of it is no RFC 8601 grammar, or names a method, a result or a
//! property that no registry knows, nothing of it is believed. Where results differ, `pass` wins, else the topmost.

use super::perl;
use crate::check::{Arg, Context, Finding, Outcome};
use mail::HeaderRequest;
use std::collections::{BTreeMap, BTreeSet};

/// Result by method.
type Results = BTreeMap<&'static str, String>;

pub fn check_authres_result(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [method, wanted, ..] = args else { return Ok(Finding::NO) };
    let results = cx.memo.get_or_init(|| results(cx));
    let wanted = wanted.to_ascii_lowercase();
    Ok(match results.get(method.as_str()) {
        None => wanted == "missing",
        Some(result) => *result == wanted,
    }
    .into())
}

fn results(cx: &Context<'_>) -> Results {
    let setting = cx.settings.other("authres_networks").unwrap_or_default().to_ascii_lowercase();
    let view = match setting.as_str() {
        "all" => "ALL",
        "trusted" => "ALL-TRUSTED",
        _ => "ALL-INTERNAL",
    };
    let servers = |name: &str| -> BTreeSet<String> {
        cx.settings.others(name).flat_map(str::split_whitespace).map(str::to_ascii_lowercase).collect()
    };
    let trust = Trust { only: servers("authres_trusted_authserv"), ignored: servers("authres_ignored_authserv") };
    let mut results = Results::new();
    let Some(fields) = cx.views.header(&HeaderRequest::parse(view)) else { return results };
    for line in perl::lines(&fields.joined) {
        for (method, result) in parse(line, &trust).unwrap_or_default() {
            let kept = results.entry(method).or_insert_with(|| result.clone());
            if result == "pass" {
                *kept = result;
            }
        }
    }
    results
}

struct Trust {
    /// Where any are named, only these count.
    only: BTreeSet<String>,
    ignored: BTreeSet<String>,
}

/// A method with the results and the property types (`ptype.property`, `*` for any) that the registry has for it.
struct Method {
    name: &'static str,
    results: &'static [&'static str],
    properties: &'static [(&'static str, &'static [&'static str])],
}

/// The registry "Email Authentication Methods", and what large providers write beside it.
static METHODS: &[Method] = &[
    Method {
        name: "arc",
        results: &["fail", "none", "pass"],
        properties: &[("arc", &["chain"]), ("header", &["oldest-pass"]), ("smtp", &["remote-ip"])],
    },
    Method {
        name: "auth",
        results: &["fail", "none", "pass", "permerror", "temperror"],
        properties: &[("smtp", &["auth", "mailfrom"])],
    },
    Method {
        name: "dkim",
        results: &["fail", "neutral", "none", "pass", "permerror", "policy", "temperror"],
        properties: &[("header", &["a", "b", "d", "i", "s"])],
    },
    Method {
        name: "dkim-adsp",
        results: &["discard", "fail", "none", "nxdomain", "pass", "permerror", "temperror", "unknown"],
        properties: &[("header", &["from"])],
    },
    Method {
        name: "dkim-atps",
        results: &["fail", "neutral", "none", "pass", "permerror", "temperror"],
        properties: &[("header", &["from"])],
    },
    Method {
        name: "dmarc",
        results: &["bestguesspass", "fail", "none", "pass", "permerror", "temperror"],
        properties: &[("header", &["from"]), ("policy", &["dmarc"])],
    },
    Method {
        name: "dnswl",
        results: &["none", "pass", "permerror", "temperror"],
        properties: &[("dns", &["sec", "zone"]), ("policy", &["ip", "txt"])],
    },
    Method {
        name: "domainkeys",
        results: &["fail", "neutral", "none", "pass", "permerror", "policy", "temperror"],
        properties: &[("header", &["d", "from", "sender"])],
    },
    Method {
        name: "iprev",
        results: &["fail", "pass", "permerror", "temperror"],
        properties: &[("policy", &["iprev"])],
    },
    Method {
        name: "rrvs",
        results: &["fail", "none", "pass", "permerror", "temperror", "unknown"],
        properties: &[("smtp", &["rcptto"])],
    },
    Method { name: "sender-id", results: SPF_RESULTS, properties: &[("header", &["*"])] },
    Method {
        name: "smime",
        results: &["fail", "neutral", "none", "pass", "permerror", "policy", "temperror"],
        properties: &[("body", &["smime-identifer", "smime-issuer", "smime-part", "smime-serial"])],
    },
    Method {
        name: "spf",
        results: SPF_RESULTS,
        properties: &[("smtp", &["helo", "mailfrom", "mfrom", "rcpttodomain"])],
    },
    Method {
        name: "vbr",
        results: &["fail", "none", "pass", "permerror", "temperror"],
        properties: &[("header", &["md", "mv"])],
    },
];
const SPF_RESULTS: &[&str] =
    &["fail", "hardfail", "neutral", "none", "pass", "permerror", "policy", "softfail", "temperror"];

/// Most instances of ARC that one message may have.
const ARC_INSTANCES: u32 = 50;

/// The results of one header line; `None` where it is another field, or not to be believed.
fn parse(line: &[u8], trust: &Trust) -> Option<Vec<(&'static str, String)>> {
    let line = perl::chomp(line);
    let colon = memchr::memchr(b':', line)?;
    let arc = match line[..colon].to_ascii_lowercase().as_slice() {
        b"authentication-results" => false,
        b"arc-authentication-results" => true,
        _ => return None,
    };
    let mut cursor = Cursor { rest: &line[colon + 1..] };
    cursor.blanks();
    if arc {
        cursor.word("i")?;
        cursor.filling()?;
        cursor.byte(b'=')?;
        cursor.filling()?;
        let instance: u32 = str::parse(&cursor.run(|b| b.is_ascii_digit())?).ok()?;
        if !(1..=ARC_INSTANCES).contains(&instance) {
            return None;
        }
        cursor.filling()?;
        cursor.byte(b';')?;
        cursor.filling()?;
    }
    let server = cursor.run(is_token)?.to_ascii_lowercase();
    // Some begin with a result at once, and name nobody who found it.
    if cursor.byte(b'=').is_some() || trust.ignored.contains(&server) {
        return None;
    }
    if !trust.only.is_empty() && !trust.only.contains(&server) {
        return None;
    }
    cursor.filling()?;
    if cursor.run(|b| b.is_ascii_digit()).is_some() {
        cursor.filling()?;
    }
    cursor.byte(b';')?;
    cursor.filling()?;

    let mut found = Vec::new();
    while !cursor.rest.is_empty() {
        cursor.repeated_server(&server)?;
        found.push(cursor.result()?);
    }
    Some(found)
}

/// What is left of the line. Each step gives `None` where the line has something else.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn blanks(&mut self) {
        let blanks = self.rest.iter().take_while(|b| perl::is_space(**b)).count();
        self.rest = &self.rest[blanks..];
    }

    /// White space and a comment, if there are any. A comment must end.
    fn filling(&mut self) -> Option<()> {
        self.blanks();
        if self.rest.first() == Some(&b'(') {
            let mut open = 0u32;
            let end = self.rest.iter().position(|b| {
                match b {
                    b'(' => open += 1,
                    b')' => open -= 1,
                    _ => {}
                }
                open == 0
            })?;
            self.rest = &self.rest[end + 1..];
            self.blanks();
        }
        Some(())
    }

    fn byte(&mut self, wanted: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[wanted])?;
        Some(())
    }

    /// One byte or more of a kind.
    fn run(&mut self, kind: fn(u8) -> bool) -> Option<String> {
        let length = self.rest.iter().take_while(|b| kind(**b)).count();
        let (run, rest) = self.rest.split_at(length);
        self.rest = rest;
        (length > 0).then(|| String::from_utf8_lossy(run).into_owned())
    }

    /// This very word, any case.
    fn word(&mut self, word: &str) -> Option<()> {
        let (head, rest) = self.rest.split_at_checked(word.len())?;
        if !head.eq_ignore_ascii_case(word.as_bytes()) || rest.first().is_some_and(|b| perl::is_word(*b)) {
            return None;
        }
        self.rest = rest;
        Some(())
    }

    /// Some write their name again before each result.
    fn repeated_server(&mut self, server: &str) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix(server.as_bytes()) {
            let mut after = Cursor { rest };
            after.blanks();
            if after.byte(b';').is_some() {
                after.filling()?;
                self.rest = after.rest;
            }
        }
        Some(())
    }

    /// `method=result` with its reason and properties.
    fn result(&mut self) -> Option<(&'static str, String)> {
        let name = self.run(is_name)?.to_ascii_lowercase();
        let method = METHODS.iter().find(|method| method.name == name)?;
        self.filling()?;
        if self.byte(b'/').is_some() {
            self.filling()?;
            self.run(|b| b.is_ascii_digit())?;
            self.filling()?;
        }
        self.byte(b'=')?;
        self.filling()?;
        let result = self.run(perl::is_word)?;
        if !method.results.contains(&result.as_str()) {
            return None;
        }
        self.filling()?;
        for word in ["reason", "action"] {
            if self.word(word).is_some() {
                self.filling()?;
                self.byte(b'=')?;
                self.filling()?;
                self.value(|text| text.iter().take_while(|b| is_token(**b)).count())?;
                self.filling()?;
            }
        }
        while !self.rest.is_empty() {
            if self.byte(b';').is_some() {
                self.filling()?;
                break;
            }
            let kind = self.run(is_name)?.to_ascii_lowercase();
            let (_, properties) = method.properties.iter().find(|(name, _)| *name == kind)?;
            self.filling()?;
            self.byte(b'.')?;
            self.filling()?;
            let property = self.run(is_name)?.to_ascii_lowercase();
            if !properties.iter().any(|known| *known == "*" || *known == property) {
                return None;
            }
            self.filling()?;
            self.byte(b'=')?;
            self.filling()?;
            self.value(property_value)?;
            self.filling()?;
        }
        Some((method.name, result))
    }

    /// A quoted string, or the next place where `length` finds a value. SpamAssassin reads over what stands before it.
    fn value(&mut self, length: fn(&[u8]) -> usize) -> Option<()> {
        if let Some(quoted) = self.rest.strip_prefix(b"\"") {
            let mut at = 0;
            while at < quoted.len() && quoted[at] != b'"' {
                at += if quoted[at] == b'\\' { 2 } else { 1 };
            }
            if at > 0 {
                self.rest = quoted.get(at + 1..).unwrap_or_default();
                return Some(());
            }
        }
        let (start, length) = (0..self.rest.len()).map(|at| (at, length(&self.rest[at..]))).find(|(_, n)| *n > 0)?;
        self.rest = &self.rest[start + length..];
        Some(())
    }
}

/// Length of an address, a host name or a token that reaches up to a blank, a `;` or the end.
fn property_value(text: &[u8]) -> usize {
    let ends = |length: usize| text.get(length).is_none_or(|b| *b == b';' || perl::is_space(*b));
    let atoms = text.iter().take_while(|b| is_atom(**b) || **b == b'.').count();
    let dotted = text[..atoms].split(|b| *b == b'.').all(|atom| !atom.is_empty());
    let token = text.iter().take_while(|b| is_token(**b)).count();
    match () {
        () if atoms > 0 && dotted && ends(atoms) => atoms,
        () if ends(token) => token,
        () => 0,
    }
}

fn is_name(byte: u8) -> bool {
    perl::is_word(byte) || byte == b'-'
}

fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"@!#$%&\\'*+-/=?^_`{|}~".contains(&byte)
}

fn is_token(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | 0x80..) && !b"()<>@,;:/[]?=\"".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_whole_or_not_at_all() {
        let names = |list: &str| list.split_whitespace().map(String::from).collect::<BTreeSet<_>>();
        for (value, expected) in [
            ("mx.example.net; spf=pass smtp.mailfrom=a@example.org", Some("spf=pass")),
            ("mx.example.net 1; dkim=fail (bad (very)) reason=\"no; key\" header.d=example.org;", Some("dkim=fail")),
            ("mx.example.net; dkim=pass header.i=@example.org; spf=none smtp.helo=a.b", Some("dkim=pass spf=none")),
            ("mx.example.net; mx.example.net; spf=pass", Some("spf=pass")),
            ("mx.example.net; dkim / 1 = pass header . d = example.org", Some("dkim=pass")),
            ("mx.example.net; dmarc=pass action=none header.from=example.org", Some("dmarc=pass")),
            ("mx.example.net; none", None),
            ("spf=pass smtp.mailfrom=example.org", None),
            ("mx.example.net; spf=Pass", None),
            ("mx.example.net; spf=pass; magic=pass", None),
            ("mx.example.net; spf=pass header.d=example.org", None),
            ("mx.example.net; spf=pass (never closed", None),
            ("other.example.net; spf=pass", None),
            ("ignored.example.net; spf=pass", None),
            ("mx.example.net", None),
            ("", None),
        ] {
            let trust =
                Trust { only: names("mx.example.net ignored.example.net"), ignored: names("ignored.example.net") };
            let found = parse(format!("Authentication-Results: {value}\n").as_bytes(), &trust);
            let found = found.map(|all| all.iter().map(|(m, r)| format!("{m}={r}")).collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), expected, "{value}");
        }
        let anyone = Trust { only: BTreeSet::new(), ignored: BTreeSet::new() };
        let arc = |line: &str| parse(line.as_bytes(), &anyone).is_some();
        assert!(arc("ARC-Authentication-Results: i=1; mx.example.net; spf=pass"));
        assert!(!arc("ARC-Authentication-Results: i=51; mx.example.net; spf=pass"));
        assert!(!arc("ARC-Authentication-Results: mx.example.net; spf=pass"));
    }

    #[test]
    fn methods_are_sorted() {
        assert!(METHODS.is_sorted_by(|a, b| a.name < b.name));
    }
}
