//! One feed, from the publisher to the set that counts.

use super::fetch::http::{Client, Got};
use super::fetch::{dns, rsync, shown, transport};
use super::generations::{self, Shelf};
use super::progress::Progress;
use super::state::{Error, Failure, FileState, State, Validator};
use super::suspended::{Suspended, Suspension};
use super::{Feed, How, parse, trial};
use crate::config::Config;
use crate::environment;
use feeds::shape::{self, Kind};
use feeds::verify::openpgp::Keyring;
use feeds::verify::{cdiff, checksum, cvd};
use feeds::{Refusal, archive, channel};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// What the caller wants besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Ask although it is not time yet.
    pub early: bool,
    /// Take what has errors, shrank, or was taken back.
    pub accept: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Another process is at it.
    Busy,
    NotDue(i64),
    Unchanged,
    Changed {
        files: usize,
        lines: usize,
    },
    Failed(Failure),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub feed: String,
    pub outcome: Outcome,
    /// Files that were refused, and why; the old ones stay.
    pub refused: Vec<(String, Failure)>,
    pub suspended: Vec<Suspension>,
    /// What is worth a line in a log.
    pub notes: Vec<String>,
    /// What an administrator should be told now; once.
    pub alarm: Option<String>,
}

/// After so many failures in a row an unreachable server is news.
const NEWS: u32 = 3;
/// Differences fetched at most before the whole database is the shorter way.
const DIFFERENCES: u64 = 40;
/// Mirrors of a channel tried.
const MIRRORS: usize = 3;
/// Below this a set may shrink to anything.
const LARGE: usize = 100;

/// Runs to the end whatever happens; what was in force stays so until the last step.
pub fn update(config: &Config, feed: &Feed, options: Options, progress: &Progress) -> Report {
    let shelf = feed.shelf(config);
    let home = super::make_home(config);
    let mut report = Report {
        feed: feed.name.clone(),
        outcome: Outcome::Unchanged,
        refused: Vec::new(),
        suspended: Vec::new(),
        notes: Vec::new(),
        alarm: None,
    };
    let _lock = match home.and_then(|()| shelf.lock()) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Report { outcome: Outcome::Busy, ..report },
        Err(error) => return Report { outcome: Outcome::Failed(error.into()), ..report },
    };
    let mut state = State::load(&shelf);
    let now = environment::unix_time();
    let due = state.due(feed.every);
    // Who was told to stay away stays away, whoever asks.
    let shut_out =
        state.not_before > now && state.errors.get(&feed.name).is_some_and(|error| error.kind == "cool-down");
    if due > now && (shut_out || !options.early) {
        return Report { outcome: Outcome::NotDue(due), ..report };
    }
    state.asked = now;
    let had = state.clone();
    let ran = run(config, feed, options, progress, &shelf, &mut state, &mut report, now);
    progress.done();
    shelf.discard_staging();
    state.errors = report.refused.iter().map(|(name, failure)| (name.clone(), failure.into())).collect();
    report.outcome = match ran {
        Ok(outcome) => {
            (state.answered, state.failures, state.not_before) = (now, 0, 0);
            outcome
        }
        Err(failure) => {
            // What was not taken is asked for again.
            (state.files, state.versions, state.answers) = (had.files, had.versions, had.answers);
            state.errors.insert(feed.name.clone(), Error::from(&failure));
            state.failed(&failure, now);
            Outcome::Failed(failure)
        }
    };
    let told = alarm(feed, &report, &state);
    if told != state.told {
        report.alarm = Some(told.clone()).filter(|told| !told.is_empty());
        state.told = told;
    }
    if let Err(error) = state.store(&shelf) {
        report.notes.push(format!("state not kept: {error:#}"));
    }
    report
}

/// What is wrong, in words that stay the same while it is.
fn alarm(feed: &Feed, report: &Report, state: &State) -> String {
    let mut lines: Vec<String> = report.refused.iter().map(|(name, failure)| format!("{name}: {failure}")).collect();
    match &report.outcome {
        Outcome::Failed(Failure::Transport(_)) if state.failures < NEWS => {}
        Outcome::Failed(Failure::Transport(text)) => lines.push(format!("not reached again and again: {text}")),
        Outcome::Failed(failure) => lines.push(format!("{}: {failure}", feed.name)),
        _ => {}
    }
    lines.extend(report.suspended.iter().map(|one| format!("{} is suspended: {}", one.name, one.reason)));
    lines.truncate(50);
    lines.join("\n")
}

