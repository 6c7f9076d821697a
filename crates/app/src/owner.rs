//! Whose a folder is, and working there as he would.
//!
//! What the service's user may write to, root does not touch by path: a link put in the way would lead it anywhere. Root
//! becomes that user first, for good ([`become_owner`]) or for as long as it writes ([`Acting`]).

use crate::environment;
use anyhow::{Context, bail};
use nix::unistd::{Gid, Uid, setegid, seteuid, setgid, setgroups, setuid};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// User and group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

/// Whoever owns the folder, or, where there is none yet, the one that it will be made in. `None`: we are not root, or it is
/// root's.
pub fn of(folder: &Path) -> Option<Owner> {
    if !environment::is_root() {
        return None;
    }
    let about = folder.ancestors().find_map(|folder| folder.metadata().ok())?;
    Some(Owner { user: about.uid(), group: about.gid() }).filter(|owner| owner.user != 0)
}

/// Root becomes whoever owns the folder. There is no way back.
pub fn become_owner(folder: &Path) -> anyhow::Result<()> {
    match of(folder) {
        Some(owner) => owner.become_it().with_context(|| folder.display().to_string()),
        None => Ok(()),
    }
}

impl Owner {
    /// From root. There is no way back.
    pub fn become_it(self) -> anyhow::Result<()> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        setgroups(&[group]).context("giving up groups")?;
        setgid(group).context("giving up the group")?;
        setuid(user).context("giving up root")?;
        if setuid(Uid::from_raw(0)).is_ok() || environment::is_root() {
            bail!("root was given up and is still there");
        }
        Ok(())
    }
}

/// Root writes as the owner until this is dropped.
pub struct Acting(Option<Owner>);

impl Acting {
    pub fn as_owner_of(folder: &Path) -> anyhow::Result<Acting> {
        let acting = Acting(of(folder));
        acting.begin().with_context(|| folder.display().to_string())?;
        Ok(acting)
    }

    /// Nothing is written.
    pub fn nobody() -> Acting {
        Acting(None)
    }

    /// As root: reads what the owner may not read.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> anyhow::Result<T> {
        self.end()?;
        let done = work();
        self.begin()?;
        Ok(done)
    }

    fn begin(&self) -> anyhow::Result<()> {
        let Some(owner) = self.0 else { return Ok(()) };
        setegid(Gid::from_raw(owner.group)).context("taking the group")?;
        seteuid(Uid::from_raw(owner.user)).context("taking the user")
    }

    fn end(&self) -> anyhow::Result<()> {
        if self.0.is_some() {
            seteuid(Uid::from_raw(0)).context("being root again")?;
            setegid(Gid::from_raw(0)).context("having root's group again")?;
        }
        Ok(())
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
