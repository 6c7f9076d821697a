//! The configuration and rule language of SpamAssassin 4.0.

pub mod meta;