fn run(
    config: &Config,
    feed: &Feed,
    options: Options,
    progress: &Progress,
    shelf: &Shelf,
    state: &mut State,
    report: &mut Report,
    now: i64,
) -> Result<Outcome, Failure> {
    if let Some(missing) = &feed.missing {
        return Err(Failure::Missing(missing.clone()));
    }
    if options.early {
        // What was damaged on our own disk is not what we have.
        for name in damaged(shelf, state) {
            state.files.remove(&name);
            state.versions.clear();
            state.answers.clear();
        }
    }
    let mut run = Run {
        config,
        feed,
        options,
        progress,
        shelf,
        client: Client::new(&config.feeds)?,
        current: shelf.current(),
        staging: shelf.staging()?,
        old: state.clone(),
        state,
        report,
        now,
        files: BTreeMap::new(),
        new: Vec::new(),
    };
    match &feed.how {
        How::Mirror { mirrors, signature } => run.mirror(mirrors, signature)?,
        How::Files { bases, checksum } => run.each_below(bases, checksum)?,
        How::File { url, checksum, signature } => run.one_file(url, checksum, signature)?,
        How::Archive { urls, checksum, signature } => run.archive(urls, checksum, signature)?,
        How::Cvd { zone, bases } => run.databases(zone, bases)?,
        How::Channel { zone, mirrors } => run.channel(zone, mirrors)?,
        How::Gone { reason } => return Err(Failure::Missing(format!("the publisher: {reason}"))),
    }
    run.finish()
}

struct Run<'a> {
    config: &'a Config,
    feed: &'a Feed,
    options: Options,
    progress: &'a Progress,
    shelf: &'a Shelf,
    client: Client,
    current: Option<PathBuf>,
    staging: PathBuf,
    /// As it was before this run.
    old: State,
    state: &'a mut State,
    report: &'a mut Report,
    now: i64,
    /// The set to be.
    files: BTreeMap<String, FileState>,
    /// Those of them that are not as they were.
    new: Vec<String>,
}

/// A file as it came, believed.
struct Believed {
    bytes: Vec<u8>,
    proof: String,
    signed: u64,
    validator: Validator,
}

