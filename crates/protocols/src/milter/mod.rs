//! The filter protocol of Sendmail 8 and Postfix ("milter"), versions 2 to 6: our own, since the libraries are C or GPL.
//!
//! [`codec`] turns packets into commands and back, for both ends; [`session`] is the filter's end of a connection.

pub mod codec;
pub mod session;

pub use session::{Server, Settings};
