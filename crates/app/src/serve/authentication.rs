//! What a message's proven or missing sender means for the service: our header, the author's domain's wish, the history.
//!
//! In: what SPF, DKIM, ARC and DMARC found, and `[authentication]` and `[dmarc]`. Out: a hit that says what was done with
//! the domain's wish, a harder fate where it is honoured, `Authentication-Results` (RFC 8601) on top of what is delivered
//! from outside, with those away that somebody else wrote in our name.

use crate::config::dkim::Seal;
use crate::config::{Action, Authentication as Settings, Config, Direction, Wished};
use crate::policy::Fate;
use crate::policy::category::Category;
use mail::authentication::{Dkim, Outcome, Policy};
use mail::views::Views;
use mail::{Authentication, Hit, Verdict};
use protocols::{Edit, Scan, edit};
use std::fmt::Write as _;

/// What becomes of a message whose author's domain disowns it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// `None`: nothing beyond points.
    action: Option<Action>,
    why: String,
}

/// `None`: the author's domain asks for nothing. `hit`: told in the verdict.
pub fn wish(config: &Config, scan: &Scan, verdict: &Verdict, views: &Views<'_>) -> Option<(Wish, Hit)> {
    let found = verdict.authentication.as_deref()?;
    let dmarc = &found.dmarc;
    let asks = dmarc.result == Outcome::Fail && dmarc.policy != Policy::None;
    if !asks || config.dmarc.action == Wished::Off {
        return None;
    }
    let author = dmarc.domain.as_str();
    let exception = exception(config, scan, found, views);
    let action = match (config.dmarc.action, dmarc.policy) {
        _ if exception.is_some() => None,
        (Wished::Quarantine, _) | (Wished::Reject, Policy::Quarantine) => Some(Action::Quarantine),
        (Wished::Reject, _) => Some(Action::Reject),
        _ => None,
    };
    let why = format!("DMARC: {author} asks for {}", dmarc.policy.name());
    let done = match (&exception, &action) {
        (Some(exception), _) => format!("not done: {exception}"),
        (None, Some(action)) => format!("{action}"),
        (None, None) => "counted only".to_owned(),
    };
    let hit = Hit {
        rule: "DMARC_POLICY".to_owned(),
        score: if exception.is_some() { 0.0 } else { config.dmarc.points },
        description: "The author's domain asks that such mail be stopped".to_owned(),
        area: "",
        count: 1,
        evidence: Vec::new(),
        notes: vec![format!("{why}; {done}"), dmarc.why.clone()],
    };
    Some((Wish { action, why }, hit))
}

/// Why the wish is not followed.
fn exception(config: &Config, scan: &Scan, found: &Authentication, views: &Views<'_>) -> Option<String> {
    let author = found.dmarc.domain.as_str();
    let address = format!("x@{author}");
    if config.dmarc.except.iter().any(|one| one.has(&address)) {
        return Some(format!("dmarc.except names {author}"));
    }
    if scan.peer.address.is_some_and(|client| config.dmarc.except_clients.iter().any(|one| one.contains(client))) {
        return Some("dmarc.except_clients names the client".to_owned());
    }
    if let Some(sealer) = believed_seal(&config.authentication, found) {
        return Some(format!("{sealer}, whose seals are believed, saw it pass (ARC)"));
    }
    if config.dmarc.lists
        && let Some(list) = list(found, views)
    {
        return Some(format!("mailing list of {list}"));
    }
    None
}

/// The chain holds, who sealed last is believed, and says that the message passed with him.
fn believed_seal<'a>(settings: &Settings, found: &'a Authentication) -> Option<&'a str> {
    let sealer = found.arc.sealer().filter(|_| found.arc.result == Outcome::Pass)?;
    let believed = |domain: &str| settings.sealers.iter().any(|one| one.eq_ignore_ascii_case(domain));
    let passed = |results: &str| {
        results.split(';').any(|result| result.trim_start().to_ascii_lowercase().starts_with("dmarc=pass"))
    };
    // What an unknown hand sealed in between could have been written by it.
    let all = found.arc.sets.iter().rev().take_while(|set| believed(&set.domain));
    all.into_iter().any(|set| passed(&set.results)).then_some(sealer)
}

