//! The rule writer's bench: what one does to rules before they judge mail.
//!
//! Texts, addresses and answers of registries come in; records, rule lines and findings go out. Nothing is asked, opened or
//! written here: `app` does that.
#![forbid(unsafe_code)]

pub mod isp;
