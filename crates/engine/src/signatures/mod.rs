//! What signatures find.

pub mod layer;

pub use layer::{Executable, Found, Layer, Member, Outcome, Scratch, SignatureId, layer, member};
pub use rules::signatures::{FileType, Set, Target};
