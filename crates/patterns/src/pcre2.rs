//! A thin, safe face over PCRE2 (the C library), for what no finite automaton can decide: look-around,
//! back-references, atomic groups. With `dispatch`, the only module of sekisho with
//! `unsafe`.
//!
//! Configured to equal Perl on bytes: no UTF, no Unicode properties, Latin-1 case tables. The start optimisation
//! stays off: in 10.46 it loses matches of a stock rule under the JIT compiler (see `tests/perl.rs`). Every search
//! has a step limit; a search given up says so and is never taken for "no match".

use crate::signature::PcreFlags;
use pcre2_sys as ffi;
use std::ptr;
use std::sync::OnceLock;

/// Steps a search may take, about 0.4 ms per 100,000.
const MATCH_LIMIT: u32 = 1_000_000;
/// Memory (KiB) that the interpreter may take for backtracking points.
const HEAP_LIMIT: u32 = 20_000;
const JIT_STACK: (usize, usize) = (32 * 1024, 1024 * 1024);

/// What became of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Match,
    NoMatch,
    /// Given up at a limit.
    Unknown,
}

/// Where a search looks.
#[derive(Clone, Copy, Debug)]
pub struct Search<'h> {
    pub subject: &'h [u8],
    /// Matches begin here or later.
    pub start: usize,
    /// Matches begin here or earlier; `usize::MAX`: anywhere.
    pub last_start: usize,
    /// An empty match at `start` does not count.
    pub not_empty_at_start: bool,
}

/// Byte tables for case and character types. Built once per process, never freed.
struct Tables(*const u8);

// SAFETY: the pointer is made once, points to memory that is never written again nor freed; sharing reads is sound.
unsafe impl Send for Tables {}
// SAFETY: as above.
unsafe impl Sync for Tables {}

fn tables() -> Option<*const u8> {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        // SAFETY: a null context asks for malloc; the result is checked for null before use.
        let made = unsafe { ffi::pcre2_maketables_8(ptr::null_mut()) } as *mut u8;
        if !made.is_null() {
            for byte in 0..=255u8 {
                let other = crate::ir::other_case(byte);
                let lower = if other != byte && (byte.is_ascii_uppercase() || (0xC0..0xE0).contains(&byte)) {
                    other
                } else {
                    byte
                };
                // SAFETY: PCRE2's tables begin with 256 bytes of lower case, then 256 bytes of flipped case
                // (pcre2_internal.h: lcc_offset 0, fcc_offset 256); the block is larger than that, and nobody else
                // has the pointer yet.
                unsafe {
                    *made.add(usize::from(byte)) = lower;
                    *made.add(256 + usize::from(byte)) = other;
                }
            }
        }
        Tables(made)
    });
    (!tables.0.is_null()).then_some(tables.0)
}

/// A compiled pattern.
pub struct Code {
    code: *mut ffi::pcre2_code_8,
}

// SAFETY: a pcre2_code is read-only once compiled (pcre2api: "can be shared between threads"); JIT compilation,
// which changes it, is finished before the value leaves `Code::compile`.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: the pointer came from pcre2_compile and is freed nowhere else.
        unsafe { ffi::pcre2_code_free_8(self.code) }
    }
}

impl Code {
    /// The error says what PCRE2 said, and where in its own text of the pattern.
    pub fn compile(pattern: &[u8], jit: bool) -> Result<Code, (usize, String)> {
        Code::compile_with(pattern, PcreFlags::default(), jit)
    }

