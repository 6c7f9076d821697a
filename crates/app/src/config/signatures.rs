//! `[signatures]`: where they are, and what their hits mean.

use super::{Glob, Size};
use mail::Meaning;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Signatures {
    pub folders: Vec<PathBuf>,
    pub beyond_clamav: bool,
    pub phishing_links: bool,
    pub unwanted_programs: bool,
    /// Before those that we bring.
    pub means: Vec<Mean>,
    pub bytes: Size,
    pub file: Size,
    pub files: u32,
    pub depth: u32,
}

/// One line of the table from names and sources to meanings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// Without `.UNOFFICIAL`; empty: all.
    #[serde(default)]
    pub names: Vec<Glob>,
    /// File names; empty: all, heuristics included.
    #[serde(default)]
    pub sources: Vec<Glob>,
    pub is: Word,
    #[serde(default)]
    pub score: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    Virus,
    Banned,
    Phishing,
    Spam,
    Unchecked,
    Nothing,
}

impl Word {
    fn meaning(self) -> Option<Meaning> {
        Some(match self {
            Word::Virus => Meaning::Virus,
            Word::Banned => Meaning::Banned,
            Word::Phishing => Meaning::Phishing,
            Word::Spam => Meaning::Spam,
            Word::Unchecked => Meaning::Unchecked,
            Word::Nothing => return None,
        })
    }
}

impl Default for Signatures {
    fn default() -> Self {
        Signatures {
            folders: ["/var/lib/sekisho/signatures", "/var/lib/clamav"].map(PathBuf::from).to_vec(),
            beyond_clamav: true,
            phishing_links: true,
            unwanted_programs: false,
            means: Vec::new(),
            bytes: Size(400 << 20),
            file: Size(100 << 20),
            files: 10_000,
            depth: 17,
        }
    }
}

/// Names, sources, meaning, score: by what publishers say of their files and by how often those err (docs/signatures.md).
#[rustfmt::skip]
static BROUGHT: &[(&[&str], &[&str], Word, f64)] = &[
    (&["Heuristics.Limits.Exceeded.*", "Heuristics.Encrypted.*", "Heuristics.Zip.OverlappingFiles"], &[], Word::Unchecked, 0.0),
    (&["Heuristics.Phishing.*"], &[], Word::Phishing, 3.0),
    (&["PUA.*"], &[], Word::Spam, 2.0),
    (&[], &["foxhole_*"], Word::Banned, 0.0),
    (&[], &["phish.ndb", "rogue.hdb", "porcupine.*", "bofhland_phishing_URL.ndb", "phishtank.ndb", "winnow_phish*", "*.pdb", "*.gdb"], Word::Phishing, 6.0),
    (&[], &["spear.ndb", "spearl.ndb"], Word::Phishing, 4.0),
    (&[], &["junk.ndb", "jurlbl.ndb", "scam.ndb", "blurl.ndb", "spamimg.hdb", "spamattach.hdb", "Sanesecurity_spam.yara"], Word::Spam, 5.0),
    (&[], &["jurlbla.ndb", "lott.ndb", "shelter.ldb", "spam.ldb", "winnow_spam_complete.ndb", "winnow.complex.patterns.ldb", "winnow_extended_malware_links.ndb"], Word::Spam, 3.0),
    (&[], &["spam_marketing.ndb", "scamnailer.ndb"], Word::Spam, 1.5),
    (&["*Phish*"], &[], Word::Phishing, 6.0),
    (&["*.Spam.*", "*.Spam-*", "*.Junk.*", "*.Scam*", "*.Lott.*", "*.Jurlbl*", "*Spam_*", "*.SpamImg.*"], &[], Word::Spam, 4.0),
    (&[], &[], Word::Virus, 0.0),
];

impl Signatures {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.means.iter().any(|mean| mean.names.is_empty() && mean.sources.is_empty()) {
            anyhow::bail!("signatures: an entry of means names neither names nor sources");
        }
        if self.means.iter().any(|mean| !mean.score.is_finite()) {
            anyhow::bail!("signatures: scores of means must be numbers");
        }
        Ok(())
    }

    /// All entries, the administrator's first.
    pub fn meanings(&self) -> Vec<Mean> {
        let globs = |texts: &[&str]| texts.iter().map(|text| Glob::from(*text)).collect();
        let brought = BROUGHT.iter().map(|(names, sources, is, score)| Mean {
            names: globs(names),
            sources: globs(sources),
            is: *is,
            score: *score,
        });
        self.means.iter().cloned().chain(brought).collect()
    }
}

/// What a hit means, and its score; `None`: nothing.
pub fn meaning(means: &[Mean], name: &str, source: &str) -> Option<(Meaning, f64)> {
    let name = name.strip_suffix(".UNOFFICIAL").unwrap_or(name);
    let fits = |globs: &[Glob], text: &str| globs.is_empty() || globs.iter().any(|glob| glob.matches(text));
    let mean = means.iter().find(|mean| fits(&mean.names, name) && fits(&mean.sources, source))?;
    Some((mean.is.meaning()?, mean.score))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sources_have_meanings() {
        let mine: Signatures = toml::from_str(
            "means = [{ names = [\"Sane.Junk.*\"], is = \"nothing\" }, { sources = [\"own.ndb\"], is = \"spam\", score = 1.5 }]",
        )
        .unwrap();
        let means = mine.meanings();
        for (name, source, expected) in [
            ("Sane.Junk.7.UNOFFICIAL", "junk.ndb", None),
            ("Anything.UNOFFICIAL", "own.ndb", Some((Meaning::Spam, 1.5))),
            ("Sanesecurity.Phishing.Cur.1.UNOFFICIAL", "phish.ndb", Some((Meaning::Phishing, 6.0))),
            ("Sanesecurity.Foxhole.Zip_exe.UNOFFICIAL", "foxhole_generic.cdb", Some((Meaning::Banned, 0.0))),
            ("Win.Test.EICAR_HDB-1", "daily.cvd", Some((Meaning::Virus, 0.0))),
            ("Html.Phishing.Bank-1", "daily.cvd", Some((Meaning::Phishing, 6.0))),
            ("Heuristics.Encrypted.Zip", "", Some((Meaning::Unchecked, 0.0))),
            ("Heuristics.Phishing.Email.SpoofedDomain", "", Some((Meaning::Phishing, 3.0))),
        ] {
            assert_eq!(meaning(&means, name, source), expected, "{name} of {source}");
        }
    }
}
