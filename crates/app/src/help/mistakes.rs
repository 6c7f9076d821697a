//! Mistakes on the command line, in Japanese: what clap says in English, from the facts that it gives with an error.

use super::page;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;

pub fn in_japanese(error: &clap::Error) -> String {
    let mut text = format!("エラー: {}\n", what(error));
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
        let near = strings(error, kind);
        if !near.is_empty() {
            text.push_str(&format!("\n  もしかして: {}\n", quoted(&near)));
        }
    }
    if let Some(ContextValue::StyledStrs(hints)) = error.get(ContextKind::Suggested) {
        for hint in hints {
            text.push_str(&format!("\n  ヒント: {}\n", hint_in_japanese(&hint.to_string())));
        }
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        text.push_str(&format!("\n{}\n", page::usage(usage.to_string().trim_end())));
    }
    text.push_str("\n詳しくは '--help' を付けて実行してください。\n");
    text
}

fn what(error: &clap::Error) -> String {
    let argument = strings(error, ContextKind::InvalidArg);
    let value = strings(error, ContextKind::InvalidValue).join(" ");
    let number = |kind| match error.get(kind) {
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => "?".to_owned(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument => format!("引数 {} は使えません", quoted(&argument)),
        ErrorKind::InvalidSubcommand => {
            format!("コマンド {} はありません", quoted(&strings(error, ContextKind::InvalidSubcommand)))
        }
        ErrorKind::MissingSubcommand => {
            let commands = strings(error, ContextKind::ValidSubcommand);
            let of = quoted(&strings(error, ContextKind::InvalidSubcommand));
            format!("{of} の後にコマンドが必要です\n  [コマンド: {}]", commands.join(", "))
        }
        ErrorKind::MissingRequiredArgument => {
            let each: Vec<_> = argument.iter().map(|argument| format!("\n  {argument}")).collect();
            format!("次の引数が必要です:{}", each.concat())
        }
        ErrorKind::InvalidValue => {
            let said = match value.is_empty() {
                true => format!("{} には値が必要です", quoted(&argument)),
                false => format!("'{value}' は {} の値として使えません", quoted(&argument)),
            };
            match strings(error, ContextKind::ValidValue) {
                values if values.is_empty() => said,
                values => format!("{said}\n  [値: {}]", values.join(", ")),
            }
        }
        ErrorKind::ValueValidation => {
            let why = error.source().map(|source| format!(": {}", reason(&source.to_string()))).unwrap_or_default();
            format!("'{value}' は {} の値として使えません{why}", quoted(&argument))
        }
        ErrorKind::ArgumentConflict => {
            let first = if argument.is_empty() { strings(error, ContextKind::InvalidSubcommand) } else { argument };
            let others = strings(error, ContextKind::PriorArg);
            match others == first || others.is_empty() {
                true => format!("{} は一度しか指定できません", quoted(&first)),
                false => format!("{} は {} と同時に指定できません", quoted(&first), quoted(&others)),
            }
        }
        ErrorKind::NoEquals => format!("{} の値は = に続けて書いてください", quoted(&argument)),
        ErrorKind::TooManyValues => format!("値 '{value}' は余分です（{}）", quoted(&argument)),
        ErrorKind::TooFewValues => format!(
            "{} には値が {} 個以上必要です（指定されたのは {} 個）",
            quoted(&argument),
            number(ContextKind::MinValues),
            number(ContextKind::ActualNumValues)
        ),
        ErrorKind::WrongNumberOfValues => format!(
            "{} には値が {} 個必要です（指定されたのは {} 個）",
            quoted(&argument),
            number(ContextKind::ExpectedNumValues),
            number(ContextKind::ActualNumValues)
        ),
        ErrorKind::InvalidUtf8 => "引数に UTF-8 ではない文字が含まれています".to_owned(),
        _ => error.to_string().trim_start_matches("error: ").lines().next().unwrap_or_default().to_owned(),
    }
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
        _ => Vec::new(),
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join("、")
}

/// What clap proposes; what is not known stays as it is.
fn hint_in_japanese(hint: &str) -> String {
    let parts: Vec<&str> = hint.split('\'').collect();
    match parts[..] {
        ["to pass ", what, " as a value, use ", how, ""] => {
            format!("'{what}' を値として渡すには '{how}' と書いてください")
        }
        ["subcommand ", what, " exists; to use it, remove the ", dashes, " before it"] => {
            format!("'{what}' はコマンドです。前の '{dashes}' を取ってください")
        }
        _ => hint.to_owned(),
    }
}

/// Why a value could not be read: the standard library's and clap's words.
fn reason(reason: &str) -> String {
    match reason {
        "invalid digit found in string" => "整数ではありません".to_owned(),
        "cannot parse integer from empty string" | "cannot parse float from empty string" => {
            "値がありません".to_owned()
        }
        "invalid float literal" => "数ではありません".to_owned(),
        "number too large to fit in target type" => "大きすぎます".to_owned(),
        "number too small to fit in target type" => "小さすぎます".to_owned(),
        "invalid IP address syntax" => "IP アドレスではありません".to_owned(),
        other => match (other.split_once(" is not in "), other.split_once(" is no range of addresses")) {
            (Some((_, range)), _) => format!("{range} の範囲にありません"),
            (_, Some(_)) => "IP アドレスの範囲ではありません（例: 192.0.2.0/24、192.0.2.0-192.0.2.255）".to_owned(),
            _ => other.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn mistakes_are_told_in_japanese() {
        for (line, expected) in [
            ("sekisho chek", "エラー: コマンド 'chek' はありません\n\n  もしかして: 'check'\n"),
            ("sekisho check --explan", "エラー: 引数 '--explan' は使えません\n\n  もしかして: '--explain'\n"),
            ("sekisho check --jobs x", "エラー: 'x' は '--jobs <N>' の値として使えません: 整数ではありません\n"),
            ("sekisho check --jobs", "エラー: '--jobs <N>' には値が必要です\n"),
            (
                "sekisho check --format xml",
                "エラー: 'xml' は '--format <FORMAT>' の値として使えません\n  [値: text, json]\n",
            ),
            ("sekisho check -q -q", "エラー: '--quiet' は一度しか指定できません\n"),
            ("sekisho quarantine release", "エラー: 次の引数が必要です:\n  <ID>"),
            (
                "sekisho check --record a --replay b",
                "エラー: '--record <FILE>' は '--replay <FILE>' と同時に指定できません\n",
            ),
            ("sekisho tune --folds 1", "2..=100 の範囲にありません"),
        ] {
            let error = crate::Cli::try_parse_from(line.split(' ')).unwrap_err();
            let told = in_japanese(&error);
            assert!(told.contains(expected), "{line}\n{told}");
            assert!(told.ends_with("詳しくは '--help' を付けて実行してください。\n"), "{told}");
        }
    }
}
