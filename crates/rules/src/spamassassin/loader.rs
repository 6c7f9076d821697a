//! Follows sources line by line through conditions and includes, and notes what each line says.
//!
//! The notes ([`Loader`]'s fields) are kept by name as SpamAssassin keeps them, because a rule's lines may come in any
//! order and the last of a kind counts: `score` before `body`, `tflags` from another file. [`super::compile`] makes
//! rules of them at the end.
//!
//! Two things differ from SpamAssassin on purpose: an `include` inside a block that does not hold is not followed, and
//! the end of an included file closes only the blocks that it opened itself.

use super::conditional::{self, Circumstances};
use super::directive::{self, Apply, Directive, Value, Who};
use super::handlers;
use super::lexer::{self, Line};
use super::replace::ReplaceTags;
use super::{first_word, plugins, text, trim, words};
use crate::diagnostic::{self, Diagnostic, Fault, Severity, excerpt, printable};
use crate::ruleset::{Kind, Shortcircuit};
use crate::settings::Settings;
use crate::source::{Location, Reader, Source, SourceKind};
use crate::{Catalog, LoadOptions};
use std::collections::{BTreeSet, HashMap, HashSet};

/// How deep includes may nest.
const DEEPEST_INCLUDE: usize = 16;

/// A directive as its handler sees it.
pub struct Said<'t> {
    /// As written, in lower case.
    pub name: &'t str,
    /// The table's name for it.
    pub canonical: &'static str,
    pub value: &'t [u8],
    pub place: Place<'t>,
}

/// Where a line stands.
#[derive(Clone, Copy)]
pub struct Place<'t> {
    pub file: u32,
    pub line: u32,
    pub raw: &'t [u8],
}

impl Said<'_> {
    pub fn location(&self) -> Location {
        Location { file: self.place.file, line: self.place.line }
    }

    pub fn missing(&self, wanted: &str) -> Fault {
        diagnostic::MISSING_VALUE.found(format!("`{}` needs {wanted}", self.name)).label(format!("expected {wanted}"))
    }

    pub fn invalid(&self, wanted: &str) -> Fault {
        diagnostic::INVALID_VALUE
            .found(format!("invalid value of `{}`", self.name))
            .label(format!("expected {wanted}"))
            .at(0, self.value.len())
    }

    pub fn some_value(&self) -> Result<(), Fault> {
        if self.value.is_empty() { Err(self.missing("a value")) } else { Ok(()) }
    }

    pub fn no_value(&self) -> Result<(), Fault> {
        if self.value.is_empty() { Ok(()) } else { Err(self.invalid("nothing")) }
    }

    /// One digit from 0 to a highest one.
    pub fn digit(&self, highest: u8) -> Result<u8, Fault> {
        self.some_value()?;
        match self.value {
            [digit @ b'0'..=b'9'] if *digit <= highest => Ok(digit - b'0'),
            _ => Err(self.invalid(&format!("a number from 0 to {}", char::from(highest)))),
        }
    }

    /// The first word and the rest, which must be there.
    pub fn pair(&self) -> Result<(String, &[u8]), Fault> {
        let (key, rest) = first_word(self.value);
        if rest.is_empty() {
            return Err(self.missing("a name and a value"));
        }
        Ok((text(key).into_owned(), rest))
    }
}

/// What was said of one rule name.
#[derive(Debug, Clone)]
pub struct Draft {
    pub kind: Kind,
    pub location: Location,
    /// Where the definition stands that this one replaced.
    pub replaced: Option<Location>,
    pub from_user: bool,
    pub conditions: Vec<String>,
    /// The line, for findings of later steps.
    pub line: Vec<u8>,
}

/// An open `if`.
struct Block {
    word: String,
    condition: String,
    line: u32,
    raw: Vec<u8>,
    /// Whether lines before it were skipped.
    skipped_before: bool,
}

