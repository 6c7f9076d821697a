//! `sekisho list`: allow and block lists, in effect with the next message.

use super::{Format, WithStore, shown};
use crate::language::{self, said};
use crate::output::Output;
use crate::{CLEAN, FOUND, config, environment};
use clap::{ArgGroup, Subcommand, ValueEnum};
use std::net::IpAddr;
use store::lists::{Effect, Entry, Kind, Scope, Subject};

pub type Arguments = WithStore<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Add an entry, or change the one for the same thing
    #[command(group = ArgGroup::new("effect").required(true))]
    Add {
        /// What kind of thing the value is
        kind: ListKind,
        #[arg(
            help = "ann@example.jp, example.jp, 192.0.2.0/24, https://example.jp/path, a digest in hexadecimal, or a signature's name"
        )]
        value: String,
        /// Let it pass
        #[arg(long, group = "effect")]
        allow: bool,
        /// Refuse it
        #[arg(long, group = "effect")]
        block: bool,
        /// Add this to the score; negative for good
        #[arg(long, group = "effect", value_name = "POINTS", allow_negative_numbers = true)]
        score: Option<f64>,
        /// Only for mail to this recipient
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        comment: String,
        /// In effect so long only, such as 30d
        #[arg(long, value_name = "TIME", value_parser = span)]
        expires: Option<config::Span>,
    },
    /// Take an entry away. Exit 1: there was none
    Remove {
        /// What kind of thing the value is
        kind: ListKind,
        /// As it was added
        value: String,
        /// Of the entries for this recipient
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
    },
    /// The entries for all recipients, or for one. Exit 1: there are none
    Show {
        /// The entries for this recipient, in place of those for all
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
        /// Only of this kind
        #[arg(long)]
        kind: Option<ListKind>,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Which entries name these senders, domains, addresses, URLs or digests. Exit 1: none does
    Test {
        /// What to look for, known by its form
        #[arg(required = true)]
        values: Vec<String>,
        /// Also the entries of this recipient
        #[arg(long, value_name = "ADDRESS")]
        user: Option<String>,
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ListKind {
    /// One address
    Sender,
    /// A domain and all below it, of senders and URLs
    Domain,
    /// Addresses of clients
    Network,
    /// A URL and all that begins with it
    Url,
    /// SHA-256 or another digest of a file
    Hash,
    /// A signature's name, as the log has it
    Signature,
}

impl From<ListKind> for Kind {
    fn from(kind: ListKind) -> Kind {
        match kind {
            ListKind::Sender => Kind::Sender,
            ListKind::Domain => Kind::Domain,
            ListKind::Network => Kind::Network,
            ListKind::Url => Kind::Url,
            ListKind::Hash => Kind::Hash,
            ListKind::Signature => Kind::Signature,
        }
    }
}

/// Entries read at once.
const PAGE: usize = 1000;

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (_, store) = arguments.store.open()?;
    let lists = store.lists();
    let now = environment::now();
    let mut output = Output::new();
    let mut code = CLEAN;
    match &arguments.what {
        What::Add { kind, value, allow, block: _, score, user, comment, expires } => {
            let effect = match (allow, score) {
                (true, _) => Effect::Allow,
                (_, Some(score)) => Effect::Score(*score),
                _ => Effect::Block,
            };
            let by = environment::variable("USER").unwrap_or_else(|| "command line".into());
            let mut entry = Entry::new(scope(user.as_deref()), (*kind).into(), value, effect, &by, now)?;
            entry.comment.clone_from(comment);
            entry.expires = expires.map(|expires| now.after(expires.0));
            lists.set(&entry)?;
            output.line(&line(&entry))?;
        }
        What::Remove { kind, value, user } => {
            if !lists.remove(&scope(user.as_deref()), (*kind).into(), value)? {
                eprintln!("sekisho: {}", said!("there is no such entry", "そのような項目はありません"));
                code = FOUND;
            }
        }
        What::Show { user, kind, format } => {
            let kind = kind.map(Kind::from);
            let mut after: Option<Entry> = None;
            let mut some = false;
            loop {
                let page = lists.list(&scope(user.as_deref()), after.as_ref(), PAGE)?;
                for entry in page.iter().filter(|entry| kind.is_none_or(|kind| entry.kind == kind)) {
                    some = true;
                    show(&mut output, entry, *format)?;
                }
                if page.len() < PAGE {
                    break;
                }
                after = page.into_iter().next_back();
            }
            if !some {
                language::tell_nothing();
            }
            code = if some { CLEAN } else { FOUND };
        }
        What::Test { values, user, format } => {
            let mut scopes = vec![Scope::Global];
            scopes.extend(user.as_deref().map(Scope::user));
            let subjects: Vec<Subject<'_>> = values.iter().map(|value| subject(value)).collect();
            let matches = lists.matching(&scopes, &subjects, now)?;
            for entry in &matches.0 {
                show(&mut output, entry, *format)?;
            }
            if *format == Format::Text {
                // The sum of nothing is -0.
                let hard =
                    matches.decision().map_or(language::pick("nothing", "なし"), |entry| effect_name(entry.effect));
                output.line(&said!("decided: {hard}; score {:+}", "決定: {hard}、得点 {:+}", matches.score() + 0.0))?;
            }
            code = if matches.0.is_empty() { FOUND } else { CLEAN };
        }
    }
    output.flush()?;
    Ok(code)
}

fn span(text: &str) -> Result<config::Span, String> {
    let quoted = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
    serde::Deserialize::deserialize(quoted)
        .map_err(|_| language::pick("expected a time such as 6h or 30d", "6h や 30d のように書いてください").to_owned())
}

fn scope(user: Option<&str>) -> Scope {
    user.map_or(Scope::Global, Scope::user)
}

/// What a value is, by its form.
fn subject(value: &str) -> Subject<'_> {
    if let Ok(address) = value.parse::<IpAddr>() {
        Subject::Address(address)
    } else if value.contains("://") {
        Subject::Url(value)
    } else if value.contains('@') {
        Subject::Sender(value)
    } else if value.len() >= 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Subject::Hash(value)
    } else {
        Subject::Domain(value)
    }
}

