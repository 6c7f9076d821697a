//! The URIs of a message.

use crate::views::Views;

#[derive(Debug, Clone, Default)]
pub struct UriList {}

pub(super) fn make(_views: &Views<'_>) -> UriList {
    UriList::default()
}