impl Run<'_> {
    /// Whether the current set has this file.
    fn has(&self, name: &str) -> bool {
        self.current.as_ref().is_some_and(|folder| folder.join(name).is_file()) && self.old.files.contains_key(name)
    }

    /// Another mirror, another beginning.
    fn start_over(&mut self) {
        for name in std::mem::take(&mut self.files).into_keys() {
            let _ = fs::remove_file(self.staging.join(name));
        }
        self.new.clear();
        self.report.refused.clear();
    }

    /// Of what is had.
    fn known(&self, name: &str, url: &str) -> Option<Validator> {
        if self.options.accept {
            return None;
        }
        self.old
            .files
            .get(name)
            .filter(|_| self.has(name))
            .map(|file| file.validator.clone())
            .filter(|known| known.url == url)
    }

    /// The file stays as it is.
    fn keep(&mut self, name: &str) -> Result<(), Failure> {
        let Some((folder, state)) = self.current.as_ref().zip(self.old.files.get(name)) else { return Ok(()) };
        if self.files.contains_key(name) || !folder.join(name).is_file() {
            return Ok(());
        }
        let (from, to) = (folder.join(name), self.staging.join(name));
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        self.files.insert(name.to_owned(), state.clone());
        Ok(())
    }

    /// The file is refused; where the feed's files stand by themselves the others go on.
    fn refuse(&mut self, name: &str, failure: Failure) -> Result<(), Failure> {
        if self.feed.is_one_set() || matches!(failure, Failure::CoolDown { .. } | Failure::Ours(_)) {
            return Err(failure);
        }
        self.report.refused.push((name.to_owned(), failure));
        self.keep(name)
    }

    /// Into the staging folder, if it is what it should be.
    fn take(&mut self, name: &str, came: Believed) -> Result<(), Failure> {
        let digest = checksum::sha256(&came.bytes);
        if self.old.files.get(name).is_some_and(|old| old.sha256 == digest) && self.has(name) {
            self.keep(name)?;
            if let Some(file) = self.files.get_mut(name) {
                file.validator = came.validator;
            }
            return Ok(());
        }
        if let Err(failure) = self.look(name, &came.bytes, &digest) {
            return self.refuse(name, failure);
        }
        let place = self.staging.join(name);
        let _ = fs::remove_file(&place); // never through a link into the set that counts
        fs::write(place, &came.bytes)?;
        let state = FileState {
            sha256: digest,
            bytes: came.bytes.len() as u64,
            lines: shape::lines(&came.bytes),
            changed: self.now,
            proof: came.proof,
            signed: came.signed,
            validator: came.validator,
        };
        self.files.insert(name.to_owned(), state);
        self.new.push(name.to_owned());
        Ok(())
    }

    /// What can be told of a file by itself.
    fn look(&self, name: &str, bytes: &[u8], digest: &str) -> Result<(), Failure> {
        // In a signed set an empty file is what the publisher meant.
        if !(self.feed.is_one_set() && bytes.is_empty()) {
            shape::check(name, bytes)?;
        }
        if self.options.accept {
            return Ok(());
        }
        if self.old.taken_back.iter().any(|known| known == digest) {
            return Err(Failure::Content(format!("{name} is what was taken back before")));
        }
        if shape::kind(name) == Kind::Signatures && !self.feed.is_one_set() {
            parse::signatures(name, bytes)?;
        }
        let (before, lines) = (self.old.files.get(name).map_or(0, |old| old.lines), shape::lines(bytes));
        if before >= LARGE && lines * 10 < before && !matches!(self.feed.how, How::Cvd { .. }) {
            let text = format!("{name} has {lines} lines where it had {before}: a placeholder, it seems");
            return Err(Refusal::Placeholder(text).into());
        }
        Ok(())
    }

    /// Parse all together, try, swap.
    fn finish(&mut self) -> Result<Outcome, Failure> {
        self.files.retain(|name, _| self.staging.join(name).is_file());
        if self.files.is_empty() {
            return match self.report.refused.first() {
                Some((name, failure)) => Err(Failure::Content(format!("no file could be had; {name}: {failure}"))),
                None => Err(Failure::Content("the publisher offers no file that is wanted".into())),
            };
        }
        let same_names = self.old.files.keys().eq(self.files.keys());
        if self.new.is_empty() && same_names && self.current.is_some() {
            self.state.files = std::mem::take(&mut self.files);
            return Ok(Outcome::Unchanged);
        }
        if self.feed.is_data() {
            self.make_rules()?;
        }
        if super::holds_rules(&self.staging) {
            self.progress.step(&self.feed.name, "checking rules");
            if !self.options.accept {
                parse::rules(self.config, self.feed, &self.staging)?;
            }
            self.progress.step(&self.feed.name, "trying on good mail");
            let suspended = Suspended::load(self.config);
            let found = trial::rules(self.config, self.feed, &self.staging, &suspended, self.progress);
            self.suspend(suspended, found)?;
        }
        if super::holds_signatures(&self.staging) {
            self.progress.step(&self.feed.name, "trying on good mail");
            let suspended = Suspended::load(self.config);
            let found = trial::signatures(self.config, self.feed, &self.staging, &suspended, self.progress);
            self.suspend(suspended, found)?;
        }
        self.shelf.swap(&self.staging)?;
        self.state.changed = self.now;
        let lines = self.files.values().map(|file| file.lines).sum();
        self.state.files = std::mem::take(&mut self.files);
        Ok(Outcome::Changed { files: self.new.len(), lines })
    }

    /// Of data that rules can use.
    fn make_rules(&self) -> Result<(), Failure> {
        let mut files = Vec::new();
        for name in self.files.keys() {
            files.push((name.as_str(), fs::read(self.staging.join(name))?));
        }
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        if let Some(text) = feeds::data::rules(&self.feed.name, &files) {
            fs::write(self.staging.join(feeds::data::RULES), text)?;
        }
        Ok(())
    }

    fn suspend(&mut self, mut suspended: Suspended, found: Vec<Suspension>) -> Result<(), Failure> {
        let new: Vec<Suspension> = found.into_iter().filter(|one| suspended.add(one.clone())).collect();
        if !new.is_empty() {
            suspended.store(self.config)?;
            self.report.suspended.extend(new);
        }
        Ok(())
    }

    fn get(&mut self, url: &str, known: Option<&Validator>) -> Result<Got, Failure> {
        let name = url.rsplit('/').next().unwrap_or_default();
        self.progress.step(&self.feed.name, name);
        self.client.get(url, known, self.progress)
    }

    /// Keys that may sign for this feed.
    fn keyring(&mut self) -> Result<Keyring, Failure> {
        let pinned: Vec<&str> = self.feed.pinned.iter().map(String::as_str).collect();
        let mut wrong = None;
        for path in self.feed.key_files.iter().filter(|path| path.is_file()) {
            match Keyring::parse(&fs::read(path)?, &pinned) {
                Ok(keyring) => return Ok(keyring),
                Err(refusal) => wrong = Some(format!("{}: {refusal}", path.display())),
            }
        }
        if !self.feed.key_url.is_empty() && !pinned.is_empty() {
            let fetched = self.client.get_small(&self.feed.key_url, self.progress);
            match fetched.map(|bytes| (Keyring::parse(&bytes, &pinned), bytes)) {
                Ok((Ok(keyring), bytes)) => {
                    generations::write_whole(&self.shelf.root.join(generations::KEY), &bytes)?;
                    let which = keyring.fingerprints().join(", ");
                    self.report.notes.push(format!("key {which} fetched from {}", self.feed.key_url));
                    return Ok(keyring);
                }
                Ok((Err(refusal), _)) => wrong = Some(format!("{}: {refusal}", self.feed.key_url)),
                Err(_) => {}
            }
        }
        let place = self.config.feeds.keys.join(format!("{}.asc", self.feed.name));
        let which = if pinned.is_empty() { String::new() } else { format!(" {}", pinned.join(" or ")) };
        let wrong = wrong.map(|wrong| format!(" ({wrong})")).unwrap_or_default();
        Err(Failure::Missing(format!("the publisher's OpenPGP key{which}, in {}{wrong}:", place.display())))
    }

    /// Proof and time of a signature over this content.
    fn signed(&self, keyring: &Keyring, content: &[u8], signature: &[u8]) -> Result<(String, u64), Failure> {
        let signed = keyring.verify(content, signature, u64::try_from(self.now).unwrap_or(0))?;
        let weak = if signed.weak { " (SHA-1)" } else { "" };
        Ok((format!("OpenPGP {}{weak}", signed.fingerprint), signed.made))
    }

    /// Whether a signature is older than the newest of what we have: what was good once is not for ever.
    fn is_older(&self, made: u64, name: Option<&str>) -> bool {
        let had =
            self.old.files.iter().filter(|(had, _)| name.is_none_or(|name| name == had.as_str()) && self.has(had));
        !self.options.accept && had.map(|(_, file)| file.signed).max().is_some_and(|newest| made < newest)
    }

    /// Signed files from the first mirror that answers.
    fn mirror(&mut self, mirrors: &[String], ending: &str) -> Result<(), Failure> {
        let keyring = self.keyring()?;
        let mut last = Failure::Missing("a mirror".into());
        for mirror in mirrors {
            self.start_over();
            self.progress.step(&self.feed.name, &shown(mirror));
            let tried = match mirror.starts_with("rsync://") {
                true => self.by_rsync(mirror, ending, &keyring),
                false => self.by_http(mirror, ending, &keyring),
            };
            match tried {
                Ok(()) => return Ok(()),
                Err(failure @ (Failure::Transport(_) | Failure::Missing(_))) => {
                    self.report.notes.push(format!("{}: {failure}", shown(mirror)));
                    last = failure;
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    fn by_rsync(&mut self, url: &str, ending: &str, keyring: &Keyring) -> Result<(), Failure> {
        // rsync compares with what it brought before: that stays, signatures with it, apart from the sets.
        let folder = self.shelf.root.join("mirror");
        generations::make_folder(&folder)?;
        let wanted: Vec<String> = self.feed.files.iter().map(|file| file.name.clone()).collect();
        let names: Vec<String> = wanted.iter().flat_map(|name| [name.clone(), format!("{name}{ending}")]).collect();
        let settings = &self.config.feeds;
        rsync::fetch(url, &names, &folder, settings.timeout.0.as_secs(), settings.size.0)?;
        for name in &wanted {
            let Ok(bytes) = fs::read(folder.join(name)) else {
                self.refuse(name, transport("the mirror does not have it"))?;
                continue;
            };
            let signature = fs::read(folder.join(format!("{name}{ending}"))).unwrap_or_default();
            self.take_signed(name, bytes, &signature, keyring, Validator::default())?;
            if self.report.refused.iter().any(|(refused, _)| refused == name) {
                // The next run is not to compare with it.
                let _ = fs::remove_file(folder.join(name));
                let _ = fs::remove_file(folder.join(format!("{name}{ending}")));
            }
        }
        Ok(())
    }

    fn by_http(&mut self, base: &str, ending: &str, keyring: &Keyring) -> Result<(), Failure> {
        let names: Vec<String> = self.feed.files.iter().map(|file| file.name.clone()).collect();
        let mut reached = false;
        for name in &names {
            let url = format!("{}/{name}", base.trim_end_matches('/'));
            let known = self.known(name, &url);
            match self.get(&url, known.as_ref()) {
                Ok(Got::NotModified) => self.keep(name)?,
                Ok(Got::Body { bytes, validator }) => {
                    match self.client.get_small(&format!("{url}{ending}"), self.progress) {
                        Ok(signature) => self.take_signed(name, bytes, &signature, keyring, validator)?,
                        Err(failure) => self.refuse(name, failure)?,
                    }
                }
                // A mirror whose first files cannot be had is no mirror.
                Err(failure @ Failure::Transport(_)) if !reached => return Err(failure),
                Err(failure) => self.refuse(name, failure)?,
            }
            reached = true;
        }
        Ok(())
    }

    fn take_signed(
        &mut self,
        name: &str,
        bytes: Vec<u8>,
        signature: &[u8],
        keyring: &Keyring,
        validator: Validator,
    ) -> Result<(), Failure> {
        if let Err(refusal) = shape::check(name, &bytes) {
            return self.refuse(name, refusal.into());
        }
        let (proof, made) = match self.signed(keyring, &bytes, signature) {
            Ok(signed) => signed,
            Err(failure) => return self.refuse(name, failure),
        };
        let newest = self.old.files.get(name).filter(|_| self.has(name)).map_or(0, |old| old.signed);
        if made < newest {
            self.report.notes.push(format!("{name}: the mirror has an older one than we have"));
            return self.keep(name);
        }
        self.take(name, Believed { bytes, proof, signed: made, validator })
    }

    /// Each file by itself, perhaps with a checksum beside it.
    fn each_below(&mut self, bases: &[String], ending: &str) -> Result<(), Failure> {
        let names: Vec<String> = self.feed.files.iter().map(|file| file.name.clone()).collect();
        let mut failed = None;
        for base in bases {
            self.start_over();
            let mut reached = false;
            for name in &names {
                let url = format!("{}/{name}", base.trim_end_matches('/'));
                let sum = if ending.is_empty() { String::new() } else { format!("{url}{ending}") };
                match self.fetch_file(name, &url, &sum, "") {
                    Ok(()) => reached = true,
                    Err(failure @ Failure::Transport(_)) => {
                        if !reached && names.len() > 1 {
                            failed = Some(failure);
                            break;
                        }
                        self.refuse(name, failure)?;
                        reached = true;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            if reached {
                return Ok(());
            }
        }
        Err(failed.unwrap_or(Failure::Missing("an address".into())))
    }

    fn one_file(&mut self, url: &str, checksum: &str, signature: &str) -> Result<(), Failure> {
        let name = self.feed.files.first().map(|file| file.name.clone()).unwrap_or_default();
        self.fetch_file(&name, url, checksum, signature)
    }

    fn fetch_file(&mut self, name: &str, url: &str, sum: &str, signature: &str) -> Result<(), Failure> {
        let known = self.known(name, url);
        match self.get(url, known.as_ref())? {
            Got::NotModified => self.keep(name),
            Got::Body { bytes, validator } => {
                if let Err(refusal) = shape::check(name, &bytes) {
                    return self.refuse(name, refusal.into());
                }
                match self.believe(url, &bytes, sum, signature) {
                    Ok((_, signed)) if !signature.is_empty() && self.is_older(signed, Some(name)) => {
                        self.report.notes.push(format!("{name}: the server has an older one than we have"));
                        self.keep(name)
                    }
                    Ok((proof, signed)) => self.take(name, Believed { bytes, proof, signed, validator }),
                    Err(failure) => self.refuse(name, failure),
                }
            }
        }
    }

    /// By signature, else by checksum, else because it came over TLS, else not at all but for its shape.
    fn believe(&mut self, url: &str, bytes: &[u8], sum: &str, signature: &str) -> Result<(String, u64), Failure> {
        let mut proof = match url.starts_with("https://") {
            true => ("TLS alone".to_owned(), 0),
            false => ("nothing".to_owned(), 0),
        };
        if !sum.is_empty() {
            let list = self.client.get_small(sum, self.progress)?;
            let name = url.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
            proof = (format!("{:?} checksum", checksum::check(&list, name, bytes)?), 0);
        }
        if !signature.is_empty() {
            let keyring = self.keyring()?;
            let signature = self.client.get_small(signature, self.progress)?;
            proof = self.signed(&keyring, bytes, &signature)?;
        }
        Ok(proof)
    }

    /// The files of a compressed tar file; those that are wanted, or all.
    fn archive(&mut self, urls: &[String], sum: &str, signature: &str) -> Result<(), Failure> {
        let mut last = Failure::Missing("an address".into());
        for url in urls {
            self.start_over();
            match self.archive_from(url, sum, signature) {
                Err(failure @ Failure::Transport(_)) => last = failure,
                other => return other,
            }
        }
        Err(last)
    }

    fn archive_from(&mut self, url: &str, sum: &str, signature: &str) -> Result<(), Failure> {
        let known = self.current.as_ref().and_then(|_| self.old.answers.get(url).cloned());
        let known = known.filter(|_| !self.options.accept);
        match self.get(url, known.as_ref())? {
            Got::NotModified => self.keep_all(),
            Got::Body { bytes, validator } => {
                shape::check("archive.tar.gz", &bytes)?;
                let (proof, signed) = self.believe(url, &bytes, sum, signature)?;
                if !signature.is_empty() && self.is_older(signed, None) {
                    self.report.notes.push(format!("{}: an older archive than we have", shown(url)));
                    return self.keep_all();
                }
                self.take_archive(&bytes, &proof, signed)?;
                self.state.answers.insert(url.to_owned(), validator);
                Ok(())
            }
        }
    }

    fn keep_all(&mut self) -> Result<(), Failure> {
        let names: Vec<String> = self.old.files.keys().cloned().collect();
        names.iter().try_for_each(|name| self.keep(name))
    }

    fn take_archive(&mut self, bytes: &[u8], proof: &str, signed: u64) -> Result<(), Failure> {
        let mut members = Vec::new();
        let limits = archive::Limits { bytes: self.config.feeds.size.0, ..archive::Limits::default() };
        archive::unpack_gzip(bytes, limits, &mut |name, content| {
            members.push((name.to_owned(), content));
            Ok(())
        })?;
        let wanted = |name: &str| self.feed.files.is_empty() || self.feed.files.iter().any(|file| file.name == name);
        members.retain(|(name, _)| wanted(name));
        let mut names = std::collections::BTreeSet::new();
        if let Some((name, _)) = members.iter().find(|(name, _)| !names.insert(name.as_str())) {
            return Err(Refusal::Format(format!("the archive has {name} twice")).into());
        }
        if members.is_empty() {
            return Err(Refusal::Format("the archive has none of the files that are wanted".into()).into());
        }
        for (name, bytes) in members {
            let proof = proof.to_owned();
            self.take(&name, Believed { bytes, proof, signed, validator: Validator::default() })?;
        }
        Ok(())
    }

    /// A channel of `sa-update`.
    fn channel(&mut self, zone: &str, mirrors: &[String]) -> Result<(), Failure> {
        let keyring = self.keyring()?;
        self.progress.step(&self.feed.name, "asking DNS");
        let settings = &self.config.feeds;
        let version = dns::txt(&channel::version_name(environment::SPAMASSASSIN_VERSION, zone), settings)?;
        let version = channel::version(&version)?;
        if self.current.is_some()
            && self.old.versions.get(zone).is_some_and(|had| *had >= version)
            && !self.options.accept
        {
            return self.keep_all();
        }
        let mirrors: Vec<String> = match mirrors.is_empty() {
            false => mirrors.to_vec(),
            true => {
                let addresses = dns::txt(&channel::mirrors_name(zone), settings)?;
                let address = addresses.into_iter().find(|text| text.starts_with("http"));
                let address = address.ok_or_else(|| Refusal::Format("DNS names no list of mirrors".into()))?;
                let list = self.client.get_small(&address, self.progress)?;
                channel::ordered(channel::mirrors(&list)?, environment::chance())
                    .into_iter()
                    .map(|mirror| mirror.url)
                    .collect()
            }
        };
        let mut last = Failure::Missing("a mirror".into());
        for mirror in mirrors.iter().take(MIRRORS) {
            self.start_over();
            match self.channel_from(mirror, version, &keyring) {
                Ok(()) => {
                    self.state.versions.insert(zone.to_owned(), version);
                    return Ok(());
                }
                Err(failure @ (Failure::Transport(_) | Failure::Refused(_))) => {
                    self.report.notes.push(format!("{}: {failure}", shown(mirror)));
                    last = failure;
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    fn channel_from(&mut self, mirror: &str, version: u64, keyring: &Keyring) -> Result<(), Failure> {
        let (name, sums, signature) = channel::files(version);
        let at = |name: &str| format!("{}/{name}", mirror.trim_end_matches('/'));
        let bytes = match self.get(&at(&name), None)? {
            Got::Body { bytes, .. } => bytes,
            Got::NotModified => return Err(transport("nothing came")),
        };
        shape::check(&name, &bytes)?;
        let sum = sums.iter().find_map(|sum| self.client.get_small(&at(sum), self.progress).ok());
        let sum = sum.ok_or_else(|| transport(format!("{}: no checksum beside {name}", shown(mirror))))?;
        checksum::check(&sum, &name, &bytes)?;
        let signature = self.client.get_small(&at(&signature), self.progress)?;
        let (proof, made) = self.signed(keyring, &bytes, &signature)?;
        let digest = checksum::sha256(&bytes);
        if self.old.taken_back.contains(&digest) && !self.options.accept {
            return Err(Failure::Content(format!("{name} is what was taken back before")));
        }
        if self.is_older(made, None) {
            return Err(
                Refusal::Signature(format!("{name} was signed before what we have, whatever its number")).into()
            );
        }
        self.take_archive(&bytes, &proof, made)?;
        let newest = self.old.files.values().map(|file| file.signed).max();
        // Else whoever speaks for DNS could have the next numbers taken for had.
        if self.new.is_empty() && self.current.is_some() && newest == Some(made) && !self.options.accept {
            return Err(Refusal::Signature(format!("{name} is what we have, under another number")).into());
        }
        Ok(())
    }

    /// ClamAV's databases, each by differences where it can be, else whole.
    fn databases(&mut self, zone: &str, bases: &[String]) -> Result<(), Failure> {
        self.progress.step(&self.feed.name, "asking DNS");
        let records = dns::txt(zone, &self.config.feeds)?;
        let record = records.iter().find_map(|record| cvd::Versions::parse(record).ok());
        let versions = record.ok_or_else(|| Refusal::Format(format!("DNS has no versions but {records:?}")))?;
        let base = bases.first().map(|base| base.trim_end_matches('/').to_owned()).unwrap_or_default();
        let wanted: Vec<String> = self.feed.files.iter().map(|file| file.name.clone()).collect();
        for file in wanted {
            let database = file.split('.').next().unwrap_or_default().to_owned();
            let Some(newest) = versions.of(&database).map(u64::from) else { continue };
            self.database(&database, &base, newest)?;
        }
        Ok(())
    }

    fn database(&mut self, database: &str, base: &str, newest: u64) -> Result<(), Failure> {
        let had = self.old.versions.get(database).copied().unwrap_or(0);
        let files = self.database_files(database);
        if let Some(files) = files {
            if had >= newest {
                return files.keys().try_for_each(|name| self.keep(name));
            }
            if newest - had <= DIFFERENCES {
                match self.differences(database, base, had, newest, files) {
                    Ok(()) => return Ok(()),
                    Err(failure @ (Failure::CoolDown { .. } | Failure::Ours(_))) => return Err(failure),
                    Err(failure) => {
                        self.report.notes.push(format!("{database}: {failure}; the whole database instead"))
                    }
                }
            }
        }
        let bytes = match self.get(&format!("{base}/{database}.cvd"), None)? {
            Got::Body { bytes, .. } => bytes,
            Got::NotModified => return Err(transport("nothing came")),
        };
        shape::check(&format!("{database}.cvd"), &bytes)?;
        let header = cvd::verify(&bytes, &cvd::CONTAINER)?;
        if u64::from(header.version) < had {
            self.report.notes.push(format!("{database}: the mirror has {} and we {had}", header.version));
            let names: Vec<String> = self.database_files(database).unwrap_or_default().into_keys().collect();
            return names.iter().try_for_each(|name| self.keep(name));
        }
        let mut files = cdiff::Files::new();
        cvd::unpack(&bytes, archive::Limits::default(), &mut |name, content| {
            files.insert(name.to_owned(), content);
            Ok(())
        })?;
        self.take_database(database, u64::from(header.version), files)
    }

    /// What the current set has of a database; `None` where it is not whole.
    fn database_files(&self, database: &str) -> Option<cdiff::Files> {
        let folder = self.current.as_ref()?;
        let list = format!("{database}.info");
        let text = fs::read(folder.join(&list)).ok()?;
        let info = cvd::Info::verify(&text, &cvd::LIST).ok()?;
        let mut files = cdiff::Files::from([(list, text)]);
        for (name, ..) in &info.files {
            let content = fs::read(folder.join(name)).ok()?;
            if !info.holds(name, &content) {
                return None;
            }
            files.insert(name.clone(), content);
        }
        Some(files)
    }

    fn differences(
        &mut self,
        database: &str,
        base: &str,
        had: u64,
        newest: u64,
        mut files: cdiff::Files,
    ) -> Result<(), Failure> {
        for version in had + 1..=newest {
            let url = format!("{base}/{database}-{version}.cdiff");
            let Got::Body { bytes, .. } = self.get(&url, None)? else { return Err(transport("nothing came")) };
            let (leads_to, script) = cdiff::open(&bytes)?;
            if u64::from(leads_to) != version {
                return Err(Refusal::Format(format!("{} leads to version {leads_to}", shown(&url))).into());
            }
            files = cdiff::apply(&script, files)?;
        }
        self.take_database(database, newest, files)
    }

    /// Every file must be as the signed list says.
    fn take_database(&mut self, database: &str, version: u64, files: cdiff::Files) -> Result<(), Failure> {
        let list = format!("{database}.info");
        let text = files.get(&list).ok_or_else(|| Refusal::Format(format!("{database}: no list of files")))?;
        let info = cvd::Info::verify(text, &cvd::LIST)?;
        for (name, ..) in &info.files {
            if !files.get(name).is_some_and(|content| info.holds(name, content)) {
                return Err(Refusal::Checksum(format!("{database}: {name} is not what the signed list says")).into());
            }
        }
        for (name, bytes) in files {
            let listed = name == list || info.files.iter().any(|(listed, ..)| *listed == name);
            if listed && name.starts_with(&format!("{database}.")) {
                let proof = "ClamAV's signature".to_owned();
                self.take(
                    &name,
                    Believed { bytes, proof, signed: info.header.built.unwrap_or(0), validator: Validator::default() },
                )?;
            }
        }
        self.state.versions.insert(database.to_owned(), version);
        Ok(())
    }
}

/// What a feed cannot do without, before it is asked: for `status`.
pub fn missing(config: &Config, feed: &Feed) -> Vec<String> {
    let mut missing: Vec<String> = feed.missing.iter().cloned().collect();
    let signed = match &feed.how {
        How::Mirror { mirrors, .. } => {
            if mirrors.iter().any(|mirror| mirror.starts_with("rsync://")) && !rsync::is_there() {
                missing.push("the program rsync (HTTP mirrors are used instead)".into());
            }
            true
        }
        How::Channel { .. } => true,
        How::File { signature, .. } | How::Archive { signature, .. } => !signature.is_empty(),
        _ => false,
    };
    let pinned: Vec<&str> = feed.pinned.iter().map(String::as_str).collect();
    let has_key =
        feed.key_files.iter().any(|path| fs::read(path).is_ok_and(|file| Keyring::parse(&file, &pinned).is_ok()));
    if signed && !has_key {
        let place = config.feeds.keys.join(format!("{}.asc", feed.name));
        let otherwise = if feed.key_url.is_empty() {
            String::new()
        } else {
            format!(" (else it is fetched from {})", feed.key_url)
        };
        let which = if pinned.is_empty() { String::new() } else { format!(" {}", pinned.join(" or ")) };
        missing.push(format!("the key{which} in {}{otherwise}", place.display()));
    }
    missing
}

/// Whether the files of the current set are still those that were taken.
pub fn damaged(shelf: &Shelf, state: &State) -> Vec<String> {
    let Some(folder) = shelf.current() else { return state.files.keys().cloned().collect() };
    let whole = |name: &str, file: &FileState| {
        fs::read(folder.join(name)).is_ok_and(|content| checksum::sha256(&content) == file.sha256)
    };
    state.files.iter().filter(|(name, file)| !whole(name, file)).map(|(name, _)| name.clone()).collect()
}

/// Back to the set before; what is left is remembered, and not taken again.
pub fn roll_back(config: &Config, feed: &Feed) -> anyhow::Result<()> {
    let shelf = feed.shelf(config);
    let Some(_lock) = shelf.lock()? else { anyhow::bail!("{} is just being updated", feed.name) };
    let mut state = State::load(&shelf);
    shelf.roll_back()?;
    let folder = shelf.current().unwrap_or_default();
    let mut files = BTreeMap::new();
    for name in super::names(&folder) {
        let content = fs::read(folder.join(&name))?;
        let digest = checksum::sha256(&content);
        let old = state.files.get(&name).filter(|old| old.sha256 == digest).cloned();
        files.insert(
            name,
            old.unwrap_or_else(|| FileState {
                sha256: digest,
                bytes: content.len() as u64,
                lines: shape::lines(&content),
                ..FileState::default()
            }),
        );
    }
    let left: Vec<String> = state
        .files
        .iter()
        .filter(|(name, file)| files.get(*name).is_none_or(|now: &FileState| now.sha256 != file.sha256))
        .map(|(_, file)| file.sha256.clone())
        .collect();
    left.into_iter().for_each(|digest| state.take_back(digest));
    state.files = files;
    state.answers.clear();
    // A channel's or database's version counts as had: the next one is taken, this one is not.
    state.store(&shelf)?;
    Ok(())
}