/// All notes, and what is needed to take them.
pub struct Loader<'a> {
    pub catalog: &'a Catalog,
    pub options: &'a LoadOptions,
    reader: &'a mut dyn Reader,
    pub diagnostics: Vec<Diagnostic>,
    pub files: Vec<(String, SourceKind)>,
    pub settings: Settings,
    pub plugins: BTreeSet<String>,
    pub compat: HashSet<String>,
    pub drafts: HashMap<String, Draft>,
    pub scores: HashMap<String, [f64; 4]>,
    /// Where each first `score` and `describe` stands.
    pub score_lines: HashMap<String, Location>,
    pub descriptions: HashMap<String, String>,
    pub description_lines: HashMap<String, Location>,
    pub flags: HashMap<String, String>,
    pub priorities: HashMap<String, i32>,
    pub shortcircuits: HashMap<String, Shortcircuit>,
    pub subject_prefixes: HashMap<String, String>,
    pub replace: ReplaceTags,
    /// `uri_detail` conditions, which add up over lines.
    pub uri_conditions: HashMap<String, Vec<crate::ruleset::UriCondition>>,
    language: String,
    blocks: Vec<Block>,
    skipping: bool,
    depth: usize,
}

impl<'a> Loader<'a> {
    pub fn new(catalog: &'a Catalog, options: &'a LoadOptions, reader: &'a mut dyn Reader) -> Loader<'a> {
        Loader {
            catalog,
            options,
            reader,
            diagnostics: Vec::new(),
            files: Vec::new(),
            settings: Settings::default(),
            plugins: BTreeSet::new(),
            compat: HashSet::new(),
            drafts: HashMap::new(),
            scores: HashMap::new(),
            score_lines: HashMap::new(),
            descriptions: HashMap::new(),
            description_lines: HashMap::new(),
            flags: HashMap::new(),
            priorities: HashMap::new(),
            shortcircuits: HashMap::new(),
            subject_prefixes: HashMap::new(),
            replace: ReplaceTags::default(),
            uri_conditions: HashMap::new(),
            language: lexer::language(&options.language),
            blocks: Vec::new(),
            skipping: false,
            depth: 0,
        }
    }

    pub fn read(&mut self, source: &Source) {
        self.read_text(&source.name, &source.text, source.kind);
    }

    fn read_text(&mut self, name: &str, bytes: &[u8], kind: SourceKind) {
        let file = self.files.len() as u32;
        self.files.push((name.to_owned(), kind));
        let outer_blocks = std::mem::take(&mut self.blocks);
        let outer_skipping = std::mem::replace(&mut self.skipping, false);
        let language = std::mem::take(&mut self.language);
        for line in lexer::lines(bytes, &language) {
            match line {
                Line::UpdateVersion(version) => {
                    self.settings.update_versions.insert(name.to_owned(), version);
                }
                Line::Directive(line) => {
                    let place = Place { file, line: line.line, raw: line.raw };
                    self.line(&line.name, &line.value, place, kind);
                }
            }
        }
        self.language = language;
        for block in std::mem::replace(&mut self.blocks, outer_blocks) {
            let place = Place { file, line: block.line, raw: &block.raw };
            let fault =
                diagnostic::UNCLOSED_BLOCK.found(format!("`{} {}` is never closed", block.word, block.condition));
            self.report_at(place, b"", fault);
        }
        self.skipping = outer_skipping;
    }

    fn line(&mut self, name: &str, value: &[u8], place: Place<'_>, kind: SourceKind) {
        let result = match name {
            "if" | "ifplugin" => self.open_block(name, value, place),
            "else" => self.turn_block(value),
            "endif" => self.close_block(value),
            _ if self.skipping => Ok(()),
            "include" => self.include(value, place, kind),
            "require_version" => self.require_version(value),
            _ => self.directive(name, value, place, kind),
        };
        if let Err(fault) = result {
            self.report_at(place, value, fault);
        }
    }

    fn open_block(&mut self, word: &str, value: &[u8], place: Place<'_>) -> Result<(), Fault> {
        let condition = text(value).into_owned();
        self.blocks.push(Block {
            word: word.to_owned(),
            condition: condition.clone(),
            line: place.line,
            raw: place.raw.to_vec(),
            skipped_before: self.skipping,
        });
        if self.skipping {
            return Ok(());
        }
        if value.is_empty() {
            self.skipping = true;
            return Err(diagnostic::BAD_CONDITION.found(format!("`{word}` without a condition")));
        }
        let question = if word == "ifplugin" { format!("plugin ({condition})") } else { condition };
        let in_user_prefs = self.files[place.file as usize].0.ends_with("user_prefs");
        let answer = conditional::holds(
            &question,
            &Circumstances {
                plugin_loaded: &|name| self.plugins.contains(name),
                compat: &|flag| self.compat.contains(flag),
                local_tests_only: self.options.local_only,
                in_user_prefs,
            },
        );
        self.skipping = answer != Ok(true);
        answer.map(|_| ()).map_err(|problem| {
            let shift = if word == "ifplugin" { "plugin (".len() } else { 0 };
            diagnostic::BAD_CONDITION
                .found(format!("cannot tell whether `{}` holds: {}", text(value), problem.message))
                .at(problem.start.saturating_sub(shift), problem.end.saturating_sub(shift))
                .label(problem.message)
        })
    }

    fn turn_block(&mut self, value: &[u8]) -> Result<(), Fault> {
        if !value.is_empty() {
            return Err(diagnostic::STRAY_BLOCK_END.found("`else` stands alone on its line").at(0, value.len()));
        }
        if self.blocks.is_empty() {
            return Err(diagnostic::STRAY_BLOCK_END.found("`else` without `if`"));
        }
        self.skipping = self.blocks.iter().any(|block| block.skipped_before) || !self.skipping;
        Ok(())
    }

    fn close_block(&mut self, value: &[u8]) -> Result<(), Fault> {
        if !value.is_empty() {
            return Err(diagnostic::STRAY_BLOCK_END.found("`endif` stands alone on its line").at(0, value.len()));
        }
        match self.blocks.pop() {
            Some(block) => {
                self.skipping = block.skipped_before;
                Ok(())
            }
            None => Err(diagnostic::STRAY_BLOCK_END.found("`endif` without `if`")),
        }
    }

    fn include(&mut self, value: &[u8], place: Place<'_>, kind: SourceKind) -> Result<(), Fault> {
        if value.is_empty() {
            return Err(diagnostic::MISSING_VALUE.found("`include` needs a path"));
        }
        if kind == SourceKind::User && self.options.restrict_user_files {
            // It would be read with the service's rights.
            return Err(diagnostic::NOT_FOR_USERS.found("`include` is not for users to set"));
        }
        if self.depth == DEEPEST_INCLUDE {
            return Err(diagnostic::INCLUDE_TOO_DEEP.found(format!("more than {DEEPEST_INCLUDE} includes deep")));
        }
        let path = relative_to(&text(value), &self.files[place.file as usize].0);
        let texts = self.reader.read(&path).map_err(|reason| {
            diagnostic::UNREADABLE_INCLUDE.found(format!("cannot include {path}: {reason}")).at(0, value.len())
        })?;
        self.depth += 1;
        for (name, bytes) in texts {
            self.read_text(&name, &bytes, kind);
        }
        self.depth -= 1;
        Ok(())
    }

    fn require_version(&mut self, value: &[u8]) -> Result<(), Fault> {
        if value.is_empty() {
            return Err(diagnostic::MISSING_VALUE.found("`require_version` needs a version"));
        }
        if value == b"@@VERSION@@" || value == conditional::VERSION_TEXT.as_bytes() {
            return Ok(());
        }
        self.skipping = true;
        Err(diagnostic::VERSION_MISMATCH
            .found(format!("made for version {}, not for {}", text(value), conditional::VERSION_TEXT))
            .at(0, value.len()))
    }

    fn directive(&mut self, name: &str, value: &[u8], place: Place<'_>, kind: SourceKind) -> Result<(), Fault> {
        let Some(row) = directive::find(name) else { return self.unlisted(name, value, place) };
        if !row.plugins.is_empty() && !row.plugins.iter().any(|plugin| self.plugins.contains(*plugin)) {
            return Err(diagnostic::PLUGIN_NOT_LOADED
                .found(format!("`{name}` belongs to the plugin {}, which is not loaded", row.plugins.join(" or "))));
        }
        if kind == SourceKind::User && self.options.restrict_user_files {
            let allowed = match row.who {
                Who::Anyone => true,
                Who::Rule => self.settings.allow_user_rules,
                Who::Admin => false,
            };
            if !allowed {
                return Err(diagnostic::NOT_FOR_USERS.found(format!("`{name}` is not for users to set")));
            }
        }
        let said = Said { name, canonical: row.name, value, place };
        self.apply(row, &said)
    }

    /// Directives whose names are patterns.
    fn unlisted(&mut self, name: &str, value: &[u8], place: Place<'_>) -> Result<(), Fault> {
        let said = Said { name, canonical: "", value, place };
        if let Some(language) = name.strip_prefix("bayes_stopword_").filter(|language| language.len() == 2)
            && self.plugins.contains("Bayes")
        {
            return handlers::bayes_stopword(self, &said, language);
        }
        if name.starts_with("hashbl_acl_") && self.plugins.contains("HashBL") {
            self.keep(name, value);
            return Ok(());
        }
        let fault = diagnostic::UNKNOWN_DIRECTIVE.found(format!("there is no directive `{name}`"));
        Err(match directive::nearest(name) {
            Some(near) => fault.remedy(format!("did you mean `{near}`?")),
            None => fault,
        })
    }

    pub fn keep(&mut self, name: &str, value: &[u8]) {
        self.settings.other.entry(name.to_owned()).or_default().push(text(value).into_owned());
    }

    fn apply(&mut self, row: &Directive, said: &Said<'_>) -> Result<(), Fault> {
        let value = said.value;
        let settings = &mut self.settings;
        match row.apply {
            Apply::Number(field) if row.value == Value::Duration => {
                said.some_value()?;
                *field(settings) = duration(value).ok_or_else(|| said.invalid("a duration such as 30 or 5m"))?;
            }
            Apply::Number(field) => *field(settings) = numeric(said)?,
            Apply::SomeNumber(field) => *field(settings) = Some(numeric(said)?),
            Apply::Size(field) => *field(settings) = numeric(said)?.max(0.0) as usize,
            Apply::Bool(field) => *field(settings) = boolean(said)?,
            Apply::Truth(field) => *field(settings) = numeric(said)? != 0.0,
            Apply::Text(field) => {
                said.some_value()?;
                *field(settings) = text(value).into_owned();
            }
            Apply::SomeText(field) => {
                said.some_value()?;
                *field(settings) = Some(text(value).into_owned());
            }
            Apply::Template(field) => {
                let line = text(value);
                let bare = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(&line);
                let template = field(settings);
                template.push_str(bare);
                template.push('\n');
            }
            Apply::ClearTemplate(field) => {
                said.no_value()?;
                field(settings).clear();
            }
            Apply::Networks(field) => {
                said.some_value()?;
                let mut bad = Vec::new();
                let networks = field(settings);
                networks.configured = true;
                for word in words(value) {
                    let entry = text(word).into_owned();
                    if let Err(error) = mail::received::NetworkSet::default().add(&entry) {
                        bad.push((entry, error.to_string()));
                    } else if !networks.entries.contains(&entry) {
                        networks.entries.push(entry);
                    }
                }
                for (entry, reason) in bad {
                    let at = super::regex::find(value, entry.as_bytes()).unwrap_or(0);
                    let fault = diagnostic::BAD_NETWORK.found(format!("`{entry}` is no network: {reason}"));
                    self.report(said, fault.at(at, at + entry.len()).label(reason));
                }
            }
            Apply::ClearNetworks(field) => {
                said.no_value()?;
                *field(settings) = Default::default();
            }
            Apply::Addresses(list) => {
                said.some_value()?;
                self.enlist(list, value)?;
            }
            Apply::RemoveAddresses(lists) => {
                said.some_value()?;
                for list in lists {
                    if let Some(list) = settings.address_lists.get_mut(*list) {
                        for address in words(value) {
                            list.remove(&text(address));
                        }
                    }
                }
            }
            Apply::Relayed(list) => {
                said.some_value()?;
                let found: Vec<&[u8]> = words(value).collect();
                let [address, relay] = found[..] else { return Err(said.invalid("an address and a relay")) };
                settings.relayed_lists.entry(list.to_owned()).or_default().insert(&text(address), &text(relay));
            }
            Apply::Call(handler) => return handler(self, said),
            Apply::Keep => {
                match row.value {
                    Value::Number => {
                        numeric(said)?;
                    }
                    Value::Bool => {
                        boolean(said)?;
                    }
                    Value::Duration => {
                        said.some_value()?;
                        duration(value).ok_or_else(|| said.invalid("a duration such as 30 or 5m"))?;
                    }
                    Value::Nothing => said.no_value()?,
                    Value::Pairs => {
                        said.some_value()?;
                    }
                    _ => {}
                }
                self.keep(row.name, value);
            }
        }
        Ok(())
    }

    /// The conditions that hold here, outermost first.
    pub fn conditions(&self) -> Vec<String> {
        self.blocks.iter().map(|block| block.condition.clone()).collect()
    }

    pub fn report(&mut self, said: &Said<'_>, fault: Fault) {
        self.report_at(said.place, said.value, fault);
    }

    /// A finding about a line; where the fault names a place within the value, that is what the caret shows.
    fn report_at(&mut self, place: Place<'_>, value: &[u8], fault: Fault) {
        let raw = trimmed_line(place.raw);
        let value_at = if value.is_empty() { None } else { super::regex::find(raw, value) };
        let (start, end) = match (fault.at, value_at) {
            (Some((start, end)), Some(at)) => (at + start, at + end.max(start + 1)),
            _ => {
                let indent = raw.len() - super::trim_start(raw).len();
                (indent, raw.len())
            }
        };
        let location = Location { file: place.file, line: place.line };
        self.report_fault(&location, raw, start, end, fault);
    }

    /// A finding about a rule's definition.
    pub fn report_rule(&mut self, name: &str, fault: Fault) {
        let fault = if fault.rule.is_none() { fault.rule(name) } else { fault };
        match self.drafts.get(name) {
            Some(draft) => {
                let (location, line) = (draft.location.clone(), draft.line.clone());
                let raw = trimmed_line(&line);
                let start = super::regex::find(raw, name.as_bytes()).unwrap_or(0);
                self.report_fault(&location, raw, start, start + name.len(), fault);
            }
            None => self.report_fault(&Location { file: u32::MAX, line: 0 }, b"", 0, 0, fault),
        }
    }

    pub fn report_location(&mut self, location: &Location, fault: Fault) {
        self.report_fault(location, b"", 0, 0, fault);
    }

    fn report_fault(&mut self, location: &Location, raw: &[u8], start: usize, end: usize, fault: Fault) {
        if fault.severity == Severity::Note && !self.options.thorough {
            return;
        }
        let (excerpt, column, width) = excerpt(raw, start, end);
        let file = self.files.get(location.file as usize).map(|(name, _)| name.clone()).unwrap_or_default();
        self.diagnostics.push(Diagnostic {
            severity: fault.severity,
            code: fault.code.code.to_owned(),
            name: fault.code.name.to_owned(),
            message: printable(&fault.message),
            file,
            line: location.line,
            column: column + 1,
            width,
            excerpt,
            label: printable(&fault.label),
            remedy: fault.remedy.map_or_else(|| fault.code.remedy.to_owned(), |remedy| printable(&remedy)),
            rule: fault.rule,
        });
    }

    /// Whether an eval may be used: known to the catalog and its plugin loaded.
    pub fn eval_known(&self, function: &str) -> Option<&'a crate::CatalogEval> {
        self.catalog.evals.iter().find(|eval| eval.name == function)
    }