/// The domain of `List-Id`, where the same domain proved that it sent the message: the field alone anybody can write.
fn list(found: &Authentication, views: &Views<'_>) -> Option<String> {
    let field = views.message.headers().last("list-id")?;
    let text = String::from_utf8_lossy(&field.decoded).to_ascii_lowercase();
    let id = text.rsplit_once('<').map_or(text.as_str(), |(_, id)| id);
    let id = id.split('>').next().unwrap_or_default().trim().to_owned();
    let registered = |name: &str| views.config.tlds.trim_domain(name.as_bytes()).to_ascii_lowercase();
    let of = registered(&id);
    let proven = found.domains().into_iter().find(|domain| id.contains('.') && registered(domain) == of)?;
    Some(proven.to_owned())
}

/// Follows the wish for mail from outside, where nobody allowed it and nothing harder is done anyhow.
pub fn follow(wish: &Wish, fates: &mut [Fate], allowed: impl Fn(&Fate) -> bool) {
    let Some(action) = &wish.action else { return };
    let rank = |action: &Action| match action {
        Action::Pass => 0,
        Action::Tag => 1,
        Action::Redirect(_) => 2,
        Action::Hold | Action::Quarantine => 3,
        Action::Discard | Action::Reject | Action::Defer => 4,
    };
    for fate in fates.iter_mut().filter(|fate| fate.direction == Direction::Inbound) {
        if rank(&fate.action) >= rank(action) || allowed(fate) {
            continue;
        }
        fate.action = action.clone();
        fate.category = fate.category.or(Some(Category::Spam));
        fate.reason = match fate.reason.is_empty() {
            true => wish.why.clone(),
            false => format!("{}; {}", wish.why, fate.reason),
        };
    }
}

/// For the history: what people look for.
pub fn details(found: &Authentication) -> Vec<(String, String)> {
    let mut details = Vec::new();
    let mut add = |name: &str, value: String| details.push((name.to_owned(), value));
    if let Some(spf) = &found.spf {
        add("spf", format!("{} {}", spf.result, spf.domain));
    }
    let signatures: Vec<String> = found.dkim.iter().map(|one| format!("{} {}", one.result, one.domain)).collect();
    if !signatures.is_empty() {
        add("dkim", signatures.join(", "));
    }
    if found.arc.result != Outcome::None {
        add("arc", format!("{} {}", found.arc.result, found.arc.sealer().unwrap_or_default()));
    }
    add("dmarc", found.dmarc.result.name().to_owned());
    if let Some(author) = found.author() {
        add("authenticated", author.to_owned());
    }
    details
}

/// Whether something beyond the rules needs to know who sent it.
pub fn is_needed(config: &Config) -> bool {
    config.authentication.always
        || config.arc.seal != Seal::No
        || matches!(config.dmarc.action, Wished::Quarantine | Wished::Reject)
        || config.dmarc.points != 0.0
        || config.reports.collect
}

/// Whether this copy comes from outside: not our own people's mail, whose sender is known otherwise.
pub fn is_incoming(direction: Direction, found: &Authentication) -> bool {
    match direction {
        Direction::Inbound => true,
        // By way of another server of ours.
        Direction::Internal => found.client.is_some(),
        Direction::Outbound | Direction::Submission => false,
    }
}

/// Our field on top, and those away that others wrote in our name (RFC 8601, 5).
pub fn edits(settings: &Settings, found: &Authentication, content: &[u8]) -> Vec<Edit> {
    if !settings.header {
        return Vec::new();
    }
    let mut edits = edit::remove_fields(content, |field, value| {
        field.eq_ignore_ascii_case(b"Authentication-Results") && settings.is_ours(&server(value))
    });
    edits.push(Edit::top("Authentication-Results", field(settings.name(), found)));
    edits
}

/// The authserv-id of a field, comments left out.
fn server(value: &[u8]) -> String {
    let mut depth = 0_u32;
    let mut name = String::new();
    for byte in value {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            b';' => break,
            _ if byte.is_ascii_whitespace() && name.is_empty() => {}
            _ if byte.is_ascii_whitespace() => break,
            _ => name.push(char::from(*byte)),
        }
    }
    name.trim_matches('"').to_owned()
}