fn show(output: &mut Output, entry: &Entry, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => output.line(&serde_json::to_string(entry)?)?,
        Format::Text => output.line(&line(entry))?,
    }
    Ok(())
}

fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Block => "block",
        Effect::Score(_) => "score",
    }
}

fn line(entry: &Entry) -> String {
    let effect = match entry.effect {
        Effect::Score(score) => format!("{score:+}"),
        effect => effect_name(effect).to_owned(),
    };
    let mut out = format!("{effect:<6} {:<8} {}", entry.kind.name(), shown(entry.value.as_bytes()));
    if let Scope::User(user) = &entry.scope {
        out.push_str(&said!("  for {}", "  宛先 {}", shown(user.as_bytes())));
    }
    if let Some(expires) = entry.expires {
        out.push_str(&said!("  until {}", "  期限 {}", environment::local_time(expires.seconds())));
    }
    if !entry.comment.is_empty() {
        out.push_str(&format!("  # {}", shown(entry.comment.as_bytes())));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_their_form() {
        for (value, expected) in [
            ("192.0.2.1", "Address"),
            ("2001:db8::1", "Address"),
            ("ann@example.jp", "Sender"),
            ("https://example.jp/a@b", "Url"),
            ("d41d8cd98f00b204e9800998ecf8427e", "Hash"),
            ("example.jp", "Domain"),
        ] {
            assert!(format!("{:?}", subject(value)).starts_with(expected), "{value}");
        }
        assert_eq!(span("30d").unwrap(), config::Span::seconds(30 * 86_400));
        assert!(span("soon").is_err());
    }
}
