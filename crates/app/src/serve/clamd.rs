//! A connection of somebody who takes us for clamd: streams, files and descriptors to [`inspect`], names back.
//!
//! Its own loop rather than [`connection`](super::connection)'s: no mail is decided about here, an answer may come in many
//! parts (a folder's files), and descriptors come beside the bytes. Whatever closes a connection, what the client still
//! sends is read for a while and dropped: a client that is writing would otherwise lose our answer.

use super::connection::Socket;
use super::inspect::inspect;
use super::judges::NoVerdict;
use super::memory::Share;
use super::{Order, Service};
use crate::config::Config;
use crate::config::clamd::Paths;
use protocols::clamd::Server;
use protocols::{Answer, Connection, Event, Finding, Found, Inspect, Material, QuestionId, Session, Walk};
use rustix::fs::OFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A client that has sent half a command is silent: old-style commands have no end.
const SILENCE: Duration = Duration::from_millis(300);
/// A client that does not take our answer is given this long.
const WRITE: Duration = Duration::from_secs(60);
/// What comes after the end is read so long, while it comes.
const LINGER: Duration = Duration::from_secs(5);
const READ: usize = 64 << 10;
/// Descriptors in one message; nobody sends more than one.
const DESCRIPTORS: usize = 4;

/// The socket, and what came beside the bytes.
struct Wire {
    socket: Socket,
    descriptors: VecDeque<OwnedFd>,
}

impl Wire {
    /// Nothing is lost when this is given up half-way.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Tcp(stream) => stream.read(buffer).await,
            Socket::Unix(stream) => loop {
                stream.readable().await?;
                match stream.try_io(Interest::READABLE, || receive(stream, buffer, &mut self.descriptors)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return read,
                }
            },
        }
    }

    async fn write(&mut self, output: &mut Vec<u8>) -> bool {
        let written = match &mut self.socket {
            Socket::Tcp(stream) => timeout(WRITE, stream.write_all(output)).await,
            Socket::Unix(stream) => timeout(WRITE, stream.write_all(output)).await,
        };
        output.clear();
        matches!(written, Ok(Ok(())))
    }

    /// Our half ends; the client's is read and dropped.
    async fn close(mut self, most: u64) {
        let ended = match &mut self.socket {
            Socket::Tcp(stream) => stream.shutdown().await,
            Socket::Unix(stream) => stream.shutdown().await,
        };
        self.descriptors.clear();
        let (mut buffer, mut dropped) = (vec![0; READ], 0);
        while ended.is_ok() && dropped <= most {
            match timeout(LINGER, self.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => dropped += length as u64,
                _ => return,
            }
            self.descriptors.clear();
        }
    }
}

/// Bytes, and the descriptors that came with the last of them.
fn receive(
    stream: &tokio::net::UnixStream,
    buffer: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(stream, &mut [IoSliceMut::new(buffer)], &mut beside, flags)?;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(came) = message {
            descriptors.extend(came);
        }
    }
    Ok(received.bytes)
}

pub async fn run(service: &Arc<Service>, socket: Socket, about: &Connection) {
    let config = service.config.load_full();
    let mut session = Server::new(service.settings.load().clamd.clone());
    let mut wire = Wire { socket, descriptors: VecDeque::new() };
    let mut share = Share::of(&service.memory);
    let mut buffer = vec![0; READ];
    let mut stopping = service.stopping.clone();
    let mut pending: Option<Pending> = None;
    let (mut ended, mut silent) = (false, false);
    let most = config.clamd.stream.0.saturating_mul(2);
    loop {
        let closing = drain(service, &config, &mut session, &mut pending, &mut wire, &mut share, about);
        share.set(session.kept());
        if !session.output().is_empty() && !wire.write(session.output()).await {
            return;
        }
        if closing {
            return wire.close(most).await;
        }
        let patience = match (&pending, session.between_messages()) {
            _ if share.is_pressing() => config.limits.deadline.0,
            (None, false) if !silent => SILENCE,
            _ => config.clamd.read.0,
        };
        tokio::select! {
            read = read_with_room(&mut wire, &mut buffer, &mut share), if !ended && session.wants_input() => {
                silent = false;
                match read {
                    Ok((0, _)) => {
                        ended = true;
                        session.end_of_input();
                    }
                    Ok((length, came)) => {
                        session.receive(&buffer[..length]);
                        (0..came).for_each(|_| session.receive_descriptor());
                    }
                    Err(_) => return,
                }
            }
            part = next_part(&mut pending) => {
                let Some(question) = pending.as_ref().map(|pending| pending.question) else { continue };
                match part {
                    Some(finding) => {
                        note(service, about, &finding);
                        session.found(question, &finding);
                    }
                    None => {
                        pending = None;
                        session.answer(question, &Answer::default());
                    }
                }
            }
            () = tokio::time::sleep(patience), if pending.is_none() => match silent || session.between_messages() {
                false => {
                    silent = true;
                    session.progress();
                }
                true => session.timed_out(),
            },
            _ = stopping.wait_for(|stop| *stop), if pending.is_none() && session.between_messages() => return,
        }
    }
}

