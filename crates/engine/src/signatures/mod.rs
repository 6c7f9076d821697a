//! What signatures find.

pub mod layer;

pub use layer::{Found, Layer, Member, Outcome, Scratch, layer, member};
pub use rules::signatures::{FileType, Set, Target};
