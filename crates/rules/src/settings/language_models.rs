//! Rankings of letter groups by language: SpamAssassin's `languages` file.

use std::collections::HashMap;

/// Each language's commonest groups of one to five bytes, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LanguageModels {
    names: Vec<String>,
    /// Group -> (language, rank); ranks count from 1.
    groups: HashMap<Vec<u8>, Vec<(u16, u16)>>,
}

impl LanguageModels {
    /// A group a line, commonest first, then a line `0 NAME`; one language after the other. Any bytes are accepted.
    pub fn parse(file: &[u8]) -> LanguageModels {
        let mut models = LanguageModels::default();
        let mut ranked: Vec<&[u8]> = Vec::new();
        for line in file.split(|b| *b == b'\n') {
            let Some(name) = line.strip_prefix(b"0 ").filter(|name| !name.is_empty()) else {
                ranked.push(line);
                continue;
            };
            let Ok(language) = u16::try_from(models.names.len()) else { break };
            models.names.push(String::from_utf8_lossy(name).into_owned());
            for (group, rank) in ranked.drain(..).zip(1..=u16::MAX) {
                let ranks = models.groups.entry(group.to_vec()).or_default();
                // Written twice: the last one counts.
                ranks.retain(|(other, _)| *other != language);
                ranks.push((language, rank));
            }
        }
        models
    }

    /// As written: `en`, `ja.utf8`, `zh.big5`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// (index in [`LanguageModels::names`], rank) of a group.
    pub fn ranks(&self, group: &[u8]) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.groups.get(group).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_with_their_ranks() {
        let models = LanguageModels::parse(b"e\nth\n0 en\ne\nn\n0 de\nrest");
        assert_eq!(models.names(), ["en", "de"]);
        assert_eq!(models.ranks(b"e").collect::<Vec<_>>(), [(0, 1), (1, 1)]);
        assert_eq!(models.ranks(b"n").collect::<Vec<_>>(), [(1, 2)]);
        assert_eq!(models.ranks(b"rest").count(), 0);
    }
}
