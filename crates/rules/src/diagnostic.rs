//! What loading says about a text: stable code, place, excerpt, remedy.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// Loaded, but probably not what was meant.
    Warning,
    /// The line is not in force.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// `SK0103`; its meaning never changes.
    pub code: String,
    /// `unknown-directive`.
    pub name: String,
    pub message: String,
    pub file: String,
    /// First is 1; 0 where the finding concerns no line.
    pub line: u32,
    /// In characters of the excerpt, first is 1.
    pub column: u32,
    /// How many columns the label covers, at least 1.
    pub width: u32,
    /// The line, made printable.
    pub excerpt: String,
    /// Stands at the caret.
    pub label: String,
    /// What to do; empty where that is plain.
    pub remedy: String,
    /// The rule concerned.
    pub rule: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// A kind of finding: its code and name never change once released.
#[derive(Debug)]
pub struct Code {
    pub code: &'static str,
    pub name: &'static str,
    pub severity: Severity,
    /// What to do about it, in general; a finding may know better.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $code:literal $name:literal $severity:ident $remedy:literal;)*) => {
        $(pub static $constant: Code =
            Code { code: $code, name: $name, severity: Severity::$severity, remedy: $remedy };)*

        /// Every code, in order.
        pub static CODES: &[&Code] = &[$(&$constant),*];
    };
}

codes! {
    MISSING_VALUE = "SK0101" "missing-value" Error "give the setting its value, or remove the line";
    INVALID_VALUE = "SK0102" "invalid-value" Error "see the setting's description: perldoc Mail::SpamAssassin::Conf, or where its plugin is described";
    UNKNOWN_DIRECTIVE = "SK0103" "unknown-directive" Error "correct the spelling, or remove the line";
    PLUGIN_NOT_LOADED = "SK0104" "plugin-not-loaded" Error "load the plugin in a .pre file, or put the line between `ifplugin` and `endif`";
    UNKNOWN_PLUGIN = "SK0105" "unknown-plugin" Warning "its rules and settings are not in force; a Perl plugin cannot run here";
    NOT_FOR_USERS = "SK0106" "not-for-users" Error "an administrator must write this into a site file (for rules: or set allow_user_rules 1)";
    UNREADABLE_INCLUDE = "SK0107" "unreadable-include" Error "correct the path, or remove the line";
    INCLUDE_TOO_DEEP = "SK0108" "include-too-deep" Error "break the circle of includes";
    VERSION_MISMATCH = "SK0109" "version-mismatch" Warning "the rest of the file is skipped; remove the require_version line if the rules fit";
    OBSOLETE_DIRECTIVE = "SK0110" "obsolete-directive" Note "remove the line";
    STRAY_BLOCK_END = "SK0201" "stray-block-end" Error "remove it, or write the `if` it belongs to";
    UNCLOSED_BLOCK = "SK0202" "unclosed-block" Error "add `endif`";
    BAD_CONDITION = "SK0203" "bad-condition" Error "conditions consist of version, plugin(), can(), has(), numbers and operators; the block is skipped";
    BAD_RULE_NAME = "SK0301" "bad-rule-name" Error "a rule name consists of letters, digits and _, does not start with a digit, and has at most 100 characters";
    LONG_RULE_NAME = "SK0302" "long-rule-name" Warning "keep public names within 22 characters, or reports lose their columns";
    BAD_HEADER_TEST = "SK0303" "bad-header-test" Error "write `header NAME Header =~ /pattern/` or `header NAME exists:Header`";
    BAD_REGEX = "SK0304" "bad-regex" Error "correct the regular expression; the rule is not in force";
    ALWAYS_MATCHING = "SK0305" "always-matching-regex" Warning "remove the empty alternative";
    SLOW_REGEX = "SK0306" "slow-regex" Note "a pattern need not match from the start of the text";
    RULE_REDEFINED = "SK0307" "rule-redefined" Note "the last definition counts";
    REPLACE_FAILED = "SK0308" "replace-failed" Error "correct the tags that the rule uses; the rule runs without replacement";
    REPLACE_UNUSED = "SK0309" "replace-unused" Note "name a rule with a regular expression, or remove the name";
    PARTED_LETTER = "SK0310" "parted-letter" Warning "a pattern is bytes: write (?:あ|い) for [あい], and (?:社)? for 社?";
    UNKNOWN_EVAL = "SK0401" "unknown-eval" Error "the rule never hits; correct the function's name";
    UNSUPPORTED_EVAL = "SK0402" "unsupported-eval" Warning "the rule never hits here";
    EVAL_WITHOUT_PLUGIN = "SK0403" "eval-without-plugin" Error "load the plugin, or put the rule between `ifplugin` and `endif`";
    WRONG_EVAL_STAGE = "SK0404" "wrong-eval-stage" Error "declare the rule under the type the function is made for";
    BAD_EVAL_ARGUMENTS = "SK0405" "bad-eval-arguments" Error "quote every argument, and separate them by commas";
    BAD_META = "SK0501" "bad-meta" Error "see the position; operators are && || ! ^ + - * / < <= > >= == != and parentheses";
    UNDEFINED_DEPENDENCY = "SK0502" "undefined-dependency" Note "the name counts as 0";
    META_CYCLE = "SK0503" "meta-cycle" Error "no rule of the circle ever hits; break it";
    META_NEVER_DECIDED = "SK0504" "meta-never-decided" Note "it depends on a meta whose score is 0, which never runs; give that one a score, or name it __SOMETHING";
    SCORE_WITHOUT_RULE = "SK0601" "score-without-rule" Note "remove the line, or define the rule";
    RELATIVE_SCORE_FIRST = "SK0602" "relative-score-first" Error "a relative score such as (1.0) needs a `score` line before it";
    DESCRIPTION_WITHOUT_RULE = "SK0603" "description-without-rule" Note "remove the line, or define the rule";
    MISSING_DESCRIPTION = "SK0604" "missing-description" Note "add a `describe` line: it is what recipients read in the report";
    UNKNOWN_FLAG = "SK0605" "unknown-flag" Note "nothing here reads it";
    BAD_NETWORK = "SK0701" "bad-network" Error "write networks as 192.0.2.0/24, 192.0.2.1 or 2001:db8::/32, with ! in front to except one";
    NETWORK_NOT_TRUSTED = "SK0702" "network-not-trusted" Error "add it to the other list as well, or correct it; it is left out";
    BAD_LIST_ENTRY = "SK0703" "bad-list-entry" Warning "the entry is left out";
    BAD_SIGNATURE = "SK0801" "bad-signature" Error "correct or remove the line; the rest of the file is in force";
    UNKNOWN_SIGNATURE_FORMAT = "SK0802" "unknown-signature-format" Warning "the file is passed over; rename it if it holds signatures";
    UNREAD_SIGNATURE_FORMAT = "SK0803" "unread-signature-format" Warning "the file is passed over";
    EMPTY_SIGNATURE_FILE = "SK0804" "empty-signature-file" Warning "fetch the file again, or remove it";
    BAD_CONTAINER = "SK0805" "bad-signature-container" Error "fetch the file again; nothing of it is in force";
    BAD_YARA_RULE = "SK0806" "bad-yara-rule" Error "correct or remove the rule; the rest of the file is in force";
    PICTURE_HASH = "SK0807" "picture-hash-not-matched" Note "pictures are not decoded here: such a signature hits only where its logic holds without the picture";
}