/// The field's value, folded.
pub fn field(name: &str, found: &Authentication) -> String {
    let mut results = Vec::new();
    if let Some(spf) = &found.spf {
        let identity = match found.sender.as_deref() {
            Some("") | None => format!("smtp.helo={}", value(&found.helo)),
            Some(sender) => format!("smtp.mailfrom={}", value(sender)),
        };
        results.push(format!("spf={} {identity}", spf.result));
    }
    results.extend(found.dkim.iter().map(signature));
    if found.arc.result != Outcome::None {
        let sealer = found.arc.sealer().map(|sealer| format!(" ({})", comment(sealer))).unwrap_or_default();
        results.push(format!("arc={}{sealer}", found.arc.result));
    }
    if !found.dmarc.domain.is_empty() {
        let policy = match found.dmarc.published {
            Some(_) => format!(" (p={})", found.dmarc.policy.name()),
            None => String::new(),
        };
        results.push(format!("dmarc={}{policy} header.from={}", found.dmarc.result, value(&found.dmarc.domain)));
    }
    if results.is_empty() {
        results.push("none".to_owned());
    }
    format!("{name};\n\t{}", results.join(";\n\t"))
}

fn signature(one: &Dkim) -> String {
    let mut text = format!("dkim={}", one.result);
    if !one.why.is_empty() {
        let _ = write!(text, " ({})", comment(&one.why));
    }
    for (property, said) in
        [("d", &one.domain), ("i", &one.identity), ("s", &one.selector), ("a", &one.algorithm), ("b", &one.signature)]
    {
        if !said.is_empty() {
            let _ = write!(text, " header.{property}={}", value(said));
        }
    }
    text
}

/// What a stranger wrote, as a value: bare where it is a word or an address, else quoted.
fn value(text: &str) -> String {
    const LONGEST: usize = 255;
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    let bare = |b: u8| b.is_ascii_alphanumeric() || b"-._@+=!#$%&'*/^`{|}~:".contains(&b);
    match !text.is_empty() && text.bytes().all(bare) && !text.contains("/") && !text.contains('=') {
        true => text,
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn comment(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '(' | ')' | '\\')).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::authentication::{Dmarc, Spf};

    #[test]
    fn whose_field_it_is() {
        for (value, expected) in [
            (" mx.example.org; spf=pass", "mx.example.org"),
            ("\n\t(a (nested) comment) mx.example.org 1; none", "mx.example.org"),
            ("\"mx.example.org\"; none", "mx.example.org"),
            ("", ""),
        ] {
            assert_eq!(server(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn which_mail_is_incoming() {
        let from_outside = Authentication { client: Some([192, 0, 2, 1].into()), ..Authentication::default() };
        for (direction, by_way_of_another, own) in [
            (Direction::Inbound, true, true),
            (Direction::Internal, true, false),
            (Direction::Outbound, false, false),
            (Direction::Submission, false, false),
        ] {
            assert_eq!(is_incoming(direction, &from_outside), by_way_of_another, "{direction:?}");
            assert_eq!(is_incoming(direction, &Authentication::default()), own, "{direction:?}");
        }
    }

    #[test]
    fn our_field_and_no_other_in_our_name() {
        let found = Authentication {
            sender: Some("a b@x.example".into()),
            spf: Some(Spf { result: Outcome::Pass, ..Spf::default() }),
            dkim: vec![Dkim {
                result: Outcome::Fail,
                why: "changed (much)".into(),
                domain: "x.example".into(),
                ..Dkim::default()
            }],
            dmarc: Dmarc { result: Outcome::Pass, domain: "x.example".into(), ..Dmarc::default() },
            ..Authentication::default()
        };
        let settings = Settings { name: "mx.example.org".into(), ..Settings::default() };
        let content =
            b"Authentication-Results: MX.example.org.; dkim=pass\nAuthentication-Results: other.example; none\n\nx\n";
        let with = Settings { also: vec!["Other.example".into()], ..settings.clone() };
        assert_eq!(super::edits(&with, &found, content).len(), 3);
        assert_eq!(super::edits(&Settings { header: false, ..with }, &found, content), []);
        let edits = edits(&settings, &found, content);
        assert_eq!(edits[0], Edit::DeleteHeader { name: b"Authentication-Results".to_vec(), index: 1 });
        let text = String::from_utf8(edit::apply(content, &edits)).unwrap();
        let expected = "Authentication-Results: mx.example.org;\n\tspf=pass smtp.mailfrom=\"a b@x.example\";\n\tdkim=fail \
                        (changed much) header.d=x.example;\n\tdmarc=pass header.from=x.example\n\
                        Authentication-Results: other.example; none\n\nx\n";
        assert_eq!(text, expected);
        assert_eq!(field("mx.example.org", &Authentication::default()), "mx.example.org;\n\tnone");
    }
}
