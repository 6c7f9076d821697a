//! Handlers of the lines that make rules: their types, scores, descriptions, flags.

use super::loader::{Draft, Loader, Said};
use super::{first_word, is_rule_name, regex, text, words};
use crate::diagnostic::{self, Fault};
use crate::ruleset::{
    AskDns, Eval, HeaderTest, Kind, Meta, MimeHeaderTest, Pattern, Shortcircuit, Stage, UriCondition, UriKey,
};
use crate::settings::RuleTest;
use crate::spamassassin::expression::{self, Calls};
use crate::spamassassin::meta;

type Handled = Result<(), Fault>;

/// Longest rule name, and the longest that is not warned of.
const LONGEST_NAME: usize = 100;
const LONG_NAME: usize = 40;

/// Rule name, definition, and where the definition starts within the value.
fn definition<'v>(said: &'v Said<'_>) -> Result<(String, &'v [u8], usize), Fault> {
    let (name, rest) = first_word(said.value);
    if name.is_empty() || rest.is_empty() {
        return Err(said.missing("a rule name and a test"));
    }
    let name = text(name).into_owned();
    check_name(&name)?;
    Ok((name, rest, said.value.len() - rest.len()))
}

/// Moves a fault's place, given within a definition, to the whole value.
fn shifted(mut fault: Fault, by: usize, rule: &str) -> Fault {
    fault.at = fault.at.map(|(start, end)| (start + by, end + by));
    fault.rule.get_or_insert_with(|| rule.to_owned());
    fault
}

impl Loader<'_> {
    /// Notes a rule, replacing an earlier one of the name.
    fn define(&mut self, said: &Said<'_>, name: String, kind: Kind) -> Handled {
        let exempt = name.starts_with("__") || name.starts_with("T_");
        if self.options.thorough && name.len() > LONG_NAME && !exempt {
            let fault = diagnostic::LONG_RULE_NAME.found(format!("the name {name} has {} characters", name.len()));
            self.report(said, fault.at(0, name.len()).rule(&name));
        }
        let replaced = self.drafts.get(&name).map(|draft| draft.location.clone());
        if let Some(earlier) = &replaced {
            let file = &self.files[earlier.file as usize].0;
            let fault = diagnostic::RULE_REDEFINED
                .found(format!("{name} replaces the rule of that name at {file}:{}", earlier.line));
            self.report(said, fault.at(0, name.len()).rule(&name));
        }
        self.priorities.entry(name.clone()).or_insert(0);
        let from_user = self.files[said.place.file as usize].1 == crate::SourceKind::User;
        let draft = Draft {
            kind,
            location: said.location(),
            replaced,
            from_user,
            conditions: self.conditions(),
            line: said.place.raw.to_vec(),
        };
        self.drafts.insert(name, draft);
        Ok(())
    }

    /// A pattern of a rule, checked; a capture makes the rule run before all others.
    fn pattern(&mut self, rule: &str, written: &[u8]) -> Result<Pattern, Fault> {
        let literal = self.check_regex(written, 0)?;
        let templates = regex::templates(literal.body);
        let captures = regex::captures(literal.body);
        if !captures.is_empty() {
            self.priorities.insert(rule.to_owned(), -10_000);
        }
        Ok(Pattern {
            written: written.to_vec(),
            body: (literal.offset as u32, (literal.offset + literal.body.len()) as u32),
            flags: literal.flags,
            expanded: None,
            id: None,
            templates,
            captures,
        })
    }

    /// Whether a regular expression can be compiled; places in faults are moved by `offset`.
    pub(super) fn check_regex<'t>(&mut self, written: &'t [u8], offset: usize) -> Result<regex::Literal<'t>, Fault> {
        let literal = regex::literal(written).map_err(|fault| match fault.at {
            Some((start, end)) => fault.at(start + offset, end + offset),
            None => fault,
        })?;
        if self.settings.ignore_always_matching_regexps
            && let Some(reason) = regex::always_matches(literal.body)
        {
            return Err(diagnostic::BAD_REGEX
                .found(format!("the regular expression matches everything: it {reason}"))
                .label(reason)
                .at(offset + literal.offset, offset + literal.offset + literal.body.len()));
        }
        Ok(literal)
    }
}

