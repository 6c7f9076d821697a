//! Scripts, read and written anew.

/// Reads a script in pieces.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    text: Vec<u8>,
}

impl Reader {
    pub fn read(&mut self, piece: &[u8]) {
        self.text.extend_from_slice(piece);
    }

    pub fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.text);
    }
}
