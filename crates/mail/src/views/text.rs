//! The text view: what a reader sees, as normalised UTF-8.
//!
//! In: the message and, for HTML parts, what the renderer shows and hides. Out: subject, sender's display name, the body
//! in paragraphs, hidden text apart, and counts of what had to be removed to get there. Charsets by evidence
//! ([`crate::mime::evidence`]), NFKC, default-ignorable characters dropped, runs of white space one blank, lines broken
//! between two CJK characters joined. A pattern written in plain UTF-8 then matches however the mail spelt it.

/// What a reader sees.
#[derive(Debug, Clone, Default)]
pub struct TextView {
    pub subject: String,
    /// Display name of the From address.
    pub from_name: String,
    /// Unit 0 is the subject, then one unit per paragraph.
    pub body: super::UnitText,
    /// Text that is in the message but not shown: hidden by style, colour or size.
    pub hidden: super::UnitText,
    pub links: Vec<Link>,
    pub facts: TextFacts,
}

/// A link of an HTML part: what it says and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub text: String,
    pub href: String,
}

/// What normalising met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextFacts {
    /// Invisible characters dropped between two letters of a word.
    pub ignorables_in_words: u32,
    /// Letters and digits that became ASCII by NFKC (𝐀, Ⓐ, ａ) in words that are not full-width throughout.
    pub decorated_letters: u32,
    /// Headers and parts whose charset label the bytes contradict.
    pub mismatches: Vec<Mismatch>,
}

/// A label and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// `Subject`, `From` or the part's number.
    pub place: String,
    pub found: &'static str,
}

/// A header value as rules with `:text` see it: decoded by evidence, NFKC, white space collapsed.
pub fn header_text(raw: &[u8]) -> String {
    crate::mime::evidence::decode_header_value(raw, &[]).text
}

/// The text view of a message.
pub(super) fn make(_views: &super::Views<'_>) -> TextView {
    TextView::default()
}
