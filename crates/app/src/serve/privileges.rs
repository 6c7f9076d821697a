//! From root to nobody in particular.
//!
//! Sockets are opened and folders made while we may do everything; then groups, group and user go, for good, before a
//! byte of a stranger is read. Files only: a service must not hang on a directory server to be started.

use super::listen;
use crate::config::Config;
use crate::environment;
use crate::owner::{self, Owner};
use anyhow::{Context, bail};
use rustix::fs::OFlags;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

/// Whom to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// `None`: we stay who we are.
    pub fn of(config: &Config) -> anyhow::Result<Option<Account>> {
        let (user, group) = (&config.service.user, &config.service.group);
        if user.is_empty() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let (user, own) = find(&passwd, user).with_context(|| format!("service.user: there is no user {user:?}"))?;
        let group = listen::id(group, "/etc/group")
            .with_context(|| format!("service.group: there is no group {group:?}"))?
            .unwrap_or(own);
        if user == 0 {
            bail!("service.user: root is no unprivileged user");
        }
        Ok(Some(Account { user, group }))
    }

    pub fn owner(self) -> Owner {
        Owner { user: self.user, group: self.group }
    }

    /// The folders that the service writes to, where they are still missing.
    pub fn make_folders(self, config: &Config) -> anyhow::Result<()> {
        let store = config.store.location.as_str();
        if Path::new(store).is_absolute() {
            self.make(Path::new(store)).with_context(|| format!("store.location: {store}"))?;
        }
        if config.feeds.folder.is_absolute() {
            let folder = &config.feeds.folder;
            self.make(folder).with_context(|| format!("feeds.folder: {}", folder.display()))?;
        }
        if config.learn.folder.is_absolute() {
            self.make(&config.learn.folder)
                .with_context(|| format!("learn.folder: {}", config.learn.folder.display()))?;
        }
        // Where they are named and cannot be made, whoever uses them says so.
        let used = [config.isp.file.parent(), Some(config.digests.razor_home.as_path())];
        for folder in used.into_iter().flatten().filter(|folder| folder.is_absolute()) {
            let _ = self.make(folder);
        }
        let _ = self.make(&environment::service_cache()); // only time is lost
        Ok(())
    }

    fn make(self, folder: &Path) -> std::io::Result<()> {
        if folder.exists() {
            return Ok(());
        }
        // The user is to pass through what lies above, whatever the umask.
        let above: Vec<&Path> = folder.ancestors().skip(1).take_while(|above| !above.exists()).collect();
        for above in above.into_iter().rev() {
            std::fs::DirBuilder::new().create(above)?;
            opened(above)?.set_permissions(std::fs::Permissions::from_mode(0o755))?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
        fchown(opened(folder)?, Some(self.user), Some(self.group))
    }

    /// There is no way back.
    pub fn become_it(self) -> anyhow::Result<()> {
        if !environment::is_root() {
            if rustix::process::geteuid().as_raw() == self.user {
                return Ok(());
            }
            bail!("service.user: only root can become another user");
        }
        Owner { user: self.user, group: self.group }.become_it()
    }
}

/// Whose the service's files are to be, for root: `service.user`, or, where the unit names the user, whoever has the store.
/// `None`: root's, or we are not root.
pub fn owner(config: &Config) -> anyhow::Result<Option<Owner>> {
    if !environment::is_root() {
        return Ok(None);
    }
    let store = Path::new(&config.store.location);
    Ok(Account::of(config)?.map(Account::owner).or_else(|| owner::of(store).filter(|_| store.is_absolute())))
}

/// What lies above may be the user's already: given away is what was opened, a folder, and no link.
fn opened(folder: &Path) -> std::io::Result<std::fs::File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(folder)
}

/// User and group of a line of passwd(5), by name or number.
fn find(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find_map(|line| match line[..] {
        [own, _, user, group, ..] if own == name || user == name => Some((user.parse().ok()?, group.parse().ok()?)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# no\nsekisho:x:990:980::/:/bin/false\nhalf:x:1\n";
        for (name, found) in
            [("sekisho", Some((990, 980))), ("990", Some((990, 980))), ("half", None), ("", None), ("nobody", None)]
        {
            assert_eq!(find(passwd, name), found, "{name}");
        }
    }
}
