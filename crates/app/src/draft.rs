//! A file that is written beside its place, to be renamed onto it when it is whole.
//!
//! Its name cannot be guessed and must be new: nobody who may write to the folder can have put a link there.

use crate::environment;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

pub fn create(path: &Path) -> io::Result<(PathBuf, File)> {
    let random = environment::secret_random().map_err(io::Error::other)?;
    let name: String = random.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let draft = path.with_extension(format!("{name}.new"));
    let file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    Ok((draft, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_new_and_nobody_knows_them() {
        let folder = std::env::temp_dir().join(format!("sekisho-draft-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let place = folder.join("state.json");
        let (one, _) = create(&place).unwrap();
        let (other, _) = create(&place).unwrap();
        assert_ne!(one, other);
        assert!(one.extension().is_some_and(|ending| ending == "new") && one.parent() == Some(&folder));
        assert_ne!(one, place.with_extension(format!("{}.new", std::process::id())));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