    pub fn is_loaded(&self, plugin: &str) -> bool {
        plugin.is_empty() || plugins::find(plugin).is_none() || self.plugins.contains(plugin)
    }
}

fn trimmed_line(raw: &[u8]) -> &[u8] {
    super::trim_end(raw)
}

/// The path of an include: from the including file's directory, unless absolute or in someone's home.
fn relative_to(path: &str, file: &str) -> String {
    if path.starts_with(['/', '~']) {
        return path.to_owned();
    }
    match file.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/{path}"),
        None => path.to_owned(),
    }
}

fn numeric(said: &Said<'_>) -> Result<f64, Fault> {
    said.some_value()?;
    let value = text(said.value);
    let digits = value.strip_prefix(['+', '-']).unwrap_or(&value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let good = !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    good.then(|| value.parse().ok()).flatten().ok_or_else(|| said.invalid("a number"))
}

fn boolean(said: &Said<'_>) -> Result<bool, Fault> {
    said.some_value()?;
    match text(said.value).to_lowercase().as_str() {
        "yes" | "1" => Ok(true),
        "no" | "0" => Ok(false),
        _ => Err(said.invalid("1, 0, yes or no")),
    }
}

/// `30`, `1.5h`, `+5 m`: seconds.
pub(super) fn duration(value: &[u8]) -> Option<f64> {
    let value = text(trim(value)).to_lowercase();
    let value = value.strip_prefix('+').unwrap_or(&value);
    let (number, unit) = match value.strip_suffix(['s', 'm', 'h', 'd', 'w']) {
        Some(number) => (number.trim_end(), value.as_bytes()[value.len() - 1]),
        None => (value, b's'),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = match unit {
        b'm' => 60.0,
        b'h' => 3600.0,
        b'd' => 86_400.0,
        b'w' => 604_800.0,
        _ => 1.0,
    };
    Some(number.parse::<f64>().ok()? * seconds)
}
