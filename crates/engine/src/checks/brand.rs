//! Checks on borrowed names: well-known firms (`brand`) and one's own officers (`officer`).
//!
//! What is compared is what a reader sees: the text view's subject and display name, and hosts as browsers read them. The
//! tables are settings, so a site adds its bank or its board without touching a rule.

use super::values;
use crate::check::{Arg, Context, Finding, Outcome};
use mail::tld::unicode_label;
use mail::views::UriTypes;
use rules::settings::{BrandId, Shown};
use std::rc::Rc;

/// What the message shows of well-known names; worked out once.
#[derive(Default)]
struct Borrowed {
    /// In the display name of From.
    in_name: Vec<BrandId>,
    /// In the subject: near its beginning or in brackets.
    in_subject: Vec<BrandId>,
    /// Whose domain the From address is in.
    owners: Vec<BrandId>,
    /// ... where everybody may have a mailbox.
    mailbox: bool,
    /// Links to the web, as hosts: those that are written, and those that a redirector or a parameter names.
    hosts: Vec<String>,
    /// Where the links lead: the hosts that are written, and for those of redirectors the targets.
    leads: Vec<String>,
}

/// Letters of a subject in which a name says who writes: 【Amazon】, "Amazonより".
const SUBJECT_HEAD: usize = 24;
/// Letters of a bracket in a subject.
const BRACKET: usize = 40;

fn borrowed(cx: &Context<'_>) -> Rc<Borrowed> {
    cx.memo.get_or_init(|| {
        let brands = &cx.settings.brands;
        if brands.is_empty() {
            return Borrowed::default();
        }
        let view = cx.views.text();
        let names = |found: Vec<(BrandId, usize)>| found.into_iter().map(|(brand, _)| brand).collect::<Vec<_>>();
        let mut in_subject = names(brands.named(&view.subject, SUBJECT_HEAD));
        for inside in brackets(&view.subject) {
            for (brand, _) in brands.named(inside, BRACKET) {
                if !in_subject.contains(&brand) {
                    in_subject.push(brand);
                }
            }
        }
        let address = values::first(cx, "From:addr");
        let host =
            String::from_utf8_lossy(&address).rsplit_once('@').map_or(String::new(), |(_, host)| host.to_owned());
        let mut hosts: Vec<String> = Vec::new();
        let mut leads: Vec<String> = Vec::new();
        for uri in &cx.views.uris().uris {
            // Only what is linked by scheme or by a tag: a bare "amazon.co.jp" in the text is a name.
            let bare = uri.types.intersects(UriTypes::SCHEMELESS | UriTypes::UNLINKED)
                && uri.type_names().all(|name| matches!(name, "parsed" | "schemeless" | "unlinked"));
            if bare || uri.types.contains(UriTypes::DOMAINKEYS) {
                continue;
            }
            for (host, _) in &uri.hosts {
                let host = String::from_utf8_lossy(host).into_owned();
                if !uri.raw.starts_with(b"mailto:") && !hosts.contains(&host) && hosts.len() < 100 {
                    hosts.push(host);
                }
            }
            if !uri.raw.starts_with(b"mailto:") && leads.len() < 100 {
                leads.extend(destinations(cx, &uri.raw));
            }
        }
        Borrowed {
            in_name: names(brands.named(&view.from_name, 60)),
            in_subject,
            owners: brands.owners(&host).to_vec(),
            mailbox: brands.is_mailbox(&host),
            hosts,
            leads,
        }
    })
}

/// What stands in 【】, [], <>, 「」 and the like.
fn brackets(subject: &str) -> impl Iterator<Item = &str> {
    const PAIRS: [(char, char); 9] = [
        ('【', '】'),
        ('[', ']'),
        ('<', '>'),
        ('「', '」'),
        ('『', '』'),
        ('〔', '〕'),
        ('《', '》'),
        ('(', ')'),
        ('■', '■'),
    ];
    subject.char_indices().filter_map(move |(at, c)| {
        let (_, close) = PAIRS.iter().find(|(open, _)| *open == c)?;
        let inside = &subject[at + c.len_utf8()..];
        inside.find(*close).map(|end| &inside[..end])
    })
}