impl Code {
    /// A finding without a place yet.
    pub fn found(&'static self, message: impl Into<String>) -> Fault {
        Fault {
            code: self,
            message: message.into(),
            label: String::new(),
            at: None,
            remedy: None,
            rule: None,
            severity: self.severity,
        }
    }
}

/// A finding before it is known where in the file it stands.
#[derive(Debug, Clone)]
pub struct Fault {
    pub code: &'static Code,
    pub message: String,
    pub label: String,
    /// Bytes within the directive's value.
    pub at: Option<(usize, usize)>,
    pub remedy: Option<String>,
    pub rule: Option<String>,
    pub severity: Severity,
}

impl Fault {
    pub fn at(mut self, start: usize, end: usize) -> Fault {
        self.at = Some((start, end));
        self
    }

    pub fn label(mut self, label: impl Into<String>) -> Fault {
        self.label = label.into();
        self
    }

    pub fn remedy(mut self, remedy: impl Into<String>) -> Fault {
        self.remedy = Some(remedy.into());
        self
    }

    pub fn rule(mut self, rule: impl Into<String>) -> Fault {
        self.rule = Some(rule.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    /// The form that compilers print: message, place, line, caret, remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] {}: {}", self.severity, self.code, self.name, self.message)?;
        if self.line > 0 {
            write!(f, "\n  --> {}:{}:{}", self.file, self.line, self.column)?;
            if !self.excerpt.is_empty() {
                let number = self.line.to_string();
                let margin = " ".repeat(number.len());
                let indent = " ".repeat(self.column.saturating_sub(1) as usize);
                let carets = "^".repeat(self.width.max(1) as usize);
                write!(f, "\n {margin} |\n {number} | {}\n {margin} | {indent}{carets}", self.excerpt)?;
                if !self.label.is_empty() {
                    write!(f, " {}", self.label)?;
                }
            }
        } else if !self.file.is_empty() {
            write!(f, "\n  --> {}", self.file)?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n  = {}", self.remedy)?;
        }
        Ok(())
    }
}

/// What a rule file says goes to terminals and logs, where control characters would be obeyed.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A window of a line around the place, printable: what cannot be shown becomes `?`, tabs become blanks, and very
/// long lines are cut. Returns the text and the column of the place within it.
pub(crate) fn excerpt(line: &[u8], start: usize, end: usize) -> (String, u32, u32) {
    const WIDEST: usize = 160;
    let start = start.min(line.len());
    let end = end.clamp(start, line.len());
    let from = if line.len() <= WIDEST || start < WIDEST / 2 { 0 } else { start - WIDEST / 2 };
    let to = line.len().min(from + WIDEST);
    let shown = |bytes: &[u8]| -> String {
        let text = crate::spamassassin::text(bytes);
        printable(&text)
    };
    let before = shown(&line[from..start.max(from)]);
    let marked = shown(&line[start..end.min(to).max(start)]);
    let after = shown(&line[end.min(to).max(start)..to.max(start)]);
    let lead = if from > 0 { "..." } else { "" };
    let tail = if to < line.len() { "..." } else { "" };
    let column = lead.chars().count() + before.chars().count();
    let width = marked.chars().count().max(1);
    (format!("{lead}{before}{marked}{after}{tail}"), column as u32, width as u32)
}
