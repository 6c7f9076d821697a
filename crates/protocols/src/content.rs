//! The bytes of a message while they arrive, within a limit.
//!
//! Where the mail server keeps the message (milter), nothing needs to be refused for its length: the beginning and the
//! end are kept, what lies between is counted, and the verdict can say that it has not been read.

use std::collections::VecDeque;

/// How much of a message is kept for judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentLimits {
    /// Bytes kept of one message in all.
    pub bytes: usize,
    /// How many of them belong to the end, where the message is longer.
    pub tail: usize,
}

impl Default for ContentLimits {
    fn default() -> Self {
        Self { bytes: 32 << 20, tail: 1 << 20 }
    }
}

/// A message as it came, or its beginning and end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub omitted: Option<Omitted>,
}

/// What was left out of the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Omitted {
    /// Where in [`Content::bytes`] the gap is.
    pub at: usize,
    pub bytes: u64,
}

impl Content {
    /// The message's length before anything was left out.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64 + self.omitted.map_or(0, |o| o.bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, omitted: None }
    }
}

#[derive(Debug)]
pub(crate) struct Collector {
    head_limit: usize,
    tail_limit: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    omitted: u64,
}

impl Collector {
    pub(crate) fn new(limits: ContentLimits) -> Self {
        let tail_limit = limits.tail.min(limits.bytes);
        Self { head_limit: limits.bytes - tail_limit, tail_limit, head: Vec::new(), tail: VecDeque::new(), omitted: 0 }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        let room = self.head_limit.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        bytes = &bytes[room..];
        if bytes.is_empty() {
            return;
        }
        if bytes.len() > self.tail_limit {
            let skipped = bytes.len() - self.tail_limit;
            self.omitted += skipped as u64;
            bytes = &bytes[skipped..];
        }
        let surplus = (self.tail.len() + bytes.len()).saturating_sub(self.tail_limit);
        self.tail.drain(..surplus);
        self.omitted += surplus as u64;
        self.tail.extend(bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// No more needs to come: the beginning is full and nothing of the end is wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.tail_limit == 0 && self.head.len() >= self.head_limit
    }

    pub(crate) fn take(&mut self) -> Content {
        let mut bytes = std::mem::take(&mut self.head);
        let omitted = (self.omitted > 0).then_some(Omitted { at: bytes.len(), bytes: self.omitted });
        bytes.extend(std::mem::take(&mut self.tail));
        self.omitted = 0;
        Content { bytes, omitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept_however_the_bytes_are_cut() {
        let text: Vec<u8> = (b'a'..=b'z').collect();
        for (limit, tail, kept, omitted) in [
            (26, 4, "abcdefghijklmnopqrstuvwxyz", None),
            (10, 4, "abcdefwxyz", Some(Omitted { at: 6, bytes: 16 })),
            (10, 0, "abcdefghij", Some(Omitted { at: 10, bytes: 16 })),
            (3, 9, "xyz", Some(Omitted { at: 0, bytes: 23 })),
            (0, 0, "", Some(Omitted { at: 0, bytes: 26 })),
        ] {
            for step in [1, 3, 26] {
                let mut collector = Collector::new(ContentLimits { bytes: limit, tail });
                text.chunks(step).for_each(|c| collector.push(c));
                let content = collector.take();
                assert_eq!(String::from_utf8_lossy(&content.bytes), kept);
                assert_eq!(content.omitted, omitted);
                assert_eq!(content.size(), 26);
            }
        }
    }
}