fn check_name(name: &str) -> Handled {
    let bad = |reason: &str| diagnostic::BAD_RULE_NAME.found(format!("`{name}` {reason}")).at(0, name.len());
    if !is_rule_name(name.as_bytes()) {
        return Err(bad("is no rule name"));
    }
    if name.len() > LONGEST_NAME {
        return Err(bad(&format!("has {} characters", name.len())));
    }
    Ok(())
}

/// `eval:function(arguments)` where a definition starts so.
fn eval(definition: &[u8], stage: Stage) -> Option<Result<Eval, Fault>> {
    let call = definition.strip_prefix(b"eval:")?;
    let call_at = definition.len() - call.len();
    let bad = |code: &'static diagnostic::Code, message: String| code.found(message).at(call_at, definition.len());
    let name_length = call.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let (name, rest) = call.split_at(name_length);
    let arguments = rest.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
    let Some(arguments) = arguments.filter(|_| !name.is_empty()) else {
        return Some(Err(bad(&diagnostic::INVALID_VALUE, "an eval is written eval:function(arguments)".to_owned())));
    };
    let function = text(name).into_owned();
    Some(match self::arguments(arguments) {
        Some(arguments) => Ok(Eval { stage, function, arguments, known: false }),
        None => Err(bad(&diagnostic::BAD_EVAL_ARGUMENTS, format!("the arguments of {function}() cannot be read"))),
    })
}

/// Quoted texts, or bare runs of letters, digits and `.:-`, separated by commas.
pub(super) fn arguments(written: &[u8]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = super::trim_start(written);
    while !rest.is_empty() {
        let (argument, after) = match rest[0] {
            quote @ (b'\'' | b'"') => quoted_argument(&rest[1..], quote)?,
            _ => {
                let bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-');
                let length = rest.iter().take_while(|byte| bare(byte)).count();
                (&rest[..length], end_of_argument(&rest[length..])?)
            }
        };
        found.push(text(argument).into_owned());
        rest = after;
    }
    Some(found)
}

/// Up to the first closing quote that a comma or the end follows.
fn quoted_argument(rest: &[u8], quote: u8) -> Option<(&[u8], &[u8])> {
    let mut quotes = (0..rest.len()).filter(|at| rest[*at] == quote);
    quotes.find_map(|at| Some((&rest[..at], end_of_argument(&rest[at + 1..])?)))
}

/// What follows an argument's comma, without blanks.
fn end_of_argument(rest: &[u8]) -> Option<&[u8]> {
    let rest = super::trim_start(rest);
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(b",").map(super::trim_start)
}

pub fn header(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, definition, offset) = definition(said)?;
    let eval_text = definition.strip_prefix(b"rbl").filter(|rest| rest.starts_with(b"eval:")).unwrap_or(definition);
    let kind = match eval(eval_text, Stage::Header) {
        Some(eval) => {
            let mut eval = eval.map_err(|fault| shifted(fault, offset, &name))?;
            if eval.function.starts_with("check_rbl") || eval.function.starts_with("check_dns") {
                eval.stage = Stage::Rbl;
            }
            Kind::Eval(eval)
        }
        None => header_test(loader, &name, definition).map_err(|fault| shifted(fault, offset, &name))?,
    };
    loader.define(said, name, kind)
}