fn found(cx: &Context<'_>, brands: &[BrandId]) -> Finding {
    match brands.first() {
        Some(brand) => Finding { notes: vec![format!("brand: {}", cx.settings.brands.id(*brand))], ..Finding::hit() },
        None => Finding::NO,
    }
}

fn own(borrowed: &Borrowed, named: &[BrandId]) -> bool {
    named.iter().any(|brand| borrowed.owners.contains(brand))
}

pub fn check_brand(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let brands = &cx.settings.brands;
    let borrowed = borrowed(cx);
    let named = || borrowed.in_name.iter().chain(&borrowed.in_subject).copied().collect::<Vec<_>>();
    let leads_home = |named: &[BrandId]| {
        borrowed.leads.iter().any(|host| brands.owners(host).iter().any(|owner| named.contains(owner)))
    };
    Ok(match args.first().map(String::as_str) {
        Some("name") if !own(&borrowed, &borrowed.in_name) => found(cx, &borrowed.in_name),
        Some("subject") if !own(&borrowed, &borrowed.in_subject) => found(cx, &borrowed.in_subject),
        Some("own" | "own_leads_away") if borrowed.mailbox => Finding::NO,
        Some("own") => found(cx, &borrowed.owners),
        Some("no_link_home") => {
            let named = named();
            if !borrowed.leads.is_empty() && !leads_home(&named) { found(cx, &named) } else { Finding::NO }
        }
        // There are links, and none leads to a domain of whom the sender's address belongs to.
        Some("own_leads_away") => {
            let away = !borrowed.leads.is_empty() && !leads_home(&borrowed.owners);
            if away { found(cx, &borrowed.owners) } else { Finding::NO }
        }
        Some("host") => {
            let foreign = borrowed.hosts.iter().find_map(|host| {
                let named = brands.in_host(host);
                let foreign = !named.is_empty() && brands.owners(host).is_empty();
                foreign.then_some(named)
            });
            foreign.map_or(Finding::NO, |named| found(cx, &named))
        }
        Some("link_text") => {
            let view = cx.views.text();
            let disguised = view.links.iter().take(200).find_map(|link| {
                if link.href.trim_start().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
                    return None;
                }
                let shown = host_in(&link.text)?;
                let owners = brands.owners(&shown);
                let target = destinations(cx, link.href.trim().as_bytes());
                let away = !owners.is_empty()
                    && !target.is_empty()
                    && !target.iter().any(|host| is_rewriter(host))
                    && !target.iter().any(|host| brands.owners(host).iter().any(|owner| owners.contains(owner)));
                away.then(|| owners.to_vec())
            });
            disguised.map_or(Finding::NO, |owners| found(cx, &owners))
        }
        _ => Finding::NO,
    })
}

/// Gateways that write links anew for their customers; what the link's text says is left as it was.
const REWRITERS: &[&str] = &[
    "urldefense.com",
    "urldefense.proofpoint.com",
    "safelinks.protection.outlook.com",
    "mimecastprotect.com",
    "mimecast.com",
    "linkprotect.cudasvc.com",
    "secure-web.cisco.com",
    "protection.sophos.com",
    "clicktime.symantec.com",
    "fireeye.com",
    "trendmicro.com",
    "barracudanetworks.com",
    "awstrack.me",
    "sendgrid.net",
    "list-manage.com",
    "mandrillapp.com",
];

