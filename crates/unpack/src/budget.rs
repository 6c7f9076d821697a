//! What a walk through nested containers may cost, and what it has cost so far.
//!
//! Archives lie about sizes, so nothing here is checked against a header: decoders ask for room *before* they write
//! into it, in steps, and stop where they are refused. One [`Budget`] serves a whole walk (a message with all its
//! attachments and their members), since a thousand members of the largest size each would otherwise be allowed.

use std::fmt;

/// Numbers that a stranger chooses. The defaults are ClamAV's, where ClamAV has the same limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Unpacked bytes of all members of a walk together.
    pub bytes: u64,
    /// Unpacked bytes of one member; what is longer is cut off there.
    pub member: u64,
    /// Members of a walk.
    pub members: u32,
    /// Containers inside containers.
    pub depth: u32,
    /// Unpacked bytes per packed byte of one member, once it is past a megabyte.
    pub ratio: u32,
    /// Units of work that bring no bytes: headers read, sectors followed, candidates tried.
    pub steps: u64,
    /// Longest HTML that is normalised.
    pub html: usize,
    /// Longest HTML of which the text without tags is made.
    pub html_text: usize,
    /// Longest script that is normalised.
    pub script: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 400 << 20,
            member: 100 << 20,
            members: 10_000,
            depth: 17,
            ratio: 2_000,
            steps: 20_000_000,
            html: 40 << 20,
            html_text: 8 << 20,
            script: 20 << 20,
        }
    }
}

/// Which of the [`Limits`] was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Limit {
    Bytes,
    Member,
    Members,
    Depth,
    Ratio,
    Steps,
    Html,
    HtmlText,
    Script,
}

impl Limit {
    pub const ALL: [Limit; 9] = [
        Limit::Bytes,
        Limit::Member,
        Limit::Members,
        Limit::Depth,
        Limit::Ratio,
        Limit::Steps,
        Limit::Html,
        Limit::HtmlText,
        Limit::Script,
    ];

    /// The field of [`Limits`].
    pub fn name(self) -> &'static str {
        match self {
            Limit::Bytes => "bytes",
            Limit::Member => "member",
            Limit::Members => "members",
            Limit::Depth => "depth",
            Limit::Ratio => "ratio",
            Limit::Steps => "steps",
            Limit::Html => "html",
            Limit::HtmlText => "html_text",
            Limit::Script => "script",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Shared by a whole walk. What is spent is spent: closing a container gives nothing back but its depth.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    bytes: u64,
    members: u32,
    steps: u64,
    depth: u32,
    reached: u16,
}

impl Budget {
    pub fn new(limits: Limits) -> Budget {
        Budget { bytes: limits.bytes, members: limits.members, steps: limits.steps, depth: 0, reached: 0, limits }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Goes one container deeper; `false` where that is too deep, and then nothing is to be opened (nor left).
    #[must_use]
    pub fn enter(&mut self) -> bool {
        if self.depth >= self.limits.depth {
            self.reach(Limit::Depth);
            return false;
        }
        self.depth += 1;
        true
    }

    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Room for one more member.
    pub fn member(&mut self) -> Result<(), Limit> {
        match self.members.checked_sub(1) {
            Some(left) => {
                self.members = left;
                Ok(())
            }
            None => Err(self.reach(Limit::Members)),
        }
    }

    pub fn step(&mut self, count: u64) -> Result<(), Limit> {
        match self.steps.checked_sub(count) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(self.reach(Limit::Steps))
            }
        }
    }

    /// Room for `count` more unpacked bytes.
    pub fn bytes(&mut self, count: u64) -> Result<(), Limit> {
        match self.bytes.checked_sub(count) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(self.reach(Limit::Bytes)),
        }
    }

    pub fn bytes_left(&self) -> u64 {
        self.bytes
    }

    /// Remembers that a limit was reached, for callers that measure for themselves.
    pub fn reach(&mut self, limit: Limit) -> Limit {
        self.reached |= 1 << limit as u16;
        limit
    }

    /// The limits reached in this walk so far.
    pub fn reached(&self) -> impl Iterator<Item = Limit> + use<> {
        let reached = self.reached;
        Limit::ALL.into_iter().filter(move |limit| reached & (1 << *limit as u16) != 0)
    }

    /// No further bytes, members or steps: a walk ends here.
    pub fn is_spent(&self) -> bool {
        self.bytes == 0 || self.members == 0 || self.steps == 0
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget::new(Limits::default())
    }
}
