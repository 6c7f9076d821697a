//! Postfix's policy delegation (`check_policy_service`): questions without a message, many on one connection.
//!
//! [`codec`] reads attributes and writes actions, [`session`] is the policy server's end.

pub mod codec;
pub mod session;

pub use session::{Server, Settings};
