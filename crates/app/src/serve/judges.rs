//! The threads that judge: as many at work as messages may be, each with its own scratch, fed from one queue.
//!
//! Whoever waits for a verdict waits no longer than the deadline, the time in the queue included. A thread whose work is
//! no longer waited for ends it all the same; work that has not begun by then is not begun.
//!
//! A thread that waits for answers of others (DNS) gives its place away meanwhile ([`Places::waiting`]), and another
//! thread is started where none is idle, up to a limit. Who comes back goes before who begins. Of idle threads the one
//! that worked last works next: its memory is warm, and those that are seldom needed stay small.

use engine::Scratch;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

type Work = Box<dyn FnOnce(&mut Scratch) + Send>;

pub struct Judges {
    places: Arc<Places>,
    in_work: Arc<InWork>,
    /// What no thread has taken up yet.
    queued: Arc<AtomicUsize>,
}

/// Who may work now.
pub struct Places {
    all: usize,
    most_threads: usize,
    state: Mutex<State>,
    free_for_who_returns: Condvar,
}

struct State {
    queue: VecDeque<Work>,
    /// Of all threads.
    threads: Vec<mpsc::Sender<Work>>,
    /// The last is the one that worked last.
    idle: Vec<usize>,
    free: usize,
    returning: usize,
}

impl Places {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what is queued, as far as there are places that nobody returns to.
    fn dispatch(self: &Arc<Self>, state: &mut State) {
        while state.free > state.returning && !state.queue.is_empty() {
            let idle = match state.idle.pop() {
                Some(idle) => idle,
                None if state.threads.len() < self.most_threads => match self.start_thread(state.threads.len()) {
                    Ok(started) => {
                        state.threads.push(started);
                        state.threads.len() - 1
                    }
                    // Those that there are go on.
                    Err(_) => return,
                },
                None => return,
            };
            let (Some(work), Some(thread)) = (state.queue.pop_front(), state.threads.get(idle)) else { return };
            match thread.send(work) {
                Ok(()) => state.free -= 1,
                Err(unsent) => state.queue.push_front(unsent.0),
            }
        }
    }

    fn start_thread(self: &Arc<Self>, number: usize) -> std::io::Result<mpsc::Sender<Work>> {
        let (give, take) = mpsc::channel::<Work>();
        let places = Arc::downgrade(self);
        std::thread::Builder::new().name(format!("judge-{number}")).spawn(move || {
            let mut scratch = Scratch::new();
            while let Ok(work) = take.recv() {
                if catch_unwind(AssertUnwindSafe(|| work(&mut scratch))).is_err() {
                    scratch = Scratch::new(); // whoever waits sees that nobody will answer
                }
                let Some(places) = places.upgrade() else { return };
                let mut state = places.state();
                state.idle.push(number);
                places.give(&mut state);
            }
        })?;
        Ok(give)
    }

    fn give(self: &Arc<Self>, state: &mut State) {
        state.free += 1;
        if state.returning > 0 {
            self.free_for_who_returns.notify_one();
        }
        self.dispatch(state);
    }

    /// For a thread that judges: runs what waits for others without keeping the place.
    pub fn waiting<T>(self: &Arc<Self>, wait: impl FnOnce() -> T) -> T {
        /// Takes a place again even if the waiting ends in a panic.
        struct Return<'p>(&'p Arc<Places>);
        impl Drop for Return<'_> {
            fn drop(&mut self) {
                let mut state = self.0.state();
                state.returning += 1;
                while state.free == 0 {
                    state = self.0.free_for_who_returns.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.returning -= 1;
                state.free -= 1;
            }
        }
        self.give(&mut self.state());
        let _return = Return(self);
        wait()
    }
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
    /// So many at work, and so many more that may wait for others.
    pub fn start(threads: usize, waiting: usize) -> Judges {
        let all = threads.max(1);
        let state = State { queue: VecDeque::new(), threads: Vec::new(), idle: Vec::new(), free: all, returning: 0 };
        let places = Places {
            all,
            most_threads: all.saturating_add(waiting),
            state: Mutex::new(state),
            free_for_who_returns: Condvar::new(),
        };
        Judges { places: Arc::new(places), in_work: Arc::default(), queued: Arc::default() }
    }

    pub fn places(&self) -> Arc<Places> {
        self.places.clone()
    }

    /// How many messages were in work at the same time at most.
    pub fn most(&self) -> usize {
        self.in_work.most.load(Ordering::SeqCst)
    }

    pub fn threads(&self) -> usize {
        self.places.all
    }

    /// Of the threads.
    pub fn busy(&self) -> usize {
        self.places.all - self.places.state().free.min(self.places.all)
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
        {
            let mut state = self.places.state();
            state.queue.push_back(work);
            self.places.dispatch(&mut state);
        }
        match tokio::time::timeout(deadline, verdict).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) => Err(NoVerdict::Failed),
            Err(_) => Err(NoVerdict::Late),
        }
    }
}

impl Drop for Judges {
    /// Idle threads end; others when they are done.
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.queue.clear();
        state.idle.clear();
        state.threads.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_or_is_late_is_told_and_harms_no_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let judges = Judges::start(1, 0);
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

    #[test]
    fn who_waits_for_others_holds_nobody_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let judges = Judges::start(1, 2);
            let long = Duration::from_secs(60);
            let (release, wait) = mpsc::channel::<()>();
            let (wait, places) = (Mutex::new(wait), judges.places());
            let waits = judges.run(long, move |_| places.waiting(|| wait.lock().unwrap().recv().is_ok()));
            let others = async {
                for n in 0..10 {
                    assert_eq!(judges.run(long, move |_| n).await, Ok(n));
                }
                release.send(()).unwrap();
            };
            let (waited, ()) = tokio::join!(waits, others);
            assert_eq!(waited, Ok(true));
            assert_eq!(judges.places.state().threads.len(), 2);
            // The answer is told before the place is given back.
            let idle = async {
                while judges.busy() > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await
                }
            };
            assert!(tokio::time::timeout(long, idle).await.is_ok());
        });
    }
}
