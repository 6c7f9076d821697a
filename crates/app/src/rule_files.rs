//! Which rule files there are, in the order in which SpamAssassin reads them, and reading them.
//!
//! Order: `--pre` text, the site's `.pre` files, those beside the rules, the rules, the site's `.cf` files, the user's
//! preferences, `--rules`, `--cf`. Where no SpamAssassin rules are installed, the set that we ship stands in for them.

use crate::{environment, language};
use rules::{Reader, Source, SourceKind};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Where distributed rules live; the first that exists counts. The first is what `sa-update` fetched.
const RULES: &[&str] = &[
    "/var/lib/spamassassin/4.000001",
    "/var/db/spamassassin/4.000001",
    "/usr/share/spamassassin",
    "/usr/local/share/spamassassin",
];

/// Where the site's own settings live.
const SITE: &[&str] = &[
    "/etc/spamassassin",
    "/etc/mail/spamassassin",
    "/usr/local/etc/mail/spamassassin",
    "/usr/local/etc/spamassassin",
    "/usr/pkg/etc/spamassassin",
];

/// The official channel of `sa-update` comes before others, which may change its scores.
const OFFICIAL: &str = "updates_spamassassin_org.cf";

/// Which rules to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleSet {
    /// SpamAssassin's rules as installed, the site's settings, your user_prefs; where no SpamAssassin rules are
    /// installed, the rules that sekisho carries stand in for them
    #[default]
    Installed,
    /// The rules that sekisho carries; nothing that is installed on this system, no user_prefs
    Shipped,
    /// The installed ones and, beside them, the rules that sekisho carries
    Both,
    /// None but those of --rules, --prefs-file and --cf
    None,
}

/// What the command line says about rules.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub rule_set: RuleSet,
    /// `-C`, in place of the installed rules.
    pub rules_path: Option<PathBuf>,
    /// `--siteconfigpath`
    pub site_path: Option<PathBuf>,
    /// `-p`
    pub prefs_path: Option<PathBuf>,
    /// Files and folders on top.
    pub extra: Vec<PathBuf>,
    pub pre: Vec<String>,
    pub cf: Vec<String>,
    /// `officer` and `brand` lines that the configuration stands for.
    pub names: Vec<String>,
    /// Without the tests that need the network.
    pub local: bool,
    /// Databases of addresses that were fetched.
    pub countries: Option<PathBuf>,
    pub systems: Option<PathBuf>,
    /// The Public Suffix List that was fetched.
    pub suffixes: Option<PathBuf>,
}

/// The texts to load, and what could not be read.
#[derive(Debug, Default)]
pub struct Found {
    pub sources: Vec<Source>,
    pub problems: Vec<String>,
    /// The rules that sekisho carries are among them.
    pub shipped: bool,
    /// The file by which languages are told apart, if it lies beside the rules.
    pub languages: Option<PathBuf>,
}

/// Finds and reads all that the selection names.
pub fn find(selection: &Selection) -> Found {
    let mut found = Found::default();
    let installed = matches!(selection.rule_set, RuleSet::Installed | RuleSet::Both);
    let (rules, site) = folders(selection);
    found.shipped = match selection.rule_set {
        RuleSet::Installed => rules.is_none(),
        RuleSet::Shipped | RuleSet::Both => true,
        RuleSet::None => false,
    };
    found.languages = rules.as_ref().map(|folder| folder.join("languages")).filter(|file| file.is_file());

    if !selection.pre.is_empty() {
        found.sources.push(Source::new("(--pre)", lines(&selection.pre), SourceKind::Pre));
    }
    for folder in [&site, &rules].into_iter().flatten() {
        found.read(folder, "pre", SourceKind::Pre, false);
    }
    if found.shipped {
        for (name, text) in SHIPPED {
            let kind = if name.ends_with(".pre") { SourceKind::Pre } else { SourceKind::Default };
            found.sources.push(Source::new(format!("sekisho:{name}"), *text, kind));
        }
    }
    if let Some(rules) = &rules {
        found.read(rules, "cf", SourceKind::Default, selection.rules_path.is_some());
    }
    if let Some(site) = &site {
        found.read(site, "cf", SourceKind::Site, selection.site_path.is_some());
    }
    match &selection.prefs_path {
        Some(path) => found.read(path, "cf", SourceKind::User, true),
        None if installed => {
            if let Some(home) = environment::home() {
                found.read(&home.join(".spamassassin/user_prefs"), "cf", SourceKind::User, false);
            }
        }
        None => {}
    }
    for path in &selection.extra {
        found.read(path, "pre", SourceKind::Pre, true);
        if path.extension().is_none_or(|extension| extension != "pre") {
            found.read(path, "cf", SourceKind::Site, true);
        }
    }
    if !selection.names.is_empty() {
        found.sources.push(Source::new("([impersonation])", lines(&selection.names), SourceKind::Site));
    }
    if !selection.cf.is_empty() {
        found.sources.push(Source::new("(--cf)", lines(&selection.cf), SourceKind::Site));
    }
    found
}

/// Whether a rule of this name is among those that sekisho carries.
pub fn is_shipped(name: &str) -> bool {
    const KINDS: &[&str] =
        &["askdns", "body", "full", "header", "meta", "mimeheader", "rawbody", "text", "uri", "uri_detail"];
    SHIPPED.iter().flat_map(|(_, text)| text.lines()).any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|kind| KINDS.contains(&kind)) && words.next() == Some(name)
    })
}