fn is_rewriter(host: &str) -> bool {
    REWRITERS.iter().any(|known| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Hosts to which a link leads. The host that is written decides: a target in its parameters counts only where that host
/// belongs to somebody in the table (Google, LINE, ...) or is known to write links anew. Else any forger's link would lead
/// home with `?next=` and the real address behind it.
fn destinations(cx: &Context<'_>, written: &[u8]) -> Vec<String> {
    let tlds = &cx.views.config.tlds;
    let host_of = |uri: &[u8]| tlds.uri_to_domain(uri).map(|found| String::from_utf8_lossy(&found.host).to_lowercase());
    let Some(host) = host_of(written) else { return Vec::new() };
    if !is_rewriter(&host) && cx.settings.brands.owners(&host).is_empty() {
        return vec![host];
    }
    let mut hosts: Vec<String> =
        cx.views.config.redirectors.targets(written).iter().take(5).filter_map(|target| host_of(target)).collect();
    if hosts.is_empty() && is_rewriter(&host) {
        let known = cx.views.uris().uris.iter().find(|uri| uri.raw == written);
        let inside = known.into_iter().flat_map(|uri| &uri.hosts).take(5);
        hosts.extend(inside.map(|(host, _)| String::from_utf8_lossy(host).into_owned()));
    }
    if hosts.is_empty() || is_rewriter(&host) {
        hosts.push(host);
    }
    hosts
}

/// The host that a link's text shows: `https://www.example.com/x` or `www.example.com`, with little beside it.
fn host_in(text: &str) -> Option<String> {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(after.len());
    let host = after[..end].trim_end_matches('.');
    // "Example.com is for sale" is a sentence, not an address.
    let whole = after[end..].is_empty() || after[end..].starts_with(['/', '?', ':']);
    (whole && host.contains('.') && host.len() <= 253).then(|| host.to_ascii_lowercase())
}

pub fn check_officer(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let officers = &cx.settings.officers;
    if officers.is_empty() {
        return Ok(Finding::NO);
    }
    let address = String::from_utf8_lossy(&values::first(cx, "From:addr")).to_lowercase();
    let ours = officers.own(&address);
    let view = cx.views.text();
    let told = |name: &str| Finding { notes: vec![format!("officer: {name}")], ..Finding::hit() };
    Ok(match args.first().map(String::as_str) {
        Some("name") if !ours => match officers.shown_in(&view.from_name) {
            Some((name, Shown::Whole)) => told(name),
            _ => Finding::NO,
        },
        Some("title") if !ours => match officers.shown_in(&view.from_name) {
            Some((name, Shown::Titled)) => told(name),
            _ => Finding::NO,
        },
        // Signed in the name, or introduced by it: within the first and last lines of a short text.
        Some("text") if !ours => {
            let mut all = String::new();
            for unit in view.body.iter().skip(1) {
                all.push_str(&String::from_utf8_lossy(unit));
                all.push('\n');
            }
            let count = all.chars().count();
            if count > 1_200 {
                return Ok(Finding::NO);
            }
            let tail: String = all.chars().skip(count.saturating_sub(60)).collect();
            match officers.shown_in(&tail) {
                Some((name, Shown::Whole)) => told(name),
                _ => Finding::NO,
            }
        }
        Some("reply") if ours => {
            let reply = String::from_utf8_lossy(&values::first(cx, "Reply-To:addr")).to_lowercase();
            let away = reply.contains('@') && !officers.own(&reply);
            if away { told(&reply) } else { Finding::NO }
        }
        Some("lookalike") if !ours => {
            let host = address.rsplit_once('@').map_or("", |(_, host)| host);
            match officers.domains().find(|domain| looks_like(&cx.views.config.tlds, host, domain)) {
                Some(domain) => told(domain),
                None => Finding::NO,
            }
        }
        Some("address_in_name") if !ours => {
            let name = view.from_name.to_lowercase();
            let shown = name.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')'));
            match shown.filter(|word| word.contains('@')).find(|word| officers.own(word)) {
                Some(word) => told(word),
                None => Finding::NO,
            }
        }
        _ => Finding::NO,
    })
}