fn is_header_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn header_test(loader: &mut Loader<'_>, name: &str, definition: &[u8]) -> Result<Kind, Fault> {
    let bad = |message: String, start: usize, end: usize| {
        diagnostic::BAD_HEADER_TEST.found(message).at(start, end.min(definition.len()))
    };
    if let Some(header) = definition.strip_prefix(b"exists:") {
        let header = header.strip_suffix(b":").unwrap_or(header);
        if header.is_empty() || !header.iter().all(|byte| is_header_byte(*byte)) {
            return Err(bad("`exists:` takes one header name".to_owned(), 7, definition.len()));
        }
        return Ok(Kind::HeaderExists { header: text(header).into_owned() });
    }
    let name_end = definition.iter().position(|byte| !is_header_byte(*byte)).unwrap_or(definition.len());
    let modifiers_end =
        name_end + definition[name_end..].iter().take_while(|b| b.is_ascii_lowercase() || **b == b':').count();
    let request = text(&definition[..modifiers_end]).into_owned();
    let request = request.strip_suffix(':').unwrap_or(&request).to_owned();
    let rest = super::trim_start(&definition[modifiers_end..]);
    let negated = match rest.get(..2) {
        Some(b"=~") => false,
        Some(b"!~") => true,
        _ => return Err(bad("a header test is `Header =~ /pattern/`".to_owned(), 0, definition.len())),
    };
    let modifiers: Vec<&str> = request.split(':').skip(1).collect();
    let known = ["raw", "addr", "name", "host", "domain", "ip", "revip", "first", "last", "text"];
    if name_end == 0 || modifiers.len() > 2 {
        return Err(bad("a header name and at most two modifiers are expected".to_owned(), 0, modifiers_end));
    }
    if let Some(unknown) = modifiers.iter().find(|modifier| !known.contains(modifier)) {
        return Err(bad(format!("`:{unknown}` is no modifier"), name_end, modifiers_end)
            .remedy(format!("modifiers are :{}", known.join(" :"))));
    }
    let pattern = super::trim_start(&rest[2..]);
    let pattern_at = definition.len() - pattern.len();
    if pattern.is_empty() {
        return Err(bad("the pattern is missing".to_owned(), 0, definition.len()));
    }
    let (pattern, if_unset) = without_if_unset(pattern);
    let pattern = loader.pattern(name, pattern).map_err(|fault| shifted(fault, pattern_at, name))?;
    Ok(Kind::Header(HeaderTest { header: request, pattern, negated, if_unset }))
}

/// Parts a pattern from ` [if-unset: text]` at its end.
fn without_if_unset(pattern: &[u8]) -> (&[u8], Option<Vec<u8>>) {
    let found = pattern.strip_suffix(b"]").and_then(|inner| {
        // The first place that works, as a regular expression would find it.
        let places =
            (1..inner.len()).filter(|at| inner[*at..].starts_with(b"[if-unset:") && super::is_blank(inner[*at - 1]));
        places.into_iter().find_map(|at| {
            let after = &inner[at + "[if-unset:".len()..];
            let text = super::trim_start(after);
            (text.len() < after.len() && !text.is_empty()).then(|| (super::trim_end(&inner[..at]), text.to_vec()))
        })
    });
    match found {
        Some((pattern, text)) => (pattern, Some(text)),
        None => (pattern, None),
    }
}

/// Rule types whose test is a pattern or an eval.
fn pattern_or_eval(
    loader: &mut Loader<'_>,
    said: &Said<'_>,
    stage: Option<Stage>,
    make: fn(Pattern) -> Kind,
) -> Handled {
    let (name, definition, offset) = definition(said)?;
    let kind = match stage.and_then(|stage| eval(definition, stage)) {
        Some(eval) => Kind::Eval(eval.map_err(|fault| shifted(fault, offset, &name))?),
        None => make(loader.pattern(&name, definition).map_err(|fault| shifted(fault, offset, &name))?),
    };
    loader.define(said, name, kind)
}

pub fn body(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    pattern_or_eval(loader, said, Some(Stage::Body), Kind::Body)
}

pub fn rawbody(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    pattern_or_eval(loader, said, Some(Stage::RawBody), Kind::RawBody)
}

pub fn full(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    pattern_or_eval(loader, said, Some(Stage::Full), Kind::Full)
}

pub fn uri(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    pattern_or_eval(loader, said, None, Kind::Uri)
}

/// Ours: a pattern on the text that a reader sees.
pub fn text_rule(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    pattern_or_eval(loader, said, None, Kind::Text)
}

pub fn mimeheader(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, definition, offset) = definition(said)?;
    let kind = mime_header_test(loader, said, &name, definition).map_err(|fault| shifted(fault, offset, &name))?;
    loader.define(said, name, kind)
}

