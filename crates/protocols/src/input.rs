//! Bytes that have arrived and have not been understood yet.

#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    used: usize,
    pub(crate) ended: bool,
}

impl Input {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn skip(&mut self, n: usize) {
        self.used = (self.used + n).min(self.bytes.len());
        if self.used == self.bytes.len() {
            self.bytes.clear();
            self.used = 0;
            if self.bytes.capacity() > 1 << 20 {
                self.bytes = Vec::new();
            }
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        let n = n.min(self.len());
        let taken = self.rest()[..n].to_vec();
        self.skip(n);
        taken
    }

    pub(crate) fn clear(&mut self) {
        self.skip(self.len());
    }

    /// A line up to `limit` bytes, its end (LF or CRLF) taken off. Looks no further than needed.
    pub(crate) fn line(&mut self, limit: usize) -> Line {
        let rest = self.rest();
        match rest.iter().take(limit + 2).position(|b| *b == b'\n') {
            Some(at) => {
                let mut line = self.take(at + 1);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if line.len() > limit { Line::TooLong } else { Line::Whole(line) }
            }
            None if rest.len() >= limit + 2 => Line::TooLong,
            None => Line::Incomplete,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    Incomplete,
    TooLong,
}
