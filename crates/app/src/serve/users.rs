//! Users' own rule files, for who says on whose behalf he asks (`spamc -u ann`): scores, lists, thresholds, and rules where
//! the site lets users write them (`allow_user_rules 1`).
//!
//! In: a user's name and where such files are (`rules.users`). Out: an engine of the site's rules and then the user's file,
//! held to what `spamd` lets users say. It is a whole engine, made when the user's first message comes, after his file has
//! changed and after the site's rules have; the last few are kept. Where it cannot be had in time the site's rules judge, and
//! the log says so. A name is a stranger's word: none leads out of the folder that the pattern names.

use super::Service;
use super::reload;
use crate::config::Config;
use crate::loading;
use engine::Engine;
use protocols::{Scan, Want};
use rules::{Source, SourceKind};
use rustix::fs::OFlags;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

/// No more of a file is read than this.
const FILE: u64 = 1 << 20;
const NAME: usize = 255;

#[derive(Default)]
pub struct Users {
    /// Who was here last stands last.
    known: Mutex<Vec<Known>>,
    /// Making one takes all of a processor: one at a time.
    making: tokio::sync::Mutex<()>,
}

struct Known {
    file: PathBuf,
    state: State,
    /// The site's rules on which it stands.
    site: Weak<Engine>,
    engine: Arc<Engine>,
}

/// What tells that a file has changed.
type State = (u64, Option<SystemTime>);

impl Users {
    /// The engine for whoever asks, and what went wrong. Without a user, or a file of his, it is the site's.
    pub async fn engine(service: &Service, config: &Config, scan: &Scan) -> (Arc<Engine>, Option<String>) {
        let site = service.engine.load_full();
        let pattern = &config.rules.users;
        let Some(user) = scan.user.as_deref().filter(|_| !pattern.is_empty() && scan.want != Want::Decision) else {
            return (site, None);
        };
        let Some(file) = file(pattern, user) else {
            return (site, Some("the user's name leads to no rule file; judged with the site's rules".into()));
        };
        let name = file.display().to_string();
        match tokio::time::timeout(patience(config), service.users.find(service, config, &site, file)).await {
            Ok(Ok(Some(engine))) => (engine, None),
            Ok(Ok(None)) => (site, None),
            Ok(Err(why)) => (site, Some(format!("{name}: {why}; judged with the site's rules"))),
            Err(_) => (site, Some(format!("{name}: not loaded in time; judged with the site's rules"))),
        }
    }

    async fn find(
        &self,
        service: &Service,
        config: &Config,
        site: &Arc<Engine>,
        file: PathBuf,
    ) -> Result<Option<Arc<Engine>>, String> {
        // A home may lie on a server that does not answer.
        let asked = file.clone();
        let looked = tokio::task::spawn_blocking(move || state(&asked));
        let Some(state) = looked.await.map_err(|_| "the program failed on it".to_owned())?? else { return Ok(None) };
        if let Some(engine) = self.known(&file, state, site) {
            return Ok(Some(engine));
        }
        let _one = self.making.lock().await;
        if let Some(engine) = self.known(&file, state, site) {
            return Ok(Some(engine));
        }
        let (selection, bayes, path) = (reload::selection(config), site.score_set.bayes, file.clone());
        let made = tokio::task::spawn_blocking(move || {
            let text = text(&path)?;
            let source = Source::new(path.display().to_string(), text, SourceKind::User);
            Ok::<_, String>(loading::load_for_user(&selection, bayes, source))
        });
        let loaded = made.await.map_err(|_| "the program failed on it".to_owned())??;
        let name = file.display().to_string();
        let wrong = loaded.serious().filter(|diagnostic| diagnostic.file == name).count();
        if wrong > 0 {
            service
                .journal
                .note(&format!("{name}: {wrong} lines are not in force; see: sekisho lint --prefs-file {name}"));
        }
        let engine = Arc::new(loaded.engine);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.file != file && known.is_of(site));
        let surplus = (known.len() + 1).saturating_sub(config.rules.users_kept.max(1));
        known.drain(..surplus);
        known.push(Known { file, state, site: Arc::downgrade(site), engine: engine.clone() });
        Ok(Some(engine))
    }

    fn known(&self, file: &Path, state: State, site: &Arc<Engine>) -> Option<Arc<Engine>> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|known| known.file == file && known.state == state && known.is_of(site))?;
        let known = all.remove(at);
        let engine = known.engine.clone();
        all.push(known);
        Some(engine)
    }
}

impl Known {
    fn is_of(&self, site: &Arc<Engine>) -> bool {
        std::ptr::eq(self.site.as_ptr(), Arc::as_ptr(site))
    }
}

/// Half of the time is left for judging.
fn patience(config: &Config) -> Duration {
    config.limits.deadline.0 / 2
}

/// `None`: there is no such file, which is not wrong.
fn state(file: &Path) -> Result<Option<State>, String> {
    match fs::metadata(file) {
        Ok(about) if about.is_file() => Ok(Some((about.len(), about.modified().ok()))),
        Ok(_) => Err("no plain file".into()),
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}

fn text(path: &Path) -> Result<Vec<u8>, String> {
    // Nobody waits for the other end of a pipe that took the file's place.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err("no plain file".into());
    }
    let mut text = Vec::new();
    file.take(FILE + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE {
        return Err(format!("longer than {FILE} bytes"));
    }
    Ok(text)
}

/// The pattern with `%u` the user, `%l` what stands before the @, `%d` what stands behind it. `None`: the name has not what
/// the pattern asks for, or would lead elsewhere.
pub fn file(pattern: &str, user: &str) -> Option<PathBuf> {
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= NAME
            && !part.starts_with('.')
            && !part.contains(|c: char| c == '/' || c == '\\' || c.is_control())
    };
    let (local, domain) = user.rsplit_once('@').unwrap_or((user, ""));
    let mut path = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        path.push_str(&rest[..at]);
        let mut letters = rest[at + 1..].chars();
        let part = match letters.next() {
            Some('u') => user,
            Some('l') => local,
            Some('d') => domain,
            _ => return None,
        };
        if !plain(part) {
            return None;
        }
        path.push_str(part);
        rest = letters.as_str();
    }
    path.push_str(rest);
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_no_file_and_keeps_nobody_waiting() {
        let path = std::env::temp_dir().join(format!("sekisho-users-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(text(&path), Err("no plain file".into()));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "score A 1\n").unwrap();
        assert_eq!(text(&path).as_deref(), Ok(&b"score A 1\n"[..]));
        fs::write(&path, vec![b'#'; FILE as usize + 1]).unwrap();
        assert!(text(&path).is_err());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for (pattern, user, path) in [
            ("/home/%u/.spamassassin/user_prefs", "ann", Some("/home/ann/.spamassassin/user_prefs")),
            ("/var/spam/%d/%l.cf", "ann@example.jp", Some("/var/spam/example.jp/ann.cf")),
            ("/var/spam/%u", "ann@example.jp", Some("/var/spam/ann@example.jp")),
            ("/var/spam/%d/%l", "ann", None),
            ("/home/%u/x", "../root", None),
            ("/home/%u/x", "..", None),
            ("/home/%u/x", "", None),
            ("/home/%u/x", "a/b", None),
            ("/home/%u/x", "a\0b", None),
            ("/home/%l/%d", "a@..", None),
            ("/home/%u/x", &"x".repeat(256), None),
        ] {
            assert_eq!(file(pattern, user), path.map(PathBuf::from), "{pattern} {user}");
        }
    }
}