fn mime_header_test(loader: &mut Loader<'_>, said: &Said<'_>, name: &str, definition: &[u8]) -> Result<Kind, Fault> {
    let bad = || said.invalid("Header =~ /pattern/, the header perhaps with :raw").at(0, definition.len());
    let operator = regex::find(definition, b"=~").into_iter().chain(regex::find(definition, b"!~")).min();
    let at = operator.ok_or_else(bad)?;
    let header = text(super::trim_end(&definition[..at])).into_owned();
    let (header, raw) = match header.split_once(':') {
        None | Some((_, "")) => (header.trim_end_matches(':').to_owned(), false),
        Some((header, "raw")) => (header.to_owned(), true),
        Some(_) => return Err(bad()),
    };
    if header.is_empty() || header.contains([' ', '\t']) {
        return Err(bad());
    }
    let pattern = super::trim_start(&definition[at + 2..]);
    let pattern_at = definition.len() - pattern.len();
    let (pattern, if_unset) = without_if_unset(pattern);
    let pattern = loader.pattern(name, pattern).map_err(|fault| shifted(fault, pattern_at, name))?;
    let negated = definition[at] == b'!';
    // `range` and `concat` are known when all tflags are.
    Ok(Kind::MimeHeader(MimeHeaderTest {
        header,
        raw,
        pattern,
        negated,
        if_unset: if_unset.unwrap_or_default(),
        range: (0, 1000),
        concat: false,
    }))
}

pub fn uri_detail(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, definition, offset) = definition(said)?;
    let mut conditions = loader.uri_conditions.remove(&name).unwrap_or_default();
    let mut added = false;
    let mut at = 0;
    while let Some((key_at, key, negated, pattern_at, pattern_end)) = next_uri_condition(definition, at) {
        let key = match key {
            b"raw" => UriKey::Raw,
            b"type" => UriKey::Type,
            b"cleaned" => UriKey::Cleaned,
            b"text" => UriKey::Text,
            b"domain" => UriKey::Domain,
            b"host" => UriKey::Host,
            _ => {
                let end = offset + key_at + key.len();
                return Err(said.invalid("raw, type, cleaned, text, domain or host").at(offset + key_at, end));
            }
        };
        let pattern = loader
            .pattern(&name, &definition[pattern_at..pattern_end])
            .map_err(|fault| shifted(fault, offset + pattern_at, &name))?;
        conditions.retain(|condition| condition.key != key);
        conditions.push(UriCondition { key, negated, pattern });
        added = true;
        at = pattern_end;
    }
    if !added {
        return Err(said.invalid("conditions such as `domain =~ /pattern/`").at(offset, said.value.len()));
    }
    conditions.sort_by_key(|condition| condition.key);
    loader.uri_conditions.insert(name.clone(), conditions.clone());
    loader.define(said, name, Kind::UriDetail(conditions))
}

/// The next `key =~ /pattern/flags` or `key !~ m,pattern,`: key and its place, negation, the pattern's place.
fn next_uri_condition(text: &[u8], from: usize) -> Option<(usize, &[u8], bool, usize, usize)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (from..text.len().saturating_sub(1)).filter(|at| matches!(&text[*at..*at + 2], b"=~" | b"!~")).find_map(|at| {
        let key_end = super::trim_end(&text[from..at]).len() + from;
        let key_at = (from..key_end).rev().take_while(|i| is_word(text[*i])).last()?;
        let pattern_at = text.len() - super::trim_start(&text[at + 2..]).len();
        let (open_at, delimiter) = match (text.get(pattern_at)?, text.get(pattern_at + 1)) {
            (b'/', _) => (pattern_at, b'/'),
            (b'm', Some(byte)) if !is_word(*byte) => (pattern_at + 1, *byte),
            _ => return None,
        };
        let closings = (open_at + 1..text.len()).filter(|i| text[*i] == delimiter);
        let end = closings.into_iter().find_map(|close| {
            let flags = text[close + 1..].iter().take_while(|b| matches!(b, b'i' | b'm' | b's' | b'x')).count();
            let end = close + 1 + flags;
            text.get(end).is_none_or(|byte| super::is_blank(*byte)).then_some(end)
        })?;
        Some((key_at, &text[key_at..key_end], text[at] == b'!', pattern_at, end))
    })
}

