//! A page of help as clap lays it out, with Japanese headings, and lines broken where Japanese may be broken. clap's own
//! layout knows of neither.

use super::{means_something, wrap};
use clap::{Arg, ArgAction, Command};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

/// No page is wider, however wide the terminal is. As `max_term_width` of the English.
const WIDEST: usize = 100;
/// Descriptions begin here at the latest; after a longer name they begin on the next line.
const LATEST: usize = 34;
const INDENT: usize = 10;
/// Where a usage goes on that is longer than a line.
const USAGE_INDENT: usize = 8;

/// The page of the command with this path.
pub fn of(mut program: Command, path: &[String], long: bool, columns: usize) -> String {
    program.build();
    let mut command = &mut program;
    for name in path {
        match command.find_subcommand_mut(name) {
            Some(_) => command = command.find_subcommand_mut(name).expect("found just now"),
            None => break,
        }
    }
    page(command, long, columns)
}

fn page(command: &mut Command, long: bool, columns: usize) -> String {
    let usage = usage(&command.render_usage().to_string());
    let arguments = |positional: bool| {
        let mut found: Vec<&Arg> = (command.get_arguments())
            .filter(|argument| argument.is_positional() == positional && !argument.is_hide_set())
            .collect();
        found.sort_by_key(|argument| match positional {
            true => argument.get_index().unwrap_or_default(),
            false => argument.get_display_order(),
        });
        found
    };
    let mut out = String::new();
    let about = match long {
        true => command.get_long_about().or(command.get_about()),
        false => command.get_about(),
    };
    if let Some(about) = about {
        lines(&mut out, &about.to_string(), 0, columns);
        out.push('\n');
    }
    hanging(&mut out, usage.trim_end(), 0, USAGE_INDENT, columns);
    let commands: Vec<&Command> = command.get_subcommands().filter(|below| !below.is_hide_set()).collect();
    if !commands.is_empty() {
        let rows = commands.iter().map(|below| {
            let about = below.get_about().map(ToString::to_string).unwrap_or_default();
            (format!("  {}", below.get_name()), about)
        });
        out.push_str("\nコマンド:\n");
        table(&mut out, rows.collect(), columns);
    }
    for (heading, arguments) in [("引数", arguments(true)), ("オプション", arguments(false))] {
        if arguments.is_empty() {
            continue;
        }
        _ = writeln!(out, "\n{heading}:");
        let detailed = long && command.get_arguments().any(is_long);
        match detailed {
            false => table(
                &mut out,
                arguments.iter().map(|argument| (spec(argument), help(argument, false))).collect(),
                columns,
            ),
            true => {
                let each: Vec<String> = arguments.iter().map(|argument| in_detail(argument, columns)).collect();
                out.push_str(&each.join("\n"));
            }
        }
    }
    if let Some(foot) = command.get_after_help() {
        out.push('\n');
        lines(&mut out, &foot.to_string(), 0, columns);
    }
    out
}

/// `Usage: sekisho check [OPTIONS]` in Japanese.
pub fn usage(usage: &str) -> String {
    (usage.replacen("Usage:", "使い方:", 1))
        .replace("[OPTIONS]", "[オプション]")
        .replace("<COMMAND>", "<コマンド>")
        .replace("[COMMAND]", "[コマンド]")
}

fn is_long(argument: &Arg) -> bool {
    argument.get_long_help().is_some() || argument.get_possible_values().iter().any(means_something)
}

/// `  -q, --quiet`.
fn spec(argument: &Arg) -> String {
    match (argument.is_positional(), argument.get_short(), argument.get_long()) {
        (false, Some(short), Some(_)) => format!("  -{short}, {argument}"),
        (false, None, Some(_)) => format!("      {argument}"),
        _ => format!("  {argument}"),
    }
}

/// What it does, with default and values.
fn help(argument: &Arg, long: bool) -> String {
    let text = match long {
        true => argument.get_long_help().or(argument.get_help()),
        false => argument.get_help(),
    };
    let mut text = text.map(ToString::to_string).unwrap_or_default();
    let takes_values = !matches!(
        argument.get_action(),
        ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count | ArgAction::Help | ArgAction::Version
    );
    let mut facts = Vec::new();
    let defaults = argument.get_default_values();
    if takes_values && !defaults.is_empty() && !argument.is_hide_default_value_set() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        facts.push(format!("[既定値: {}]", defaults.join(" ")));
    }
    if let Some(aliases) = argument.get_visible_aliases().filter(|aliases| !aliases.is_empty()) {
        let aliases: Vec<_> = aliases.iter().map(|alias| format!("--{alias}")).collect();
        facts.push(format!("[別名: {}]", aliases.join(", ")));
    }
    let values = argument.get_possible_values();
    let listed = long && values.iter().any(means_something);
    if takes_values && !values.is_empty() && !listed && !argument.is_hide_possible_values_set() {
        let values: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
        facts.push(format!("[値: {}]", values.join(", ")));
    }
    for fact in facts {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&fact);
    }
    text
}

