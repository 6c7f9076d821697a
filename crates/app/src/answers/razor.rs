//! Razor2, asked over its own protocol. Not yet.

use super::digests::Deed;
use crate::config::digests::Digests;
use engine::Answer;

pub struct Query {}

pub fn prepare(_config: &Digests, _message: &[u8]) -> Option<Query> {
    None
}

impl Query {
    pub fn name(&self) -> &str {
        ""
    }

    pub async fn run(self, _deed: Deed) -> anyhow::Result<Answer> {
        anyhow::bail!("not asked")
    }
}
