//! `[isp]`: networks that spam comes from, and what registries say of them.

use super::units::Span;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Isp {
    /// The rule file that `sekisho isp` keeps; it is among the service's rules.
    pub file: PathBuf,
    /// The registries' statistics: `delegated-*` files.
    pub data: PathBuf,
    /// A network from which nothing came for so many days is suspect; 0: for ever.
    pub silent_days: u32,
    /// What a registry said of an address is not asked again for so long.
    pub keep_answers: Span,
    /// Between two questions to one server.
    pub ask_pause: Span,
    /// Questions to one server a day; 0: as many as there are.
    pub ask_daily: u32,
}

impl Default for Isp {
    fn default() -> Self {
        Isp {
            file: "/var/lib/sekisho/isp/isp.cf".into(),
            data: "/var/lib/sekisho/isp/data".into(),
            silent_days: 365,
            keep_answers: Span::seconds(7 * 24 * 3600),
            ask_pause: Span::seconds(2),
            ask_daily: 200,
        }
    }
}