/// An argument with a line for each of its values.
fn in_detail(argument: &Arg, columns: usize) -> String {
    let mut out = format!("{}\n", spec(argument));
    lines(&mut out, &help(argument, true), INDENT, columns);
    let values = argument.get_possible_values();
    if values.iter().any(means_something) {
        if argument.get_help().is_some() || argument.get_long_help().is_some() {
            out.push('\n');
        }
        lines(&mut out, "値:", INDENT, columns);
        for value in values.iter().filter(|value| !value.is_hide_set()) {
            let help = value.get_help().map(|help| format!(": {help}")).unwrap_or_default();
            hanging(&mut out, &format!("- {}{help}", value.get_name()), INDENT, 2, columns);
        }
    }
    out
}

/// Names on the left, descriptions in a column beside them.
fn table(out: &mut String, rows: Vec<(String, String)>, columns: usize) {
    let widest = rows.iter().map(|(name, _)| wrap::columns(name)).filter(|&width| width + 2 <= LATEST).max();
    let begin = widest.unwrap_or(INDENT - 2) + 2;
    for (name, help) in rows {
        let width = wrap::columns(&name);
        let described = wrap::wrap(&help, columns.saturating_sub(begin).max(20));
        out.push_str(&name);
        if described.is_empty() {
            out.push('\n');
        }
        for (at, line) in described.iter().enumerate() {
            if at == 0 && width + 2 <= begin {
                out.push_str(&" ".repeat(begin - width));
            } else {
                if at == 0 {
                    out.push('\n');
                }
                out.push_str(&" ".repeat(begin));
            }
            out.push_str(line);
            out.push('\n');
        }
    }
}

fn lines(out: &mut String, text: &str, indent: usize, columns: usize) {
    hanging(out, text, indent, 0, columns);
}

fn hanging(out: &mut String, text: &str, indent: usize, more: usize, columns: usize) {
    for (at, line) in wrap::wrap(text, columns.saturating_sub(indent + more).max(20)).iter().enumerate() {
        let indent = if at == 0 { indent } else { indent + more };
        _ = writeln!(out, "{}{line}", " ".repeat(indent));
    }
}

/// As clap does it: what the environment says, the terminal, or the widest.
pub fn columns(to_stderr: bool) -> usize {
    let said = crate::environment::variable("COLUMNS").and_then(|columns| columns.parse().ok());
    let terminal = || {
        let size = match to_stderr {
            true => rustix::termios::tcgetwinsize(std::io::stderr()),
            false => rustix::termios::tcgetwinsize(std::io::stdout()),
        };
        size.ok().map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0)
    };
    said.or_else(terminal).unwrap_or(WIDEST).clamp(40, WIDEST)
}

/// With headings emphasised where a terminal reads and `NO_COLOR` does not say otherwise. A reader who went away has seen
/// enough.
pub fn print(text: &str, to_stderr: bool) {
    let terminal = if to_stderr { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    let colour = terminal && crate::environment::variable("NO_COLOR").is_none();
    let text = match colour {
        true => text.lines().map(|line| format!("{}\n", emphasised(line))).collect(),
        false => text.to_owned(),
    };
    _ = match to_stderr {
        true => std::io::stderr().write_all(text.as_bytes()),
        false => std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()),
    };
}

fn emphasised(line: &str) -> String {
    for (heading, code) in [
        ("使い方:", "1;4"),
        ("コマンド:", "1;4"),
        ("引数:", "1;4"),
        ("オプション:", "1;4"),
        ("例:", "1;4"),
        ("エラー:", "1;31"),
    ] {
        if let Some(rest) = line.strip_prefix(heading) {
            return format!("\x1b[{code}m{heading}\x1b[0m{rest}");
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let program = super::super::in_japanese(super::super::with_examples(crate::Cli::command()));
        let mut paths = vec![vec![]];
        for command in program.get_subcommands() {
            paths.push(vec![command.get_name().to_owned()]);
            paths.extend(
                command.get_subcommands().map(|below| vec![command.get_name().to_owned(), below.get_name().to_owned()]),
            );
        }
        for path in paths {
            for long in [false, true] {
                let page = of(program.clone(), &path, long, 80);
                assert!(page.contains("使い方: sekisho"), "{page}");
                for line in page.lines() {
                    // A word that is longer than a line stays whole, as do commands to type.
                    let is_words = !line.contains("sekisho ") && !line.trim_start().starts_with('-');
                    assert!(wrap::columns(line) <= 80 || !is_words, "{path:?}: {line}");
                }
            }
        }
    }
}