    /// As [`Code::compile`], with flags that do not stand in the pattern itself.
    pub fn compile_with(pattern: &[u8], flags: PcreFlags, jit: bool) -> Result<Code, (usize, String)> {
        let Some(tables) = tables() else { return Err((0, "out of memory".into())) };
        let given = [
            (flags.caseless, ffi::PCRE2_CASELESS),
            (flags.dot_all, ffi::PCRE2_DOTALL),
            (flags.multiline, ffi::PCRE2_MULTILINE),
            (flags.extended, ffi::PCRE2_EXTENDED),
            (flags.anchored, ffi::PCRE2_ANCHORED),
            (flags.dollar_end_only, ffi::PCRE2_DOLLAR_ENDONLY),
            (flags.ungreedy, ffi::PCRE2_UNGREEDY),
        ];
        let given = given.into_iter().filter(|(on, _)| *on).fold(0, |all, (_, option)| all | option);
        let options = given
            | ffi::PCRE2_NEVER_UTF
            | ffi::PCRE2_NEVER_UCP
            | ffi::PCRE2_NEVER_BACKSLASH_C
            | ffi::PCRE2_NO_START_OPTIMIZE
            | ffi::PCRE2_USE_OFFSET_LIMIT;
        let mut error = 0;
        let mut offset = 0;
        // SAFETY: pattern pointer and length belong to one slice; error and offset outlive the call; the context is
        // null-checked and freed after use; the tables live for ever.
        let code = unsafe {
            let context = ffi::pcre2_compile_context_create_8(ptr::null_mut());
            if context.is_null() {
                return Err((0, "out of memory".into()));
            }
            ffi::pcre2_set_character_tables_8(context, tables);
            let code = ffi::pcre2_compile_8(pattern.as_ptr(), pattern.len(), options, &mut error, &mut offset, context);
            ffi::pcre2_compile_context_free_8(context);
            code
        };
        if code.is_null() {
            return Err((offset, message(error)));
        }
        let code = Code { code };
        if jit {
            // A platform without JIT, or memory that may not be executed: the interpreter does the same.
            // SAFETY: the code is valid and not yet shared.
            unsafe { ffi::pcre2_jit_compile_8(code.code, ffi::PCRE2_JIT_COMPLETE) };
        }
        Ok(code)
    }

    /// Searches; on a match, `workspace.group(n)` tells where.
    pub fn search(&self, search: &Search<'_>, workspace: &mut Workspace) -> Outcome {
        if search.start > search.subject.len() {
            return Outcome::NoMatch;
        }
        let Some(memory) = workspace.memory() else { return Outcome::Unknown };
        let options = if search.not_empty_at_start { ffi::PCRE2_NOTEMPTY_ATSTART } else { 0 };
        let mut result = self.run(memory, search, options);
        if result == ffi::PCRE2_ERROR_JIT_STACKLIMIT {
            const NO_JIT: u32 = 0x2000; // PCRE2_NO_JIT
            result = self.run(memory, search, options | NO_JIT);
        }
        match result {
            0.. => Outcome::Match,
            ffi::PCRE2_ERROR_NOMATCH => Outcome::NoMatch,
            _ => Outcome::Unknown,
        }
    }

    fn run(&self, memory: &Memory, search: &Search<'_>, options: u32) -> i32 {
        // JIT code for look-behind steps back from the subject and compares addresses, which must not wrap around as
        // they would from an empty slice's dangling pointer.
        const NOTHING: &[u8] = &[0; 16];
        let subject = if search.subject.is_empty() { NOTHING[8..].as_ptr() } else { search.subject.as_ptr() };
        // SAFETY: code, match data and context are valid (made non-null, freed only in Drop) and the workspace is
        // borrowed exclusively by the caller; subject pointer and length belong to one slice (or the
        // length is 0); start is within it.
        unsafe {
            ffi::pcre2_set_offset_limit_8(memory.context, search.last_start);
            ffi::pcre2_match_8(
                self.code,
                subject,
                search.subject.len(),
                search.start,
                options,
                memory.data,
                memory.context,
            )
        }
    }
}