/// What is being looked at; given up when dropped.
struct Pending {
    question: QuestionId,
    parts: mpsc::Receiver<Finding>,
    _work: JoinSet<()>,
}

/// Never ready where nothing is pending; `None`: that was all.
async fn next_part(pending: &mut Option<Pending>) -> Option<Finding> {
    match pending {
        Some(pending) => pending.parts.recv().await,
        None => std::future::pending().await,
    }
}

/// How many bytes, and how many descriptors with them.
async fn read_with_room(wire: &mut Wire, buffer: &mut [u8], share: &mut Share) -> io::Result<(usize, usize)> {
    share.room().await;
    let before = wire.descriptors.len();
    let length = wire.read(buffer).await?;
    Ok((length, wire.descriptors.len() - before))
}

/// Takes the session's events; whether it has come to its end.
fn drain(
    service: &Arc<Service>,
    config: &Arc<Config>,
    session: &mut Server,
    pending: &mut Option<Pending>,
    wire: &mut Wire,
    share: &mut Share,
    about: &Connection,
) -> bool {
    while let Some(event) = session.next_event() {
        match event {
            Event::Inspect(inspect) => {
                let descriptor = match inspect.material {
                    Material::Descriptor => wire.descriptors.pop_front(),
                    _ => None,
                };
                let local = about.address.is_none_or(|address| address.to_canonical().is_loopback());
                let paths = match config.clamd.paths {
                    Paths::All => true,
                    Paths::Local => local,
                    Paths::None => false,
                };
                let share = match &inspect.material {
                    Material::Bytes(bytes) => share.hand_over(bytes.len()),
                    _ => Share::of(&service.memory),
                };
                let (sender, parts) = mpsc::channel(16);
                let (question, mut work) = (inspect.id, JoinSet::new());
                let looking = Looking { service: service.clone(), config: config.clone(), parts: sender };
                work.spawn(looking.at(*inspect, descriptor, paths, share));
                *pending = Some(Pending { question, parts, _work: work });
            }
            Event::Status(question) => {
                let status = Some(status(service));
                session.answer(question, &Answer { status, ..Answer::default() });
            }
            // One that waits already is as good.
            Event::Reload => {
                let _ = service.orders.try_send(Order::Reload);
            }
            Event::Shutdown => {
                service.journal.note(&format!("{}: told to shut down", name(about)));
                let _ = service.orders.try_send(Order::Stop);
            }
            Event::Trouble(trouble) => service.journal.note(&format!("{}: {trouble}", name(about))),
            Event::Close => return true,
            // Other protocols' questions.
            Event::Ask(_) | Event::Scan(_) | Event::Tell(_) | Event::Cancelled(_) | Event::StartTls => {}
        }
    }
    false
}

fn note(service: &Service, about: &Connection, finding: &Finding) {
    let path = |finding: &Finding| match &finding.path {
        Some(path) => format!("{:?}: ", String::from_utf8_lossy(path)),
        None => String::new(),
    };
    match &finding.found {
        Found::Nothing => service.metrics.inspected("clean"),
        Found::Failed(why) => {
            service.metrics.inspected("failed");
            service.journal.note(&format!("{}: {}{why}", name(about), path(finding)));
        }
        Found::Names(names) => {
            service.metrics.inspected("found");
            service.journal.note(&format!("{}: {}found {}", name(about), path(finding), names.join(", ")));
        }
    }
}

fn name(about: &Connection) -> String {
    let listener = about.listener.as_deref().unwrap_or("connection");
    about.address.map_or_else(|| listener.to_owned(), |address| format!("{listener} from {address}"))
}