/// Where the rules are and where the site's settings are.
fn folders(selection: &Selection) -> (Option<PathBuf>, Option<PathBuf>) {
    let first = |candidates: &[&str]| candidates.iter().map(PathBuf::from).find(|path| path.exists());
    let installed = matches!(selection.rule_set, RuleSet::Installed | RuleSet::Both);
    let rules = selection.rules_path.clone().or_else(|| first(RULES).filter(|_| installed));
    let site = selection.site_path.clone().or_else(|| first(SITE).filter(|_| installed));
    (rules, site)
}

/// Files and folders whose change means other rules: all that is named, and what lies in it. What `include` names
/// elsewhere is not among them.
pub fn watched(selection: &Selection) -> Vec<PathBuf> {
    let (rules, site) = folders(selection);
    let mut found: Vec<PathBuf> = [rules, site].into_iter().flatten().collect();
    found.extend(selection.extra.iter().cloned());
    // A set that was fetched anew lies in another folder.
    found.extend([&selection.countries, &selection.systems, &selection.suffixes].into_iter().flatten().cloned());
    // A channel's rules are a folder below; deeper is nothing of ours.
    let mut level = found.clone();
    for _ in 0..2 {
        let below = level.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
        level = below.filter_map(|entry| Some(entry.ok()?.path())).take(WATCHED).collect();
        found.extend(level.iter().cloned());
    }
    found.sort();
    found
}

const WATCHED: usize = 10_000;

fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text}\n")).collect()
}

impl Found {
    /// A file, or a folder's files with that extension by name. `must`: missing is a problem.
    fn read(&mut self, path: &Path, extension: &str, kind: SourceKind, must: bool) {
        if path.is_dir() {
            match folder(path, extension) {
                Ok(files) => files.iter().for_each(|file| self.read_file(file, kind)),
                Err(error) => self.problems.push(format!("{}: {}", path.display(), crate::language::reason(&error))),
            }
        } else if path.exists() {
            // A file that the user names is rules unless it calls itself `.pre`.
            let is_pre = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("pre"));
            if is_pre == (extension == "pre") {
                self.read_file(path, kind);
            }
        } else if must && extension == "cf" {
            self.problems.push(format!("{}: {}", path.display(), language::NO_SUCH_FILE));
        }
    }

    fn read_file(&mut self, path: &Path, kind: SourceKind) {
        let name = path.display().to_string();
        if self.sources.iter().any(|source| source.name == name) {
            return;
        }
        match fs::read(path) {
            Ok(text) => self.sources.push(Source::new(name, text, kind)),
            Err(error) => self.problems.push(format!("{name}: {}", crate::language::reason(&error))),
        }
    }
}

fn folder(path: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut names: Vec<_> = fs::read_dir(path)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| !name.starts_with('.') && name.to_ascii_lowercase().ends_with(&format!(".{extension}")))
        .filter(|name| path.join(name).is_file())
        .collect();
    names.sort_by_key(|name| (name != OFFICIAL, name.clone()));
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

/// Reads what `include` names, and remembers it, since compiled rules depend on it.
#[derive(Debug, Default)]
pub struct Includes {
    pub read: Vec<(String, Vec<u8>)>,
}

impl Reader for Includes {
    fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let path = match path.strip_prefix("~/").and_then(|rest| Some(environment::home()?.join(rest))) {
            Some(path) => path,
            None => PathBuf::from(path),
        };
        let files = match path.is_dir() {
            true => folder(&path, "cf").map_err(|error| error.to_string())?,
            false => vec![path],
        };
        let mut texts = Vec::new();
        for file in files {
            let text = fs::read(&file).map_err(|error| error.to_string())?;
            texts.push((file.display().to_string(), text));
        }
        self.read.extend(texts.iter().cloned());
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_spamassassins_order() {
        let root = std::env::temp_dir().join(format!("sekisho-rules-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (name, text) in [
            ("rules/20_b.cf", "b"),
            ("rules/10_a.cf", "a"),
            ("rules/updates_spamassassin_org.cf", "official"),
            ("rules/.hidden.cf", "no"),
            ("rules/README", "no"),
            ("site/init.pre", "pre"),
            ("site/local.cf", "local"),
            ("prefs", "prefs"),
            ("more.cf", "more"),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let selection = Selection {
            rules_path: Some(root.join("rules")),
            site_path: Some(root.join("site")),
            prefs_path: Some(root.join("prefs")),
            extra: vec![root.join("more.cf"), root.join("gone.cf")],
            pre: vec!["x".into()],
            cf: vec!["y".into(), "z".into()],
            ..Selection::default()
        };
        let found = find(&selection);
        let texts: Vec<_> = found.sources.iter().map(|source| String::from_utf8_lossy(&source.text)).collect();
        assert_eq!(texts, ["x\n", "pre", "official", "a", "b", "local", "prefs", "more", "y\nz\n"]);
        assert_eq!(found.problems.len(), 1, "{:?}", found.problems);
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn each_set_is_what_its_name_says() {
        let folder = std::env::temp_dir().join(format!("sekisho-rule-set-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("20_installed.cf"), "x").unwrap();
        for (rule_set, rules_path, shipped, others) in [
            (RuleSet::Shipped, None, true, 0),
            (RuleSet::None, None, false, 0),
            (RuleSet::Both, Some(folder.clone()), true, 1),
            (RuleSet::Installed, Some(folder.clone()), false, 1),
        ] {
            // Nothing of this machine's own.
            let (site_path, prefs_path) = (Some(folder.join("site")), Some(folder.join("prefs")));
            let found = find(&Selection { rule_set, rules_path, site_path, prefs_path, ..Selection::default() });
            assert_eq!(found.shipped, shipped, "{rule_set:?}");
            let expected = others + if shipped { SHIPPED.len() } else { 0 };
            assert_eq!(found.sources.len(), expected, "{rule_set:?}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