pub fn meta(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, definition, offset) = definition(said)?;
    let bad = |message: String, start: usize, end: usize| {
        let fault = diagnostic::BAD_META.found(format!("the expression of {name} cannot be read: {message}"));
        fault.label(message).at(offset + start, offset + end).rule(&name)
    };
    let doubled =
        |at: &usize| definition[*at] == b'*' && super::trim_start(&definition[*at + 1..]).first() == Some(&b'*');
    if let Some(at) = (0..definition.len()).find(doubled) {
        return Err(bad("there is no operator `**`".to_owned(), at, at + 2));
    }
    let forbidden = |at: &usize| {
        matches!(definition[*at], b'$' | b'@' | b'%' | b';' | b'{' | b'}') || definition[*at..].starts_with(b"::")
    };
    if let Some(at) = (0..definition.len()).find(forbidden) {
        return Err(bad(format!("`{}` does not belong here", char::from(definition[at])), at, at + 1));
    }
    let text = text(definition).into_owned();
    // Checked as SpamAssassin does: `rules_matching(...)` as a number, the rest as it stands.
    let checked = meta::replace_globs(&text, |glob, width| format!("{:width$}", 0, width = width.max(glob.len())));
    let node = expression::parse(&checked, Calls::Forbidden)
        .map_err(|problem| bad(problem.message.clone(), problem.start, problem.end))?;
    meta::check_constants(&node).map_err(|message| bad(message, 0, definition.len()))?;
    let kind = Kind::Meta(Meta {
        text,
        expression: meta::Expression::default(),
        dependencies: Vec::new(),
        undefined: Vec::new(),
        external: false,
        undecidable: false,
    });
    loader.define(said, name, kind)
}

pub fn reuse(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let names: Vec<String> = words(said.value).map(|word| text(word).into_owned()).collect();
    let [name, ..] = &names[..] else { return Err(said.missing("rule names")) };
    if let Some(bad) = names.iter().find(|name| !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
        return Err(said.invalid(&format!("rule names, which `{bad}` is not")));
    }
    // With the plugin, `reuse` names what earlier scans of the same message said; without it, it only declares.
    if loader.plugins.contains("Reuse") {
        loader.settings.other.entry("reuse".to_owned()).or_default().push(names.join(" "));
    } else if !loader.drafts.contains_key(name) {
        check_name(name)?;
        return loader.define(said, name.clone(), Kind::Empty);
    }
    Ok(())
}

pub fn askdns(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    const TYPES: &str = " ANY A AAAA MX TXT PTR NAPTR NS SOA CERT CNAME DNAME DHCID HINFO MINFO RP HIP IPSECKEY KX LOC \
                         GPOS SRV OPENPGPKEY SSHFP SPF TLSA URI CAA CSYNC ";
    let (name, definition, _) = definition(said)?;
    let (query, rest) = first_word(definition);
    let (record_type, subtest) = first_word(rest);
    let record_type = if record_type.is_empty() { "A".to_owned() } else { text(record_type).to_uppercase() };
    if !record_type.split(',').all(|one| TYPES.contains(&format!(" {one} "))) {
        return Err(said.invalid("a DNS record type such as A or TXT"));
    }
    let kind =
        Kind::AskDns(AskDns { query: text(query).into_owned(), record_type, subtest: text(subtest).into_owned() });
    loader.define(said, name, kind)
}

pub fn score(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let found: Vec<String> = words(said.value).map(|word| text(word).into_owned()).collect();
    let (name, numbers) = match &found[..] {
        [name, numbers @ ..] if matches!(numbers.len(), 1 | 4) => (name, numbers),
        _ => return Err(said.missing("a rule name and one or four numbers")),
    };
    let mut relative = false;
    let mut scores = [0.0; 4];
    for (score, written) in scores.iter_mut().zip(numbers.iter().cycle()) {
        let bare = written.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
        let number = bare.unwrap_or(written);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        relative |= bare.is_some() && all_digits(whole) && all_digits(fraction);
        *score = match number.parse() {
            Ok(value) if all_digits(whole) && all_digits(fraction) => value,
            _ => {
                let at = regex::find(said.value, written.as_bytes()).unwrap_or(0);
                return Err(said.invalid("a number such as 1.5 or -2").at(at, at + written.len()).rule(name));
            }
        };
    }
    if relative {
        let Some(before) = loader.scores.get(name) else {
            let message = format!("{name} has no score yet to which something could be added");
            return Err(diagnostic::RELATIVE_SCORE_FIRST.found(message).rule(name));
        };
        for (score, before) in scores.iter_mut().zip(before) {
            *score += before;
        }
    }
    loader.score_lines.entry(name.clone()).or_insert_with(|| said.location());
    loader.scores.insert(name.clone(), scores);
    Ok(())
}

pub fn describe(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, description) = said.pair()?;
    loader.description_lines.entry(name.clone()).or_insert_with(|| said.location());
    loader.descriptions.insert(name, text(description).into_owned());
    Ok(())
}

