//! A set of signatures made ready for walks: its magics, passwords and tables about links are compiled once.

use super::layer::SignatureId;
use super::phishing::Phishing;
use rules::signatures::{FileType, Set};
use unpack::{Kind, Magic, Magics};

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
        Database {
            magics: magics(&set, beyond),
            passwords: set.passwords.iter().map(|entry| entry.password.clone()).collect(),
            phishing: Phishing::new(&set.phishing),
            set,
        }
    }

    /// The file that a signature is written in, without its folder.
    pub fn source(&self, signature: SignatureId) -> &str {
        let path = self.set.source(signature);
        path.rsplit('/').next().unwrap_or(path)
    }
}

fn magics(set: &Set, beyond: bool) -> Magics {
    if set.magics.is_empty() {
        return Magics::built_in().clone();
    }
    let mut magics = if beyond { Magics::built_in().clone() } else { Magics::empty() };
    for magic in &set.magics {
        let Some(kind) = Kind::from_clam_name(magic.detected.name()) else { continue };
        let required = match magic.required == FileType::any() {
            true => None,
            false => Kind::from_clam_name(magic.required.name()),
        };
        // The same table has taken each of them when the file was read.
        let _ = magics.add(&Magic { class: magic.form, offset: &magic.offset, pattern: &magic.hex, required, kind });
    }
    magics.finish();
    magics
}
