//! Whether bytes are what their publisher made: checksums, OpenPGP signatures, ClamAV's own RSA signatures, and the
//! differences between two versions of a ClamAV database.

pub mod cdiff;
pub mod checksum;
pub mod cvd;
mod number;
pub mod openpgp;
#[cfg(test)]
mod signed;
