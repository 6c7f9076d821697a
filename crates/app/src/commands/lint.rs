//! `sekisho lint`: what is wrong or doubtful in rule files, where, and what to do about it.

use super::{Format, RuleArguments, service_config};
use crate::config::Config;
use crate::loading::{self, Loaded};
use crate::output::{Colour, Output, Painter, readable};
use crate::{CLEAN, FOUND, TROUBLE};
use crate::{findings, language};
use rules::{Diagnostic, Severity};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Rule files or folders; without any: the rules that the service judges with
    #[arg(value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Configuration of the service, which says which rules and signatures there are; default: sekisho.toml in /etc/sekisho or /usr/local/etc/sekisho
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Notes too
    #[arg(long)]
    notes: bool,
    #[command(flatten)]
    rules: RuleArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let config = service_config(arguments.config.as_deref())?;
    let mut selection = arguments.rules.selection(&config);
    let rules = arguments.files.iter().filter(|path| path.is_dir() || !crate::signatures::is_one(path));
    selection.extra.extend(rules.cloned());
    let mut loaded = loading::load_thoroughly(&selection);
    let count = signatures(arguments, &config, &mut loaded);
    // Files named here are what the question is about; the installed rules only give them their surroundings.
    let named: Vec<String> = arguments.files.iter().map(|path| path.display().to_string()).collect();
    let concerns = |diagnostic: &Diagnostic| {
        named.is_empty() || named.iter().any(|name| diagnostic.file.starts_with(name.as_str()))
    };
    let mut diagnostics: Vec<&Diagnostic> = loaded.diagnostics.iter().filter(|d| concerns(d)).collect();
    let all = diagnostics.len();
    if !arguments.notes {
        diagnostics.retain(|diagnostic| diagnostic.severity > Severity::Note);
    }
    let hidden = all - diagnostics.len();
    let mut output = Output::new();
    match arguments.format {
        Format::Text => {
            text(&mut output, &loaded, &diagnostics, hidden, arguments.notes)?;
            if count > 0 {
                output.line(&format!("{}: {count} {}", language::LOADED, language::SIGNATURES))?;
            }
        }
        Format::Json => json(&mut output, &loaded, &diagnostics)?,
    }
    output.flush()?;
    Ok(match diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        true => FOUND,
        false if !loaded.problems.is_empty() => TROUBLE,
        false => CLEAN,
    })
}

/// What is wrong with signature files: those named, or where none is, those that the configuration names. How many
/// signatures are in force.
fn signatures(arguments: &Arguments, config: &Config, loaded: &mut Loaded) -> u64 {
    let mut signatures = crate::feeds::signatures(config);
    if !arguments.files.is_empty() {
        signatures.folders.clone_from(&arguments.files);
    }
    let (mut files, problems) = crate::signatures::files(&signatures.folders);
    files.retain(|file| crate::signatures::is_one(file));
    if files.is_empty() {
        return 0;
    }
    let mut found = crate::signatures::Loaded { problems, ..Default::default() };
    let options = rules::signatures::Options { unwanted_programs: signatures.unwanted_programs, ..Default::default() };
    let set = crate::signatures::set(&files, &options, false, &mut found);
    loaded.diagnostics.extend(found.diagnostics);
    loaded.problems.extend(found.problems);
    set.map_or(0, |set| set.len())
}

/// `hidden`: notes that are not among the findings.
fn text(
    output: &mut Output,
    loaded: &Loaded,
    diagnostics: &[&Diagnostic],
    hidden: usize,
    notes: bool,
) -> anyhow::Result<()> {
    let painter = output.painter();
    for problem in &loaded.problems {
        output.line(&format!("{}: {problem}", painter.paint(Colour::Red, language::pick("error", "エラー"))))?;
    }
    for diagnostic in diagnostics {
        output.text(&describe(diagnostic, painter))?;
    }
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings + loaded.problems.len() == 0 {
        output.line(&painter.paint(Colour::Green, language::NO_PROBLEMS.text()))?;
    } else {
        output.line(&format!("{}: {errors}, {}: {warnings}", language::ERRORS, language::WARNINGS))?;
    }
    if hidden > 0 {
        output.line(&language::notes_hidden(hidden))?;
    }
    let statistics = &loaded.engine.ruleset.statistics;
    output.line(&format!(
        "{}: {} {}, {} {}",
        language::LOADED,
        statistics.total(),
        language::TOTAL,
        statistics.active,
        language::ACTIVE
    ))?;
    for (kind, number) in kinds(loaded) {
        if number > 0 {
            output.line(&format!("  {kind:<14} {number:>6}"))?;
        }
    }
    let unsupported = loaded.engine.unsupported();
    if !unsupported.is_empty() && !notes {
        output.line(&language::unsupported(unsupported.values().sum()))?;
    } else if !unsupported.is_empty() {
        output.line(&format!("{}:", language::UNSUPPORTED))?;
        for (what, number) in &unsupported {
            output.line(&format!("  {what:<40} {number:>6}"))?;
        }
    }
    Ok(())
}

