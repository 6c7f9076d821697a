//! What a check is: a function from the message's views and the rule's arguments to a finding.

use crate::answers::Asking;
use mail::Transaction;
use mail::views::Views;
use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// One argument of `eval:name(...)` as the rule wrote it, quotes removed.
pub type Arg = String;

/// The rule types under which an eval may be declared (`header X eval:...`, `body X eval:...`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    Header,
    Body,
    RawBody,
    Full,
    Any,
}

/// A fact is missing; the question has been noted and the check runs again when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finding {
    /// 0: no hit. Else the value that metas see (SpamAssassin: what the eval returned).
    pub value: f64,
    /// `[...]` lines under the rule in the report.
    pub notes: Vec<String>,
    /// What was seen, for `explain`.
    pub evidence: Vec<mail::Evidence>,
    /// Template tags that the check sets (`_FNSFNAMEADDR_`...); set also by a check that does not hit.
    pub tags: Vec<(&'static str, String)>,
    /// Tags under names that rules chose, with all their values.
    pub values: Vec<(String, Vec<String>)>,
}

impl Finding {
    pub const NO: Finding =
        Finding { value: 0.0, notes: Vec::new(), evidence: Vec::new(), tags: Vec::new(), values: Vec::new() };

    pub fn hit() -> Finding {
        Finding { value: 1.0, ..Finding::NO }
    }
}

impl From<bool> for Finding {
    fn from(hit: bool) -> Finding {
        if hit { Finding::hit() } else { Finding::NO }
    }
}

pub type Outcome = Result<Finding, Pending>;

/// What a check may look at.
pub struct Context<'a> {
    pub transaction: &'a Transaction,
    pub views: &'a Views<'a>,
    pub settings: &'a rules::Settings,
    /// The rule on whose behalf the check runs.
    pub rule: &'a str,
    /// Under which rule type the rule was declared: some checks read the text that SpamAssassin would hand them.
    pub kind: Kinds,
    /// The rule's `tflags`.
    pub flags: rules::Flags,
    /// The rules with tests of the network are in force; where not, nothing is asked.
    pub network: bool,
    /// Which rules ask which lists of the DNS.
    pub lists: &'a crate::checks::dnsbl::Lists,
    /// Tags that have a value by now.
    pub tags: &'a [(String, Vec<Vec<u8>>)],
    /// No check is left that could set another tag.
    pub settled: bool,
    pub memo: &'a Memo,
    /// Where facts from outside come from: `context.asking.get(question)?`.
    pub asking: &'a Asking<'a>,
}

/// Limits that checks reached: what was counted, and the limit.
#[derive(Debug, Default)]
pub struct LimitsReached(pub RefCell<BTreeSet<(&'static str, usize)>>);

impl Context<'_> {
    /// Something that a stranger may have more of than is looked at; the verdict tells of it. Whether there is more.
    pub fn limit(&self, what: &'static str, count: usize, limit: usize) -> bool {
        let beyond = count > limit;
        if beyond {
            self.memo.get_or_init(LimitsReached::default).0.borrow_mut().insert((what, limit));
        }
        beyond
    }
}

/// What checks of one family computed for this message and want to keep; one value per type.
#[derive(Default)]
pub struct Memo(RefCell<HashMap<TypeId, Rc<dyn Any>>>);

impl Memo {
    pub fn get_or_init<T: Any>(&self, make: impl FnOnce() -> T) -> Rc<T> {
        if let Some(found) = self.0.borrow().get(&TypeId::of::<T>()) {
            return found.clone().downcast().expect("stored under its own type");
        }
        let made = Rc::new(make());
        self.0.borrow_mut().insert(TypeId::of::<T>(), made.clone());
        made
    }

    /// What was kept, if anything was.
    pub fn known<T: Any>(&self) -> Option<Rc<T>> {
        self.0.borrow().get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }
}

/// Where a check takes its answer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// From the message and the settings alone.
    Now,
    /// From DNS.
    Dns,
    /// From another service of the network; never hits while nobody answers.
    Network,
    /// From a network of other sites, where one is configured.
    Digests,
    /// From what was learnt of earlier mail; never hits while nothing was.
    Learner,
    /// Not built: rules that call it are reported when they are loaded, and do not run.
    Missing,
}

/// A line of the table of checks.
pub struct CheckEntry {
    pub name: &'static str,
    pub kinds: Kinds,
    /// SpamAssassin's plugin that offers this eval, without `Mail::SpamAssassin::Plugin::`.
    pub plugin: &'static str,
    /// Markdown with the headings *What it finds / Why it matters / Example / When it errs / Source*.
    pub doc: &'static str,
    pub availability: Availability,
    pub run: fn(&Context<'_>, &[Arg]) -> Outcome,
}
