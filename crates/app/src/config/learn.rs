//! `[learn]`: where the model is, and what is learnt without being told.

use super::units::Span;
use serde::Deserialize;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// Empty: nothing is learnt.
    pub folder: PathBuf,
    /// Whoever may connect to the spamd listener may teach.
    pub tell: bool,
    pub auto: bool,
    /// Messages learnt unasked from one network (/24, /48) within `quota_span`.
    pub quota: u32,
    pub quota_span: Span,
}

impl Default for Learn {
    fn default() -> Self {
        Learn {
            folder: "/var/lib/sekisho/learn".into(),
            tell: false,
            auto: true,
            quota: 20,
            quota_span: Span::seconds(3600),
        }
    }
}
