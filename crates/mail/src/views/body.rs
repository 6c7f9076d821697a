//! The `body` view: the Subject, then the text of all parts as a reader sees it, blanks folded, in units of a paragraph.

/// Text cut into the units that a rule is matched against one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitText {
    pub bytes: Vec<u8>,
    /// Unit `i` ends (exclusively) at `ends[i]` and begins where the one before it ended.
    pub ends: Vec<u32>,
}

impl UnitText {
    pub fn push(&mut self, unit: &[u8]) {
        self.bytes.extend_from_slice(unit);
        self.close();
    }

    /// Ends a unit at the present end of `bytes`.
    pub fn close(&mut self) {
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn unit(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|i| self.unit(i))
    }
}

/// Body of what the parts render to. `subject` is the last Subject field, decoded, without line end; `parts` holds
/// one entry a leaf, `None` for leaves that do not render; `scan_size` is `body_part_scan_size` (0: all).
pub fn body<'a>(
    subject: &[u8],
    parts: impl Iterator<Item = Option<&'a super::html::Rendered>>,
    scan_size: usize,
) -> UnitText {
    let _ = (subject, parts, scan_size);
    unimplemented!()
}
