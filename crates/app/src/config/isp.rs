//! `[isp]`: networks that spam comes from, and what registries say of them.

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
}

impl Default for Isp {
    fn default() -> Self {
        Isp { file: "/var/lib/sekisho/isp/isp.cf".into(), data: "/var/lib/sekisho/isp/data".into(), silent_days: 365 }
    }
}
