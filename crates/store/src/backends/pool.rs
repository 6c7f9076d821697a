//! Connections that nobody uses at the moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Pool<C> {
    idle: Mutex<Vec<C>>,
    /// Beyond these, connections are closed.
    most: usize,
}

impl<C> Pool<C> {
    pub fn new(most: usize) -> Pool<C> {
        Pool { idle: Mutex::new(Vec::new()), most }
    }

    /// An idle connection that still works, or a new one.
    pub fn take<E>(&self, works: impl Fn(&mut C) -> bool, connect: impl FnOnce() -> Result<C, E>) -> Result<C, E> {
        loop {
            let idle = self.idle().pop();
            match idle {
                Some(mut connection) => {
                    if works(&mut connection) {
                        return Ok(connection);
                    }
                }
                None => return connect(),
            }
        }
    }

    /// For a connection whose last use went well; after an error its state is unknown, and it is dropped instead.
    pub fn give_back(&self, connection: C) {
        let mut idle = self.idle();
        if idle.len() < self.most {
            idle.push(connection);
        }
    }

    /// A thread that panicked held a connection, not a half-changed list.
    fn idle(&self) -> MutexGuard<'_, Vec<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
