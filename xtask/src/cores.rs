//! Many messages on all cores: what judges them works without I/O of its own, so threads are all it takes.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `work` on every item and gives what came of each, in their order. `S`: what one thread keeps from item to item.
pub fn each<T: Sync, S: Default, R: Send>(items: &[T], work: impl Fn(&T, &mut S) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let run = || {
            let mut kept = S::default();
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { return mine };
                mine.push((at, work(item, &mut kept)));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic in judging")).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let items: Vec<usize> = (0..1_000).collect();
        let twice = each(&items, |item, count: &mut usize| {
            *count += 1;
            (2 * item, *count > 0)
        });
        assert_eq!(twice, (0..1_000).map(|item| (2 * item, true)).collect::<Vec<_>>());
        assert!(each(&[] as &[u8], |_, (): &mut ()| ()).is_empty());
    }
}
