//! Help for people in their language: pages of help, mistakes on the command line, examples, the manual page.
//!
//! English stands at the arguments themselves and is clap's to print. Japanese is a table beside it (`table`): `in_japanese`
//! puts it into a tree of commands, and `page` and `mistakes` write what clap has in English alone. The command line is read
//! first, and all this made only when there is something to tell. `spamassassin`, `clamscan` and `sa-learn` answer as the
//! programs of these names do, in English, and never come here.

pub mod manual;
mod mistakes;
mod page;
mod table;
mod wrap;

use crate::language;
use clap::builder::{PossibleValue, PossibleValuesParser, StyledStr};
use clap::error::ErrorKind;
use clap::{Command, Parser};
use std::ffi::OsString;
use std::process::ExitCode;
use table::Table;

/// What the command line says; or, when help or a mistake was told instead, the code to end with.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    P::try_parse_from(&words).map_err(|error| {
        let code = if error.use_stderr() { crate::TROUBLE } else { crate::CLEAN };
        tell(P::command(), &words, &error);
        code.into()
    })
}

/// The tree of commands as people are to read it.
pub fn readable(command: Command) -> Command {
    let command = with_examples(command);
    if language::is_japanese() { in_japanese(command) } else { command }
}

fn tell(command: Command, words: &[OsString], error: &clap::Error) {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    let to_stderr = error.use_stderr();
    let japanese = match (language::is_japanese(), is_help) {
        (true, true) => asked(command.clone(), words).map(|(path, long)| {
            page::of(in_japanese(with_examples(command.clone())), &path, long, page::columns(to_stderr))
        }),
        (true, false) if error.kind() != ErrorKind::DisplayVersion => Some(mistakes::in_japanese(error)),
        _ => None,
    };
    // A reader who went away has seen enough.
    match (japanese, is_help.then(|| with_examples(command).try_get_matches_from(words))) {
        (Some(text), _) => page::print(&text, to_stderr),
        (None, Some(Err(with_examples))) => _ = with_examples.print(),
        (None, _) => _ = error.print(),
    }
}

/// Before the path of a command in what it prints as its help, when the question is only which command's help it was.
const SHORT: &str = "short:";
const LONG: &str = "long:";

/// Which command's help was asked for, and whether with all details.
fn asked(command: Command, words: &[OsString]) -> Option<(Vec<String>, bool)> {
    let error = each(command, &mut Vec::new(), &|command, path| {
        let path = path.join("/");
        command
            .help_template("{before-help}")
            .before_help(format!("{SHORT}{path}"))
            .before_long_help(format!("{LONG}{path}"))
    })
    .try_get_matches_from(words)
    .err()?;
    let told = error.render().to_string();
    let (path, long) = match told.trim().strip_prefix(LONG) {
        Some(path) => (path, true),
        None => (told.trim().strip_prefix(SHORT)?, false),
    };
    Some((path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect(), long))
}

/// The tree with `work` done on every command, which is told its path below the program.
fn each(command: Command, path: &mut Vec<String>, work: &impl Fn(Command, &[String]) -> Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let mut command = work(command, path);
    for name in names {
        path.push(name.clone());
        command = command.mut_subcommand(name, |below| each(below, path, work));
        path.pop();
    }
    command
}

fn with_examples(command: Command) -> Command {
    let examples = table::examples();
    each(command, &mut Vec::new(), &|command, path| match examples.get(&path.join(" ")) {
        Some(examples) => command.after_help(shown(examples)),
        None => command,
    })
}

/// As they stand at the foot of a page.
fn shown(examples: &[table::Example]) -> StyledStr {
    let mut text = format!("{}:", language::pick("Examples", "例"));
    for example in examples {
        text.push_str(&format!("\n  {}\n      {}", example.command, language::pick(&example.en, &example.ja)));
    }
    text.into()
}

/// Every text in Japanese that the table has so. The tree is for reading: values are no longer read into types.
fn in_japanese(mut command: Command) -> Command {
    let table = Table::new();
    // Help and version are arguments like any other, once the tree is built.
    command.build();
    each(command, &mut Vec::new(), &|command, path| translated(command, path, &table))
}

