//! What can go wrong, said to the operator: what, where, and what to do.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: others may enter this directory (mode {mode:04o}); it holds mail", path.display())]
    NotPrivate { path: PathBuf, mode: u32 },
    #[error("{}: belongs to user {owner}, this process runs as {user}", path.display())]
    NotOwned { path: PathBuf, owner: u32, user: u32 },
    #[error("{}: is not a directory", path.display())]
    NotDirectory { path: PathBuf },
    #[error("{place}: still in use by another process after {waited_ms} ms")]
    Busy { place: String, waited_ms: u64 },
    #[error("{place}: no room left")]
    Full { place: String },
    #[error("{place}: the database is damaged: {what}")]
    Corrupt { place: String, what: String },
    #[error("{place}: written by a newer version (form {found}; this version knows {known})")]
    Newer { place: String, found: u64, known: u64 },
    #[error("{place}: cannot be reached: {what}")]
    Unreachable { place: String, what: String },
    #[error("{place}: does not promise to keep what it acknowledged: {what}")]
    NotDurable { place: String, what: String },
    #[error("{place}: {doing}: {source}")]
    File { place: String, doing: &'static str, source: std::io::Error },
    #[error("{place}: {doing}: {what}")]
    Backend { place: String, doing: &'static str, what: String },
    #[error("content {hash}: {what}")]
    Content { hash: String, what: String },
    #[error("{shelf}: the record cannot be read: {what}")]
    Record { shelf: &'static str, what: String },
    #[error("{what} was changed by others again and again while this change was tried")]
    Contended { what: String },
    #[error("{what} is not there")]
    Missing { what: String },
    #[error("{what}: {why}")]
    Input { what: String, why: String },
    #[error("{location}: not a place for a store: {why}")]
    Location { location: String, why: String },
}

const AS_THE_OWNER: &str = "run it as the service's user: sudo -u sekisho sekisho ...";

impl Error {
    /// What the operator can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Error::NotPrivate { path, .. } => {
                format!("chmod 0700 {}, after looking who could read it until now", path.display())
            }
            Error::NotOwned { .. } => AS_THE_OWNER.into(),
            Error::NotDirectory { .. } => "name a directory, or remove what stands there".into(),
            Error::Busy { .. } => {
                "another process is writing for long (a backup, an import?); wait for it or stop it, then try again".into()
            }
            Error::Full { .. } => {
                "free some room, or shorten the retention of quarantine and history; nothing was written".into()
            }
            Error::Corrupt { .. } => {
                "stop all that use it, check the disk, then restore a backup or set the damaged database aside (it is kept, what can be read is copied)".into()
            }
            Error::Newer { .. } => "run the newer version, or restore the backup from before it".into(),
            Error::Unreachable { .. } => "look whether the server runs, and check address, user and password".into(),
            Error::NotDurable { .. } => {
                "let the server sync what it acknowledges (Redis: `appendonly yes` and `appendfsync always`; PostgreSQL: `fsync = on`); or, where losing its last mail is acceptable, add ?durability=server to the location".into()
            }
            Error::File { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => AS_THE_OWNER.into(),
            Error::File { .. } => "look at the disk, its rights and the system log".into(),
            Error::Backend { .. } => "look into the log of the database".into(),
            Error::Content { .. } => {
                "the content is lost or changed on the medium: restore it from a backup, and check the disk".into()
            }
            Error::Record { .. } => "it was written by another version or changed by hand; look at it, or delete it".into(),
            Error::Contended { .. } => "try again".into(),
            Error::Missing { .. } => "list what is there; it may have been deleted or have passed its retention".into(),
            Error::Input { .. } => "correct it and try again".into(),
            Error::Location { .. } => format!("name one of: {}", crate::backends::spellings()),
        }
    }

    /// Whether the same call may succeed a little later, without anybody doing anything.
    pub fn passes(&self) -> bool {
        matches!(self, Error::Busy { .. } | Error::Unreachable { .. } | Error::Contended { .. })
    }
}