/// As clamd's STATS has it; what we do not have is not available.
fn status(service: &Service) -> String {
    let (threads, busy, queued) = (service.judges.threads(), service.judges.busy(), service.judges.queued());
    let state = if *service.stopping.borrow() { "EXIT" } else { "VALID" };
    format!(
        "POOLS: 1\n\nSTATE: {state} PRIMARY\nTHREADS: live {threads}  idle {} max {threads} idle-timeout 0\n\
         QUEUE: {queued} items\n\nMEMSTATS: heap N/A mmap N/A used N/A free N/A releasable N/A pools 1 pools_used N/A \
         pools_total N/A\nEND",
        threads.saturating_sub(busy)
    )
}

/// One question being answered.
#[derive(Clone)]
struct Looking {
    service: Arc<Service>,
    config: Arc<Config>,
    parts: mpsc::Sender<Finding>,
}

impl Looking {
    async fn at(self, inspect: Inspect, descriptor: Option<OwnedFd>, paths: bool, mut share: Share) {
        let found = match inspect.material {
            Material::Bytes(bytes) => self.bytes(bytes, inspect.walk, share).await,
            Material::Descriptor => match descriptor {
                None => Found::Failed("No file descriptor received.".into()),
                Some(descriptor) => match self.read(move || Ok(File::from(descriptor)), &mut share).await {
                    Ok(bytes) => self.bytes(bytes, inspect.walk, share).await,
                    Err(why) => Found::Failed(why),
                },
            },
            Material::Path(_) if !paths => Found::Failed("Access denied.".into()),
            Material::Path(path) => return self.path(path, inspect.walk).await,
        };
        self.say(None, found).await;
    }

    async fn say(&self, path: Option<&Path>, found: Found) {
        let path = path.map(|path| path.as_os_str().as_bytes().to_vec());
        let _ = self.parts.send(Finding { path, found }).await;
    }

    async fn bytes(&self, bytes: Vec<u8>, walk: Walk, share: Share) -> Found {
        let service = self.service.clone();
        let looked = self.service.judges.run(self.config.limits.deadline.0, move |scratch| {
            let _share = share;
            inspect(&service, &bytes, walk == Walk::AllNames, scratch)
        });
        match looked.await {
            Ok(names) if names.is_empty() => Found::Nothing,
            Ok(names) => Found::Names(names),
            Err(NoVerdict::Late) => Found::Failed("Time limit reached.".into()),
            Err(NoVerdict::Failed) => Found::Failed("Scanner failed.".into()),
        }
    }