fn translated(mut command: Command, path: &[String], table: &Table) -> Command {
    if let Some(text) = text_of(command.get_about()).and_then(|text| table.japanese(path, table::ABOUT, &text)) {
        command = command.about(text);
    }
    if let Some(text) =
        text_of(command.get_long_about()).and_then(|text| table.japanese(path, table::LONG_ABOUT, &text))
    {
        command = command.long_about(text);
    }
    let names: Vec<_> = command.get_arguments().map(|argument| argument.get_id().clone()).collect();
    for name in names {
        command = command.mut_arg(&name, |mut argument| {
            let key = name.as_str();
            if let Some(text) = text_of(argument.get_help()).and_then(|text| table.japanese(path, key, &text)) {
                argument = argument.help(text);
            }
            let long = format!("{key}{}", table::LONG);
            if let Some(text) = text_of(argument.get_long_help()).and_then(|text| table.japanese(path, &long, &text)) {
                argument = argument.long_help(text);
            }
            let values = argument.get_possible_values();
            if !values.iter().any(|value| value.get_help().is_some()) {
                return argument;
            }
            argument.value_parser(PossibleValuesParser::new(values.into_iter().map(|value| {
                let key = format!("{key}={}", value.get_name());
                match text_of(value.get_help()).and_then(|text| table.japanese(path, &key, &text)) {
                    Some(text) => value.help(text),
                    None => value,
                }
            })))
        });
    }
    command
}

fn text_of(text: Option<&StyledStr>) -> Option<String> {
    text.map(ToString::to_string)
}

/// Every text of help in the tree: path, key in the table, English.
#[cfg(test)]
fn texts(command: &Command) -> Vec<(String, String, String)> {
    fn walk(command: &Command, path: &mut Vec<String>, out: &mut Vec<(String, String, String)>) {
        let mut add = |key: String, text: Option<&StyledStr>| {
            out.extend(text_of(text).map(|text| (path.join(" "), key, text)));
        };
        add(table::ABOUT.to_owned(), command.get_about());
        add(table::LONG_ABOUT.to_owned(), command.get_long_about());
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let id = argument.get_id();
            add(id.to_string(), argument.get_help());
            add(format!("{id}{}", table::LONG), argument.get_long_help());
            for value in argument.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
                add(format!("{id}={}", value.get_name()), value.get_help());
            }
        }
        // What `help` has below it are copies.
        for below in command.get_subcommands().filter(|_| command.get_name() != "help") {
            path.push(below.get_name().to_owned());
            walk(below, path, out);
            path.pop();
        }
    }
    let mut out = Vec::new();
    walk(command, &mut Vec::new(), &mut out);
    out
}