pub fn subjprefix(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, prefix) = said.pair()?;
    loader.subject_prefixes.insert(name, text(prefix).into_owned());
    Ok(())
}

pub fn tflags(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, flags) = said.pair()?;
    loader.flags.insert(name, text(flags).into_owned());
    Ok(())
}

pub fn priority(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, value) = said.pair()?;
    let value = text(value);
    let digits = value.strip_prefix('-').unwrap_or(&value);
    match value.parse::<i32>() {
        Ok(priority) if digits.bytes().all(|b| b.is_ascii_digit()) && is_rule_name(name.as_bytes()) => {
            loader.priorities.insert(name, priority);
            Ok(())
        }
        _ => Err(said.invalid("a rule name and a whole number")),
    }
}

pub fn shortcircuit(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, way) = said.pair()?;
    let way = match way {
        b"ham" => Shortcircuit::Ham,
        b"spam" => Shortcircuit::Spam,
        b"on" => Shortcircuit::On,
        b"off" => {
            loader.shortcircuits.remove(&name);
            return Ok(());
        }
        _ => return Err(said.invalid("ham, spam, on or off")),
    };
    if way != Shortcircuit::On {
        // The classes bring what such rules need: an early run, and no learning from the message.
        let priority = loader.priorities.entry(name.clone()).or_insert(0);
        if *priority == 0 {
            *priority = -200;
        }
        let flags = loader.flags.entry(name.clone()).or_default();
        if !flags.is_empty() {
            flags.push(' ');
        }
        flags.push_str(if way == Shortcircuit::Ham { "nice noautolearn" } else { "noautolearn" });
    }
    loader.shortcircuits.insert(name, way);
    Ok(())
}

pub fn replace_tag(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, value) = said.pair()?;
    loader.replace.tags.insert(name.into_bytes(), value.to_vec());
    Ok(())
}

pub fn replace_pre(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, value) = said.pair()?;
    loader.replace.pre.insert(name.into_bytes(), value.to_vec());
    Ok(())
}

pub fn replace_inter(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, value) = said.pair()?;
    loader.replace.inter.insert(name.into_bytes(), value.to_vec());
    Ok(())
}

pub fn replace_post(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, value) = said.pair()?;
    loader.replace.post.insert(name.into_bytes(), value.to_vec());
    Ok(())
}

pub fn replace_rules(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    loader.replace.rules.extend(words(said.value).map(|word| text(word).into_owned()));
    Ok(())
}

pub fn replace_start(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    loader.replace.start = said.value.to_vec();
    Ok(())
}

pub fn replace_end(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    loader.replace.end = said.value.to_vec();
    Ok(())
}

/// `test NAME ok|fail text`: an example that the rule must or must not hit.
pub fn test(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (rule, rest) = first_word(said.value);
    let (expectation, example) = first_word(rest);
    let matches = match expectation {
        b"ok" => true,
        b"fail" => false,
        _ => return Err(said.invalid("a rule name, ok or fail, and an example")),
    };
    loader.settings.rule_tests.push(RuleTest { rule: text(rule).into_owned(), matches, text: example.to_vec() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eval_arguments() {
        let cases: [(&str, Option<&[&str]>); 9] = [
            ("", Some(&[])),
            ("  ", Some(&[])),
            ("'a', \"b c\" ,12", Some(&["a", "b c", "12"])),
            ("'it''s'", Some(&["it''s"])),
            ("'a,b'", Some(&["a,b"])),
            ("192.0.2.1, 2001:db8::1", Some(&["192.0.2.1", "2001:db8::1"])),
            ("'open", None),
            ("a b", None),
            ("'^Reply-To$', '(?:a|b)'", Some(&["^Reply-To$", "(?:a|b)"])),
        ];
        for (written, expected) in cases {
            let expected = expected.map(|list| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
            assert_eq!(arguments(written.as_bytes()), expected, "{written}");
        }
    }

    #[test]
    fn if_unset_is_parted_from_the_pattern() {
        assert_eq!(without_if_unset(b"/x/ [if-unset: UNSET]"), (&b"/x/"[..], Some(b"UNSET".to_vec())));
        assert_eq!(without_if_unset(b"/[if-unset: x]/"), (&b"/[if-unset: x]/"[..], None));
    }
}
