//! The manual page: the program, then a section for each command with its options, then what options do not tell.

use super::wrap;
use crate::language;
use clap::Command;

/// What the options do not tell.
const FOOT: &str = include_str!("../manual.roff");
const FOOT_IN_JAPANESE: &str = include_str!("../manual.ja.roff");

/// As clap_mangen writes it, and in Japanese. Longer ones come first.
const WORDS: &[(&str, &str)] = &[
    (".SH NAME", ".SH 名前"),
    (".SH SYNOPSIS", ".SH 書式"),
    (".SH DESCRIPTION", ".SH 説明"),
    (".SH OPTIONS", ".SH オプション"),
    (".SH SUBCOMMANDS", ".SH コマンド"),
    (".SH VERSION", ".SH バージョン"),
    (".SS Options", ".SS オプション"),
    ("\\fIPossible values:\\fR", "値:"),
    ("[default: ", "[既定値: "),
    ("\\fIsubcommands\\fR", "\\fIコマンド\\fR"),
];

/// The page of a tree whose texts are in the language already.
pub fn page(mut program: Command) -> anyhow::Result<String> {
    program.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(program.clone().after_help("")).render(&mut text)?;
    // The commands stand in this page, not in pages of their own.
    let mut text = String::from_utf8_lossy(&text).into_owned();
    for command in program.get_subcommands() {
        let name = command.get_name().replace('-', "\\-");
        text = text.replace(&format!("sekisho\\-{name}(1)"), &format!("sekisho {name}"));
    }
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        let heading = format!(".SH \"SEKISHO {}\"", command.get_name().to_uppercase());
        text.push_str(&section(command, &heading, ".SS Options")?);
        below(command, &format!("sekisho {}", command.get_name()), &mut text)?;
    }
    let japanese = language::is_japanese();
    text.push_str(if japanese { FOOT_IN_JAPANESE } else { FOOT });
    if !japanese {
        return Ok(text);
    }
    let translated = WORDS.iter().fold(text, |text, (english, japanese)| text.replace(english, japanese));
    // Between Japanese characters there are no spaces that could be made wider, and groff has to be told where it may break.
    let set = translated.replacen(".SH 名前", ".ad l\n.nh\n.SH 名前", 1);
    let lines = set.lines().map(|line| match line.starts_with('.') {
        true => format!("{line}\n"),
        false => format!("{}\n", wrap::marked(line, "\\:")),
    });
    Ok(format!("'\\\" -*- coding: UTF-8 -*-\n{}", lines.collect::<String>()))
}

fn below(command: &Command, path: &str, text: &mut String) -> anyhow::Result<()> {
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        text.push_str(&section(command, &format!(".SS \"{path}\""), ".PP")?);
        below(command, &path, text)?;
    }
    Ok(())
}

/// One command's part of the page.
fn section(command: &Command, heading: &str, options: &str) -> anyhow::Result<String> {
    let man = clap_mangen::Man::new(command.clone());
    let mut section = Vec::new();
    man.render_synopsis_section(&mut section)?;
    man.render_description_section(&mut section)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut section)?;
    }
    let mut text = (String::from_utf8_lossy(&section).replacen(".SH SYNOPSIS", heading, 1))
        .replacen(".SH DESCRIPTION", ".PP", 1)
        .replacen(".SH OPTIONS", options, 1);
    if let Some(examples) = command.get_after_help() {
        text.push_str(&verbatim(&examples.to_string()));
    }
    Ok(text)
}

/// Lines as they stand.
fn verbatim(text: &str) -> String {
    let each = |line: &str| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        format!("{guard}{line}\n")
    };
    format!(".PP\n.nf\n{}.fi\n", text.lines().map(each).collect::<String>())
}
