//! Reading MIME as it is written in the wild.

pub mod evidence;
