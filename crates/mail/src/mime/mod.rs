//! Reading MIME as it is written in the wild.

pub mod address;
pub mod charset;
pub mod date;
pub mod encoded_word;
pub mod evidence;
pub mod header;
pub mod multipart;
pub mod transfer;
