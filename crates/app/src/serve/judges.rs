//! The threads that judge: as many as messages may be in work, each with its own scratch, fed from one queue.
//!
//! Whoever waits for a verdict waits no longer than the deadline, the time in the queue included. A thread whose work is
//! no longer waited for ends it all the same; work that has not begun by then is not begun.

use engine::Scratch;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce(&mut Scratch) + Send>;

pub struct Judges {
    queue: mpsc::Sender<Work>,
    in_work: Arc<InWork>,
    threads: usize,
    /// What no thread has taken up yet.
    queued: Arc<AtomicUsize>,
}

/// Messages in work now, and the most there ever were.
#[derive(Default)]
struct InWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// While one is in work.
struct One<'w>(&'w InWork);

impl InWork {
    fn one(&self) -> One<'_> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        One(self)
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVerdict {
    /// Not in time.
    Late,
    /// The program failed on this message.
    Failed,
}

impl Judges {
    pub fn start(threads: usize) -> std::io::Result<Judges> {
        let (queue, work) = mpsc::channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        let in_work = Arc::new(InWork::default());
        let threads = threads.max(1);
        for number in 0..threads {
            let work = work.clone();
            std::thread::Builder::new().name(format!("judge-{number}")).spawn(move || {
                let mut scratch = Scratch::new();
                loop {
                    let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(next) = next else { return };
                    if catch_unwind(AssertUnwindSafe(|| next(&mut scratch))).is_err() {
                        scratch = Scratch::new(); // whoever waits sees that nobody will answer
                    }
                }
            })?;
        }
        Ok(Judges { queue, in_work, threads, queued: Arc::default() })
    }

    /// How many messages were in work at the same time at most.
    pub fn most(&self) -> usize {
        self.in_work.most.load(Ordering::SeqCst)
    }

    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Of the threads.
    pub fn busy(&self) -> usize {
        self.in_work.now.load(Ordering::Relaxed)
    }

    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Runs `work` on one of the threads.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&mut Scratch) -> T + Send + 'static,
    ) -> Result<T, NoVerdict> {
        let (answer, verdict) = oneshot::channel();
        let (in_work, queued) = (self.in_work.clone(), self.queued.clone());
        queued.fetch_add(1, Ordering::Relaxed);
        let work: Work = Box::new(move |scratch| {
            queued.fetch_sub(1, Ordering::Relaxed);
            if !answer.is_closed() {
                let _one = in_work.one();
                let _ = answer.send(work(scratch));
            }
        });
        self.queue.send(work).map_err(|_| NoVerdict::Failed)?;
        match tokio::time::timeout(deadline, verdict).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) => Err(NoVerdict::Failed),
            Err(_) => Err(NoVerdict::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_or_is_late_is_told_and_harms_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let judges = Judges::start(1).unwrap();
            let long = Duration::from_secs(60);
            let failed = judges.run(long, |_| -> u8 { panic!("a check went wrong") }).await;
            assert_eq!(failed, Err(NoVerdict::Failed));
            assert_eq!(judges.run(long, |_| 1).await, Ok(1));

            let (release, wait) = mpsc::channel::<()>();
            let late = judges.run(Duration::from_millis(20), move |_| wait.recv()).await;
            assert!(matches!(late, Err(NoVerdict::Late)));
            let queued = judges.run(Duration::from_millis(20), |_| panic!("never begun")).await;
            assert_eq!(queued, Err::<(), _>(NoVerdict::Late));
            release.send(()).unwrap();
            assert_eq!(judges.run(long, |_| 2).await, Ok(2));
        });
    }
}