/// A finding with its line, in the manner of a compiler.
fn describe(diagnostic: &Diagnostic, painter: Painter) -> String {
    let japanese = if language::is_japanese() { findings::in_japanese(diagnostic) } else { None };
    let severity = match japanese {
        Some(_) => findings::severity(diagnostic.severity).to_owned(),
        None => diagnostic.severity.to_string(),
    };
    let colour = match diagnostic.severity {
        Severity::Error => Colour::Red,
        Severity::Warning => Colour::Yellow,
        Severity::Note => Colour::Blue,
    };
    let head = painter.paint(colour, &format!("{severity}[{}]", diagnostic.code));
    let wrong = japanese.map_or(diagnostic.message.as_str(), |(wrong, _)| wrong);
    let mut out = format!("{head} {}: {wrong}\n", diagnostic.name);
    if diagnostic.line > 0 {
        let line = diagnostic.line.to_string();
        let margin = " ".repeat(line.len());
        out.push_str(&format!("{margin}--> {}:{line}:{}\n", diagnostic.file, diagnostic.column));
        if !diagnostic.excerpt.is_empty() {
            // Places are counted in characters, and what stands above the marks in columns.
            let columns = |from: usize, to: usize| {
                let within = |&(at, _): &(usize, char)| at >= from && at < to;
                let wide = |(_, c)| workshop::try_rule::width(c);
                diagnostic.excerpt.chars().enumerate().filter(within).map(wide).sum::<usize>().min(200)
            };
            let begin = diagnostic.column.saturating_sub(1) as usize;
            let indent = " ".repeat(columns(0, begin));
            let marks = "^".repeat(columns(begin, begin.saturating_add(diagnostic.width as usize)).max(1));
            out.push_str(&format!("{margin} |\n{line} | {}\n", readable(diagnostic.excerpt.as_bytes(), 400)));
            out.push_str(&format!("{margin} | {indent}{} {}\n", painter.paint(colour, &marks), diagnostic.label));
        }
    } else if !diagnostic.file.is_empty() {
        out.push_str(&format!(" --> {}\n", diagnostic.file));
    }
    if japanese.is_some() {
        out.push_str(&format!("  = {}: {}\n", language::DETAILS, diagnostic.message));
    }
    let remedy = japanese.map_or(diagnostic.remedy.as_str(), |(_, remedy)| remedy);
    if !remedy.is_empty() {
        out.push_str(&format!("  = {}: {remedy}\n", language::SUGGESTION));
    }
    out.push('\n');
    out
}

fn kinds(loaded: &Loaded) -> [(&'static str, u32); 16] {
    let s = &loaded.engine.ruleset.statistics;
    [
        ("header", s.header),
        ("body", s.body),
        ("rawbody", s.rawbody),
        ("full", s.full),
        ("uri", s.uri),
        ("uri_detail", s.uri_detail),
        ("text", s.text),
        ("mimeheader", s.mimeheader),
        ("meta", s.meta),
        ("header eval", s.header_eval),
        ("body eval", s.body_eval),
        ("rawbody eval", s.rawbody_eval),
        ("full eval", s.full_eval),
        ("rbl eval", s.rbl_eval),
        ("askdns", s.askdns),
        ("empty", s.empty),
    ]
}

#[derive(Serialize)]
struct Summary<'a> {
    diagnostics: &'a [&'a Diagnostic],
    problems: &'a [String],
    rules: BTreeMap<&'static str, u32>,
    active: u32,
    unsupported: BTreeMap<String, u32>,
}

fn json(output: &mut Output, loaded: &Loaded, diagnostics: &[&Diagnostic]) -> anyhow::Result<()> {
    let summary = Summary {
        diagnostics,
        problems: &loaded.problems,
        rules: kinds(loaded).into_iter().collect(),
        active: loaded.engine.ruleset.statistics.active,
        unsupported: loaded.engine.unsupported(),
    };
    output.line(&serde_json::to_string(&summary)?)?;
    Ok(())
}