fn message(error: i32) -> String {
    let mut buffer = [0u8; 256];
    // SAFETY: the buffer's pointer and length belong together; PCRE2 ends the text with a zero within it.
    let len = unsafe { ffi::pcre2_get_error_message_8(error, buffer.as_mut_ptr(), buffer.len()) };
    let len = usize::try_from(len).unwrap_or(0).min(buffer.len());
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

/// What a thread needs to run searches, made at the first one.
#[derive(Default)]
pub struct Workspace(Option<Memory>);

struct Memory {
    data: *mut ffi::pcre2_match_data_8,
    context: *mut ffi::pcre2_match_context_8,
    stack: *mut ffi::pcre2_jit_stack_8,
}

// SAFETY: the three are plain heap blocks without ties to a thread; `&mut Workspace` keeps their use exclusive.
unsafe impl Send for Workspace {}

/// Groups whose places are kept; a pattern may have more, they are then not told.
const GROUPS: u32 = 32;

impl Workspace {
    fn memory(&mut self) -> Option<&Memory> {
        if self.0.is_none() {
            // SAFETY: null contexts ask for malloc; each result is checked before it is used.
            let memory = unsafe {
                Memory {
                    data: ffi::pcre2_match_data_create_8(GROUPS, ptr::null_mut()),
                    context: ffi::pcre2_match_context_create_8(ptr::null_mut()),
                    stack: ffi::pcre2_jit_stack_create_8(JIT_STACK.0, JIT_STACK.1, ptr::null_mut()),
                }
            };
            if memory.data.is_null() || memory.context.is_null() {
                return None; // Memory's Drop takes care of the other one
            }
            // SAFETY: the context is valid; the stack lives as long as the context does (freed together in Drop); a
            // null stack means PCRE2's own small one.
            unsafe {
                ffi::pcre2_set_match_limit_8(memory.context, MATCH_LIMIT);
                ffi::pcre2_set_heap_limit_8(memory.context, HEAP_LIMIT);
                if !memory.stack.is_null() {
                    ffi::pcre2_jit_stack_assign_8(memory.context, None, memory.stack.cast());
                }
            }
            self.0 = Some(memory);
        }
        self.0.as_ref()
    }

    /// Where group `index` matched in the last search that found something; 0 is the whole match.
    pub fn group(&self, index: u32) -> Option<(usize, usize)> {
        let memory = self.0.as_ref()?;
        if index >= GROUPS {
            return None;
        }
        // SAFETY: the vector has GROUPS pairs (as created above) and index is below GROUPS; PCRE2 fills unused pairs
        // with PCRE2_UNSET after a match.
        let (start, end) = unsafe {
            let vector = ffi::pcre2_get_ovector_pointer_8(memory.data);
            (*vector.add(index as usize * 2), *vector.add(index as usize * 2 + 1))
        };
        (start != ffi::PCRE2_UNSET && end != ffi::PCRE2_UNSET && start <= end).then_some((start, end))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: each pointer is null or came from its create function and is freed only here; PCRE2's free
        // functions take null.
        unsafe {
            ffi::pcre2_match_data_free_8(self.data);
            ffi::pcre2_match_context_free_8(self.context);
            ffi::pcre2_jit_stack_free_8(self.stack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, perl, translate};

    /// Compiled and interpreted code must agree; PCRE2's JIT compiler has been wrong before, on the first of these.
    #[test]
    fn compiled_code_finds_what_the_interpreter_finds() {
        const PATTERNS: &[&str] = &[
            r"(?i)https?://[^/?:#]{0,99}\.(?:com|net|com?\.[a-z]{2})\.\w[^/?:#\s]{4}",
            r"(?<!no )money(?! back)",
            r"(?<=a|bb)c",
            r"(?i)(\b\w{3,})\s+\1\b",
            r"(?>a+|b)c++d?",
            r"(?=.*x)(?!.*yy)\w+",
            r"(?m)^(?!Re:)[^\n]{3,}$",
            r"(a)|(b)(?:\1|\2)",
            r"(?<![a-z])(?:[a-z]\W){3,}(?=\d)",
            r"\b(\w)(\w)?\2?\1\b",
        ];
        const SUBJECTS: &[&str] = &[
            "http://www.romuald.net.eu.org",
            "HTTPS://a.co.uk.xabcd/",
            "no money, money back, money",
            "ac bbc c bb",
            "The the words words",
            "aaacd bcc",
            "abcx yy",
            "Re: one\nsecond line\n\n",
            "bb aa ab",
            "x.y.z.1 abba a",
            "",
        ];
        let mut workspace = Workspace::default();
        let mut matches = 0;
        for pattern in PATTERNS {
            let tree = perl::parse(pattern.as_bytes(), Flags::default()).expect("valid");
            let text = translate::to_pcre2(&tree, pattern.as_bytes(), Flags::default());
            let compile = |jit| Code::compile(&text, jit).unwrap_or_else(|(_, reason)| panic!("{pattern}: {reason}"));
            let (fast, slow) = (compile(true), compile(false));
            for subject in SUBJECTS {
                for start in 0..=subject.len() {
                    let search = Search {
                        subject: subject.as_bytes(),
                        start,
                        last_start: usize::MAX,
                        not_empty_at_start: false,
                    };
                    let mut run = |code: &Code| (code.search(&search, &mut workspace), workspace.group(0));
                    let (a, b) = (run(&fast), run(&slow));
                    assert_eq!(a.0, b.0, "{pattern} on {subject:?} from {start}");
                    if a.0 == Outcome::Match {
                        matches += 1;
                        assert_eq!(a.1, b.1, "{pattern} on {subject:?} from {start}");
                    }
                }
            }
        }
        assert!(matches > 100, "{matches}");
    }
}
