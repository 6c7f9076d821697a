//! Which value of each key holds, and where it comes from: a line of the file, or the default.
//!
//! What is secret (an account, a password, also in a URL) is shown as `***`, since what is shown here is pasted elsewhere.
//! The sample knows all keys and their defaults (a test holds it to the program's), so this needs no list of its own.

use super::SAMPLE;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table, or one of several of that name; the top has none.
#[derive(Debug, Clone)]
struct Section {
    name: String,
    several: bool,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: String,
    value: String,
    /// `None`: the default.
    line: Option<usize>,
}

/// A configuration in TOML that says everything; with `origins`, behind each value where it comes from. `text` has been
/// found valid.
pub fn show(text: &str, file: Option<&Path>, origins: bool) -> anyhow::Result<String> {
    let sample = defaults();
    let mut defaults = sections(&sample)?;
    defaults.iter_mut().flat_map(|section| &mut section.entries).for_each(|entry| entry.line = None);
    let name = file.map(|file| file.display().to_string()).unwrap_or_default();
    let mut out = String::new();
    for section in merged(defaults, sections(text)?) {
        if !out.is_empty() {
            out.push('\n');
        }
        match (section.name.as_str(), section.several) {
            ("", _) => {}
            (name, true) => out.push_str(&format!("[[{name}]]\n")),
            (name, false) => out.push_str(&format!("[{name}]\n")),
        }
        for Entry { key, value, line } in section.entries {
            out.push_str(&format!("{key} = {value}"));
            match line {
                Some(line) if origins => out.push_str(&format!("  # {name}:{line}")),
                None if origins => out.push_str("  # default"),
                _ => {}
            }
            out.push('\n');
        }
    }
    Ok(out)
}

/// Keys whose every text is secret.
const SECRET: [&str; 2] = ["accounts", "bind_password"];

const MASK: &str = "***";

/// Without the passwords of the URLs in it.
fn without_passwords(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let authority = after.split(['/', '"', '\'', ',', ' ']).next().unwrap_or_default();
        rest = match authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')) {
            Some((user, password)) => {
                out.push_str(&format!("{user}:{MASK}"));
                &after[user.len() + 1 + password.len()..]
            }
            None => after,
        };
    }
    out + rest
}

/// The sample with its keys in force: what stands behind a `#` without a blank.
fn defaults() -> String {
    let key = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => format!("{key}\n"),
        _ => "\n".to_owned(),
    };
    SAMPLE.lines().map(key).collect()
}

/// In the order of the text.
fn sections(text: &str) -> anyhow::Result<Vec<Section>> {
    let table = DeTable::parse(text)?;
    let mut top = Section { name: String::new(), several: false, entries: Vec::new() };
    let mut found = Vec::new();
    for (key, value) in in_order(table.get_ref()) {
        let name = key.get_ref().to_string();
        match value.get_ref() {
            DeValue::Table(table) => found.push(section(text, name, false, table)),
            DeValue::Array(all) if !all.is_empty() && all.iter().all(|one| one.get_ref().is_table()) => {
                let tables = all.iter().filter_map(|one| one.get_ref().as_table());
                found.extend(tables.map(|table| section(text, name.clone(), true, table)));
            }
            _ => top.entries.push(entry(text, key, value)),
        }
    }
    found.insert(0, top);
    Ok(found)
}

type Item<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Item<'a, 'i>> {
    let mut items: Vec<_> = table.iter().collect();
    items.sort_by_key(|(key, _)| key.span().start);
    items
}

fn section(text: &str, name: String, several: bool, table: &DeTable<'_>) -> Section {
    let entries = in_order(table).into_iter().map(|(key, value)| entry(text, key, value)).collect();
    Section { name, several, entries }
}

fn entry(text: &str, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Entry {
    let line = text.get(..key.span().start).map(|before| before.matches('\n').count() + 1);
    Entry {
        key: key.get_ref().to_string(),
        value: written(text, value, SECRET.contains(&key.get_ref().as_ref())),
        line,
    }
}

/// As it was written, in one line, but for what is secret.
fn written(text: &str, value: &Spanned<DeValue<'_>>, secret: bool) -> String {
    match value.get_ref() {
        DeValue::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| written(text, value, secret)).collect();
            format!("[{}]", values.join(", "))
        }
        DeValue::Table(table) => {
            let values = in_order(table).into_iter();
            let values: Vec<_> =
                values.map(|(key, value)| format!("{} = {}", key.get_ref(), written(text, value, secret))).collect();
            format!("{{ {} }}", values.join(", "))
        }
        DeValue::String(string) if secret && !string.is_empty() => format!("\"{MASK}\""),
        DeValue::String(string) if text.get(value.span()).is_none_or(|written| written.contains('\n')) => {
            toml::Value::String(string.to_string()).to_string()
        }
        _ => without_passwords(text.get(value.span()).unwrap_or_default()),
    }
}

/// What is said, and for the rest the defaults. Of tables that there may be several of, those that are said are all
/// there are.
fn merged(defaults: Vec<Section>, said: Vec<Section>) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    for default in &defaults {
        let own: Vec<&Section> = said.iter().filter(|section| section.name == default.name).collect();
        if own.is_empty() {
            out.push(default.clone());
        } else if !out.iter().any(|section| section.name == default.name) {
            out.extend(own.into_iter().map(|own| completed(own, default)));
        }
    }
    let more = said.into_iter().filter(|section| !defaults.iter().any(|default| default.name == section.name));
    out.extend(more);
    out
}

/// In the order of the defaults; keys that have none come last.
fn completed(own: &Section, default: &Section) -> Section {
    let mut section = default.clone();
    section.several = own.several;
    for entry in &own.entries {
        match section.entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry.clone(),
            None => section.entries.push(entry.clone()),
        }
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_key_has_its_place() {
        let text = "mode = \"observe\"\n[[listen]]\nprotocol = \"spamd\"\nsocket = \"inet:127.0.0.1:7\"\n\n[limits]\n# so\n\
                    deadline = \"9s\"\n[[policy]]\nname = \"x\"\nwhen = { direction = [\n\"inbound\" ] }\nthen = { spam = \"pass\" }\n";
        let config = Config::parse(text).unwrap();
        let shown = show(text, Some(Path::new("/x.toml")), true).unwrap();
        for line in [
            "mode = \"observe\"  # /x.toml:1",
            "protocol = \"spamd\"  # /x.toml:3",
            "group = \"\"  # default",
            "deadline = \"9s\"  # /x.toml:8",
            "late = \"defer\"  # default",
            "when = { direction = [\"inbound\"] }  # /x.toml:11",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
        assert!(!shown.contains("8899"), "the listeners that are said are all there are: {shown}");
        // What is shown means what was said.
        assert_eq!(Config::parse(&shown).unwrap(), config, "{shown}");
        assert_eq!(Config::parse(&show("", None, false).unwrap()).unwrap(), Config::default());
    }

    #[test]
    fn secrets_are_not_shown() {
        let text = "[feeds]\naccounts = { securiteinfo = 's3cret' }\n[store]\nplace = \"postgresql://me:s3cret@db/mail\"\n\
                    [lookup]\nbind_password = \"s3cret\"\n";
        let shown = show(text, None, false).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
        for line in [
            "accounts = { securiteinfo = \"***\" }",
            "place = \"postgresql://me:***@db/mail\"",
            "bind_password = \"***\"",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
    }
}