/// Whether a value of this type has been shown with what it means.
fn means_something(value: &PossibleValue) -> bool {
    !value.is_hide_set() && value.get_help().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::collections::{BTreeMap, BTreeSet};

    fn built() -> Command {
        let mut command = crate::Cli::command();
        command.build();
        command
    }

    /// What this test prints can be put into the tables as it is, and the Japanese written in.
    #[test]
    fn all_help_is_there_in_japanese_and_of_the_english_that_it_is_beside() {
        let table = Table::new();
        let (mut used, mut shared) = (BTreeSet::new(), BTreeSet::new());
        let (mut missing, mut wrong) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
        for (path, key, english) in texts(&built()) {
            match table.own(&path, &key) {
                Some((beside, _)) if beside != english => {
                    wrong.push(format!("[{path:?}] {key}: the English changed\n  was: {beside}\n  is:  {english}"));
                    used.insert((path, key));
                }
                Some(_) => {
                    used.insert((path, key));
                }
                None if table.shared(&english).is_some() => {
                    shared.insert(english);
                }
                None => missing.entry(path).or_default().push(format!("{key:?} = [{english:?}, \"\"]")),
            }
        }
        for (path, key) in table.keys() {
            if !used.contains(&(path.clone(), key.clone())) {
                wrong.push(format!("[{path:?}] {key}: there is no such argument or command"));
            }
        }
        for english in table.shared_keys() {
            if !shared.contains(english) {
                wrong.push(format!("shared.toml: nothing has this text: {english}"));
            }
        }
        let stubs: Vec<_> = missing.iter().map(|(path, lines)| format!("[{path:?}]\n{}\n", lines.join("\n"))).collect();
        assert!(stubs.is_empty(), "no Japanese for:\n\n{}", stubs.join("\n"));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn tables_can_be_read_and_nothing_in_them_is_empty() {
        for (file, text) in table::FILES {
            let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(!table.is_empty(), "{file}");
        }
        let table = Table::new();
        for (path, key) in table.keys() {
            let (_, japanese) = table.own(path, key).unwrap();
            assert!(!japanese.trim().is_empty(), "[{path:?}] {key}");
        }
        assert!(table.twice.is_empty(), "in two files: {:?}", table.twice);
    }

    #[test]
    fn examples_are_commands_that_are_understood() {
        let command = built();
        let mut wrong = Vec::new();
        for (path, examples) in table::examples() {
            let mut found = &command;
            for name in path.split_whitespace() {
                found = found.find_subcommand(name).unwrap_or_else(|| panic!("examples.toml: no command {path:?}"));
            }
            for example in examples {
                assert!(!example.en.is_empty() && !example.ja.is_empty(), "{}", example.command);
                let first = example.command.split(" | ").next().unwrap().split(" > ").next().unwrap();
                let words = words(first);
                assert!(first.starts_with(format!("sekisho {path}").trim_end()), "[{path}] has {first}");
                if let Err(error) = crate::Cli::try_parse_from(&words) {
                    wrong.push(format!("{first}\n{error}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_command_and_argument_says_what_it_is() {
        fn walk(command: &Command, path: &str, silent: &mut Vec<String>) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                if argument.get_help().is_none() {
                    silent.push(format!("{path} {argument}"));
                }
            }
            for below in command.get_subcommands().filter(|_| command.get_name() != "help") {
                let path = format!("{path} {}", below.get_name());
                if below.get_about().is_none() {
                    silent.push(path.clone());
                }
                walk(below, &path, silent);
            }
        }
        let mut silent = Vec::new();
        walk(&built(), "sekisho", &mut silent);
        assert!(silent.is_empty(), "without help:\n{}", silent.join("\n"));
    }

    /// In blocks of code they are whole; in a sentence the rest may be left out.
    #[test]
    #[allow(clippy::disallowed_methods)] // a test reads files
    fn commands_that_documents_show_are_understood() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = vec![top.join("README.md"), top.join("README.ja.md")];
        let docs = std::fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        files.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
        let (mut wrong, mut seen) = (Vec::new(), 0);
        for file in files {
            let mut in_block = false;
            for line in std::fs::read_to_string(&file).unwrap().lines() {
                if line.starts_with("```") {
                    in_block = !in_block;
                    continue;
                }
                let shown: Vec<&str> = match in_block {
                    true => vec![line],
                    false => line.split('`').skip(1).step_by(2).collect(),
                };
                for shown in shown.iter().map(|shown| shown.strip_prefix("sudo ").unwrap_or(shown)) {
                    if !shown.starts_with("sekisho ") {
                        continue;
                    }
                    seen += 1;
                    let end = ["  #", " # ", " | ", " < ", " > "].iter().filter_map(|end| shown.find(end)).min();
                    let command = shown[..end.unwrap_or(shown.len())].trim_end().replace(['[', ']'], "");
                    let given = command.replace("$(date +%F)", "2026-11-20");
                    let words = words(&given).into_iter().map(|word| match word.as_str() {
                        "ID" if given.contains("quarantine") => "0r7k3m9q2xw5t".to_owned(),
                        "DAY" | "日付" => "2026-11-20".to_owned(),
                        _ => word,
                    });
                    use ErrorKind::*;
                    let may_lack = |error: &clap::Error| {
                        matches!(
                            error.kind(),
                            DisplayHelpOnMissingArgumentOrSubcommand | MissingSubcommand | MissingRequiredArgument
                        )
                    };
                    match crate::Cli::try_parse_from(words) {
                        Err(error) if in_block || !may_lack(&error) => {
                            wrong.push(format!("{}: {shown}\n{error}", file.display()));
                        }
                        _ => {}
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(seen > 100, "{seen}");
    }

    /// As a shell would cut it, single quotes minded.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted && words.last().is_some_and(String::is_empty) => {}
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().expect("never empty").push(c),
            }
        }
        words
    }

    #[test]
    fn the_command_whose_help_was_asked_for_is_found() {
        for (line, expected) in [
            ("sekisho --help", Some((vec![], true))),
            ("sekisho -h", Some((vec![], false))),
            ("sekisho", Some((vec![], false))),
            ("sekisho help", Some((vec![], true))),
            ("sekisho check -q --help", Some((vec!["check"], true))),
            ("sekisho isp lookup -h", Some((vec!["isp", "lookup"], false))),
            ("sekisho help isp lookup", Some((vec!["isp", "lookup"], true))),
            ("sekisho check --nonsense", None),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let found = asked(crate::Cli::command(), &words);
            let expected = expected.map(|(path, long)| (path.into_iter().map(str::to_owned).collect::<Vec<_>>(), long));
            assert_eq!(found.as_ref().map(|(path, _)| path), expected.as_ref().map(|(path, _)| path), "{line}");
            if line.ends_with('h') || line.ends_with("--help") {
                assert_eq!(found, expected, "{line}");
            }
        }
    }
}