/// The same letters but one or two, or the same name under another top level. Only what was registered counts: everybody
/// may call a machine of his as he likes.
fn looks_like(tlds: &mail::tld::Registry, host: &str, own: &str) -> bool {
    let registered = |host: &str| String::from_utf8_lossy(tlds.trim_domain(host.as_bytes())).into_owned();
    let (host, own) = (registered(host), registered(own));
    if host == own || own.len() < 6 {
        return false;
    }
    // "toyo-seiki.co.jp" and "toyo-seiki.com" share what people read.
    let label = |host: &str| host.split('.').next().unwrap_or_default().to_owned();
    let (one, other) = (label(&host), label(&own));
    let close = distance(&one, &other);
    other.len() >= 6 && (close <= 1 || other.len() >= 10 && close <= 2)
}

fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len().abs_diff(other.len()) > 2 || one.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

pub fn check_host_letters(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let wanted = args.first().map(String::as_str);
    let hit = cx.views.uris().uris.iter().take(200).any(|uri| {
        let Ok(text) = std::str::from_utf8(&uri.raw) else { return false };
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next().unwrap_or_default();
        match wanted {
            Some("decorated") => decorated(host),
            Some("mixed") => host.split('.').any(|label| mixed(&unicode_label(label))),
            _ => false,
        }
    });
    Ok(hit.into())
}

/// Letters that are no letters of a host until they are normalised: ⓐ, 𝐚, ａ. Ideographic full stops alone do not count.
fn decorated(host: &str) -> bool {
    !host.is_ascii()
        && host.chars().any(|c| {
            matches!(c, '\u{2100}'..='\u{214F}' | '\u{2460}'..='\u{24FF}' | '\u{FF10}'..='\u{FF5A}'
                | '\u{1D400}'..='\u{1D7FF}' | '\u{1F100}'..='\u{1F1AD}' | '\u{2070}'..='\u{209F}')
        })
}

/// Latin letters and Cyrillic or Greek ones in one label, or a label of look-alikes alone.
fn mixed(label: &str) -> bool {
    let foreign = label.chars().filter(|c| matches!(c, '\u{370}'..='\u{52F}')).count();
    if foreign == 0 {
        return false;
    }
    let latin = label.chars().any(|c| c.is_ascii_alphabetic());
    let text = mail::views::text::normalised(&format!("{label}a"));
    latin || text.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_texts_show() {
        assert_eq!(host_in("https://www.Example.co.jp/login"), Some("www.example.co.jp".to_owned()));
        assert_eq!(host_in("▶ www.example.jp"), Some("www.example.jp".to_owned()));
        assert_eq!(host_in("こちら"), None);
        assert_eq!(host_in("Example.com on sale"), None);
    }

    #[test]
    fn lookalike_domains() {
        let tlds = mail::tld::Registry::default();
        assert!(looks_like(&tlds, "toyo-seikl-k.com", "toyo-seiki-k.co.jp"));
        assert!(looks_like(&tlds, "minatofoods-hd.net", "minatofoods-hd.jp"));
        assert!(looks_like(&tlds, "mail.toyo-seikl-k.com", "toyo-seiki-k.co.jp"));
        assert!(!looks_like(&tlds, "example.net", "toyo-seiki-k.co.jp"));
        assert!(!looks_like(&tlds, "toyo-seiki-k.co.jp", "toyo-seiki-k.co.jp"));
    }

    #[test]
    fn letters_of_hosts() {
        assert!(decorated("ⓐmazon.example") && decorated("𝐚mazon.example") && !decorated("日本語.jp"));
        assert!(mixed("аmazon") && mixed("аррӏе".replace('ӏ', "l").as_str()) && !mixed("пример") && !mixed("amazon"));
    }

    #[test]
    fn brackets_of_subjects() {
        assert_eq!(brackets("【Amazon】お知らせ [x").collect::<Vec<_>>(), ["Amazon"]);
    }

    #[test]
    fn gateways_are_known_by_whole_labels() {
        assert!(is_rewriter("mimecast.com") && is_rewriter("protect-eu.mimecast.com"));
        assert!(!is_rewriter("notmimecast.com") && !is_rewriter("mimecast.com.evil.example"));
    }
}