    /// A regular file's content, when there is room for it.
    async fn read(
        &self,
        open: impl FnOnce() -> Result<File, String> + Send + 'static,
        share: &mut Share,
    ) -> Result<Vec<u8>, String> {
        let limit = self.config.clamd.stream.0;
        let opened = tokio::task::spawn_blocking(move || {
            let file = open()?;
            let about = file.metadata().map_err(|_| "Can't read file".to_owned())?;
            match about.is_file() {
                true if about.len() > limit => Err("File size limit exceeded.".to_owned()),
                true => Ok((file, about.len())),
                false => Err("Not a regular file".to_owned()),
            }
        });
        let (file, length) = opened.await.unwrap_or_else(|_| Err("Can't open file or directory".into()))?;
        share.set(length as usize);
        share.room().await;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(length as usize);
            let mut piece = vec![0; READ];
            // From its beginning, wherever who passed it stands; and no further than it measured.
            while (bytes.len() as u64) < length {
                match file.read_at(&mut piece, bytes.len() as u64) {
                    Ok(0) => break,
                    Ok(read) => bytes.extend_from_slice(&piece[..read]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return Err("Can't read file".to_owned()),
                }
            }
            Ok(bytes)
        });
        read.await.unwrap_or_else(|_| Err("Can't read file".into()))
    }

    async fn file(&self, path: PathBuf, walk: Walk) -> Found {
        let mut share = Share::of(&self.service.memory);
        match self.read(move || open(&path), &mut share).await {
            Ok(bytes) => self.bytes(bytes, walk, share).await,
            Err(why) => Found::Failed(why),
        }
    }

    /// A file, or what is in a folder; at the end OK, unless something was found or nothing could be looked at.
    async fn path(&self, named: Vec<u8>, walk: Walk) {
        let path = PathBuf::from(OsStr::from_bytes(&named));
        let fails = |why: &str| Found::Failed(why.to_owned());
        let asked = path.clone();
        let about = tokio::task::spawn_blocking(move || asked.metadata()).await;
        let about = match about.unwrap_or_else(|_| Err(io::Error::other("failed"))) {
            Ok(about) if path.is_absolute() => about,
            Ok(_) => return self.say(None, fails("File path check failure: No such file or directory.")).await,
            Err(error) => return self.say(None, Found::Failed(unreachable(&error))).await,
        };
        if about.is_file() {
            let found = self.file(path, walk).await;
            return self.say(None, found).await;
        }
        if !about.is_dir() {
            self.say(None, fails("Not supported file type")).await;
            return self.say(None, Found::Nothing).await;
        }
        let (files, mut coming) = mpsc::channel(64);
        let (most, depth) = (self.config.clamd.files, self.config.clamd.depth);
        let walking = tokio::task::spawn_blocking(move || {
            let mut left = most;
            folder(&path, depth, &mut left, &files);
            left > 0
        });
        let at_once = if walk == Walk::Everything { self.service.judges.threads() } else { 1 };
        let (mut work, mut clean, mut bad, mut found_something) = (JoinSet::new(), 0_u64, 0_u64, false);
        loop {
            tokio::select! {
                next = coming.recv(), if work.len() < at_once => match next {
                    Some(Ok(path)) => {
                        let looking = self.clone();
                        work.spawn(async move { (path.clone(), looking.file(path, walk).await) });
                    }
                    Some(Err((path, why))) => {
                        bad += 1;
                        self.say(Some(&path), Found::Failed(why)).await;
                    }
                    None if work.is_empty() => break,
                    None => {
                        let Some(Ok((path, found))) = work.join_next().await else { continue };
                        if self.tell(&path, found, &mut clean, &mut bad).await {
                            found_something = true;
                        }
                    }
                },
                Some(Ok((path, found))) = work.join_next(), if !work.is_empty() => {
                    if self.tell(&path, found, &mut clean, &mut bad).await {
                        found_something = true;
                        if walk != Walk::Everything {
                            return;
                        }
                    }
                }
            }
            if found_something && walk != Walk::Everything {
                return;
            }
        }
        if !walking.await.unwrap_or(false) {
            bad += 1;
            self.say(None, fails("More files than clamd.files allows.")).await;
        }
        if !found_something && (clean > 0 || bad == 0) {
            self.say(None, Found::Nothing).await;
        }
    }

    /// Of a folder's file only what is not clean is told. Whether something was found.
    async fn tell(&self, path: &Path, found: Found, clean: &mut u64, bad: &mut u64) -> bool {
        let names = matches!(found, Found::Names(_));
        match found {
            Found::Nothing => {
                self.service.metrics.inspected("clean");
                *clean += 1;
            }
            Found::Failed(_) => {
                *bad += 1;
                self.say(Some(path), found).await;
            }
            Found::Names(_) => self.say(Some(path), found).await,
        }
        names
    }
}

fn open(path: &Path) -> Result<File, String> {
    // Nobody waits for the other end of a pipe that took a file's place.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    file.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => "Access denied.".to_owned(),
        _ => "Can't open file or directory".to_owned(),
    })
}

fn unreachable(error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "No such file or directory",
        io::ErrorKind::PermissionDenied => "Permission denied",
        io::ErrorKind::NotADirectory => "Not a directory",
        _ => "Input/output error",
    };
    format!("File path check failure: {why}.")
}

type Walked = Result<PathBuf, (PathBuf, String)>;

/// Regular files below a folder; links are not followed, as clamd's defaults have it.
fn folder(path: &Path, depth: usize, left: &mut usize, files: &mpsc::Sender<Walked>) {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(_) => return drop(files.blocking_send(Err((path.to_owned(), "Access denied.".into())))),
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if *left == 0 || files.is_closed() {
            return;
        }
        if kind.is_dir() {
            match depth {
                0 => {
                    let why = "Deeper than clamd.depth allows.".to_owned();
                    drop(files.blocking_send(Err((entry.path(), why))));
                }
                _ => folder(&entry.path(), depth - 1, left, files),
            }
        } else if kind.is_file() {
            *left -= 1;
            if files.blocking_send(Ok(entry.path())).is_err() {
                return;
            }
        }
    }
}
