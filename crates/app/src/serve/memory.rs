//! How much mail may be in memory at once: what is being received and what is being judged, together.
//!
//! Everybody who keeps bytes has a [`Share`] of one budget. When it is used up, connections are not read until something
//! is given back; the mail servers behind them wait, as for a slow disk. Half-received messages alone could then wait for
//! each other for ever, so one of them has the right to go beyond the budget, and keeps it until its message is answered:
//! the most is the budget, one message more, and [`FREE`] with one read for each connection, which is what commands and
//! short mail need and nobody waits for. What judging takes beside the message is bounded by `limits.concurrent`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So much a connection may keep without asking.
const FREE: usize = 64 << 10;

pub struct Memory {
    budget: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Default)]
struct State {
    kept: usize,
    most: usize,
    /// Somebody has the right to go beyond the budget.
    beyond: bool,
}

impl Memory {
    pub fn new(budget: u64) -> Memory {
        Memory { budget: usize::try_from(budget).unwrap_or(usize::MAX), state: Mutex::default(), freed: Notify::new() }
    }

    /// The most bytes there ever were.
    pub fn most(&self) -> usize {
        self.state().most
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection, or one message, has of the budget; given back when it is dropped.
pub struct Share {
    memory: Arc<Memory>,
    bytes: usize,
    /// May go beyond the budget.
    beyond: bool,
}

impl Share {
    pub fn of(memory: &Arc<Memory>) -> Share {
        Share { memory: memory.clone(), bytes: 0, beyond: false }
    }

    pub fn set(&mut self, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        let mut state = self.memory.state();
        state.kept = state.kept - self.bytes + bytes;
        state.most = state.most.max(state.kept);
        let freed = bytes < self.bytes;
        self.bytes = bytes;
        drop(state);
        if freed {
            self.memory.freed.notify_waiters();
        }
    }

    /// A share for the message that this connection has just received; the right to go beyond the budget goes with it.
    pub fn hand_over(&mut self, bytes: usize) -> Share {
        let moved = bytes.min(self.bytes);
        self.bytes -= moved;
        let mut state = self.memory.state();
        state.kept += bytes - moved;
        state.most = state.most.max(state.kept);
        Share { memory: self.memory.clone(), bytes, beyond: std::mem::take(&mut self.beyond) }
    }

    /// Waits until more may be received.
    pub async fn room(&mut self) {
        loop {
            let memory = self.memory.clone();
            let freed = memory.freed.notified();
            if self.may_grow() {
                return;
            }
            freed.await;
        }
    }

    /// It waits for others, or others wait for it.
    pub fn is_pressing(&self) -> bool {
        self.beyond || self.bytes > FREE && self.memory.state().kept >= self.memory.budget
    }

    fn may_grow(&mut self) -> bool {
        if self.bytes <= FREE || self.beyond {
            return true;
        }
        let mut state = self.memory.state();
        if state.kept < self.memory.budget {
            return true;
        }
        self.beyond = !state.beyond;
        state.beyond = true;
        self.beyond
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.memory.state();
        state.kept -= self.bytes;
        if self.beyond {
            state.beyond = false;
        }
        drop(state);
        self.memory.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn waits(share: &mut Share) -> bool {
        pin!(share.room()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Pending
    }

    #[test]
    fn beyond_the_budget_one_goes_on_and_the_others_wait() {
        let memory = Arc::new(Memory::new(10 << 20));
        let mut all: Vec<Share> = (0..4).map(|_| Share::of(&memory)).collect();
        all.iter_mut().for_each(|share| share.set(3 << 20));
        assert_eq!(all.iter_mut().map(waits).collect::<Vec<_>>(), [false, true, true, true]);
        all[0].set(20 << 20);
        assert!(!waits(&mut all[0]) && waits(&mut all[1]));
        assert!(all[0].is_pressing() && all[1].is_pressing());

        // Short things need no room.
        let mut short = Share::of(&memory);
        short.set(FREE);
        assert!(!waits(&mut short) && !short.is_pressing());

        // The right stays with the message while it is judged.
        let message = all[0].hand_over(20 << 20);
        assert!(!waits(&mut all[0]), "the connection has a new message before it, not begun");
        assert!(waits(&mut all[1]) && waits(&mut all[2]));
        all[2].set(0);
        assert!(waits(&mut all[1]), "the message is too large still");
        drop(message);
        assert!(!waits(&mut all[1]) && !all[1].is_pressing(), "there is room without any right");
        drop(all);
        drop(short);
        assert_eq!(memory.state().kept, 0);
        assert_eq!(memory.most(), (29 << 20) + FREE);
    }

    #[test]
    fn who_waits_is_woken() {
        let memory = Arc::new(Memory::new(1));
        let mut first = Share::of(&memory);
        let mut second = Share::of(&memory);
        first.set(FREE + 1);
        second.set(FREE + 1);
        assert!(!waits(&mut first) && waits(&mut second));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let waiting = tokio::spawn(async move {
                second.room().await;
                second.beyond
            });
            tokio::task::yield_now().await;
            drop(first);
            assert!(waiting.await.unwrap(), "it has the right now");
        });
    }
}
