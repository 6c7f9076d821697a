//! The options of the `spamassassin` command, read as Perl's Getopt::Long reads them there: short ones bundle (`-tdL`),
//! long ones are written out in full, options and files may mix, `--` ends the options.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// `-t`: add a report to the output, whatever the verdict.
    pub test_mode: bool,
    /// `-d`
    pub remove_markup: bool,
    /// `-r`
    pub report: bool,
    /// `-k`
    pub revoke: bool,
    /// `-L`
    pub local: bool,
    /// `--net`: with `--lint`, network tests too.
    pub net: bool,
    pub lint: bool,
    /// `-D[=area,...]`; `all` where none is named.
    pub debug: Option<String>,
    /// `-e [code]`: exit with it if spam. 0 stands for the default, 5.
    pub error_code: Option<i32>,
    pub mbox: bool,
    pub mbx: bool,
    /// `-C`
    pub config_path: Option<PathBuf>,
    pub site_config_path: Option<PathBuf>,
    /// `-p`
    pub prefs_path: Option<PathBuf>,
    pub pre: Vec<String>,
    pub cf: Vec<String>,
    /// A welcome list or block list was to be changed: the option that asked so.
    pub list_change: Option<String>,
    pub help: bool,
    pub version: bool,
    pub files: Vec<PathBuf>,
    /// What to tell on standard error before all else.
    pub warnings: Vec<String>,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Usage error, exit 64.
    Usage(Vec<String>),
    /// An option of old that SpamAssassin refuses, exit 2.
    Removed(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A value must follow.
    Text,
    /// A value may follow.
    OptionalText,
    /// A number may follow.
    OptionalNumber,
}

struct Known {
    names: &'static [&'static str],
    takes: Takes,
    set: fn(&mut Options, Value) -> Result<(), Wrong>,
}

/// The value of an option and the name by which it was called.
struct Value {
    name: String,
    text: OsString,
}

impl Value {
    fn string(&self) -> String {
        self.text.to_string_lossy().into_owned()
    }
}

fn ignore(_: &mut Options, _: Value) -> Result<(), Wrong> {
    Ok(())
}

fn list_change(options: &mut Options, value: Value) -> Result<(), Wrong> {
    options.list_change = Some(value.name);
    Ok(())
}

fn deprecated(options: &mut Options, value: Value) -> Result<(), Wrong> {
    options.warnings.push(format!("The {} option is deprecated, ignoring.", dashed(&value.name)));
    Ok(())
}

fn removed(_: &mut Options, value: Value) -> Result<(), Wrong> {
    let option = dashed(&value.name);
    Err(Wrong::Removed(format!("The {option} option has been removed, please remove it from your command line.")))
}

fn dashed(name: &str) -> String {
    format!("{}{name}", if name.chars().count() == 1 { "-" } else { "--" })
}

const KNOWN: &[Known] = &[
    Known { names: &["add-addr-to-blocklist", "add-addr-to-blacklist"], takes: Takes::Text, set: list_change },
    Known { names: &["add-addr-to-welcomelist", "add-addr-to-whitelist"], takes: Takes::Text, set: list_change },
    Known { names: &["add-to-blocklist", "add-to-blacklist"], takes: Takes::Nothing, set: list_change },
    Known { names: &["add-to-welcomelist", "add-to-whitelist", "W"], takes: Takes::Nothing, set: list_change },
    Known {
        names: &["remove-addr-from-welcomelist", "remove-addr-from-whitelist"],
        takes: Takes::Text,
        set: list_change,
    },
    Known {
        names: &["remove-from-welcomelist", "remove-from-whitelist", "R"],
        takes: Takes::Nothing,
        set: list_change,
    },
    Known { names: &["username", "u"], takes: Takes::Text, set: ignore },
    Known {
        names: &["configpath", "config-file", "config-dir", "c", "C"],
        takes: Takes::Text,
        set: |o, v| {
            o.config_path = Some(v.text.into());
            Ok(())
        },
    },
    Known { names: &["create-prefs", "nocreate-prefs", "no-create-prefs", "x"], takes: Takes::Nothing, set: ignore },
    Known {
        names: &["pre"],
        takes: Takes::Text,
        set: |o, v| {
            o.pre.push(v.string());
            Ok(())
        },
    },
    Known {
        names: &["cf"],
        takes: Takes::Text,
        set: |o, v| {
            o.cf.push(v.string());
            Ok(())
        },
    },
    Known {
        names: &["debug", "D"],
        takes: Takes::OptionalText,
        set: |o, v| {
            o.debug = Some(if v.text.is_empty() { "all".to_owned() } else { v.string() });
            Ok(())
        },
    },
    Known {
        names: &["error-code", "exit-code", "e"],
        takes: Takes::OptionalNumber,
        set: |o, v| {
            o.error_code = Some(v.string().parse().unwrap_or(0));
            Ok(())
        },
    },
    Known {
        names: &["help", "h", "?"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.help = true;
            Ok(())
        },
    },
    Known { names: &["4", "ipv4only", "ipv4-only", "ipv4", "6"], takes: Takes::Nothing, set: ignore },
    Known {
        names: &["lint"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.lint = true;
            Ok(())
        },
    },
    Known {
        names: &["net"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.net = true;
            Ok(())
        },
    },
    Known {
        names: &["local-only", "local", "L"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.local = true;
            Ok(())
        },
    },
    Known {
        names: &["mbox"],
        takes: Takes::Nothing,
        set: |o, _| {
            (o.mbox, o.mbx) = (true, false);
            Ok(())
        },
    },
    Known {
        names: &["mbx"],
        takes: Takes::Nothing,
        set: |o, _| {
            (o.mbox, o.mbx) = (false, true);
            Ok(())
        },
    },
    Known {
        names: &["prefspath", "prefs-file", "p"],
        takes: Takes::Text,
        set: |o, v| {
            o.prefs_path = Some(v.text.into());
            Ok(())
        },
    },
    Known {
        names: &["remove-markup", "despamassassinify", "d"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.remove_markup = true;
            Ok(())
        },
    },
    Known {
        names: &["report", "r"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.report = true;
            Ok(())
        },
    },
    Known {
        names: &["revoke", "k"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.revoke = true;
            Ok(())
        },
    },
    Known {
        names: &["siteconfigpath"],
        takes: Takes::Text,
        set: |o, v| {
            o.site_config_path = Some(v.text.into());
            Ok(())
        },
    },
    Known {
        names: &["test-mode", "test", "t"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.test_mode = true;
            Ok(())
        },
    },
    Known { names: &["progress"], takes: Takes::Nothing, set: ignore },
    Known {
        names: &["version", "V"],
        takes: Takes::Nothing,
        set: |o, _| {
            o.version = true;
            Ok(())
        },
    },
    // What was last known to versions 2.3 to 2.6.
    Known { names: &["pipe", "P", "stop-at-threshold", "S"], takes: Takes::Nothing, set: deprecated },
    Known { names: &["log-to-mbox", "l"], takes: Takes::OptionalText, set: deprecated },
    Known { names: &["F"], takes: Takes::OptionalNumber, set: removed },
    Known { names: &["add-from", "noadd-from", "no-add-from"], takes: Takes::Nothing, set: removed },
    Known { names: &["warning-from", "w", "whitelist-factory", "M"], takes: Takes::OptionalText, set: removed },
];

/// Reads the arguments after the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Options, Wrong> {
    let mut options = Options::default();
    let mut errors = Vec::new();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy().into_owned();
        if text == "--" {
            options.files.extend(arguments.by_ref().map(PathBuf::from));
        } else if let Some(long) = text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            match known(name).filter(|_| name.chars().count() > 1) {
                Some(option) => take(option, name, value, &mut arguments, &mut options, &mut errors)?,
                None => errors.push(format!("Unknown option: {name}")),
            }
        } else if text.len() > 1 && text.starts_with('-') {
            bundle(&text[1..], &mut arguments, &mut options, &mut errors)?;
        } else {
            options.files.push(argument.into());
        }
    }
    if errors.is_empty() { Ok(options) } else { Err(Wrong::Usage(errors)) }
}

type Arguments<'a, I> = &'a mut std::iter::Peekable<I>;

/// Single letters, the last of which may take a value.
fn bundle<I: Iterator<Item = OsString>>(
    mut letters: &str,
    arguments: Arguments<'_, I>,
    options: &mut Options,
    errors: &mut Vec<String>,
) -> Result<(), Wrong> {
    while let Some(letter) = letters.chars().next() {
        let name = &letters[..letter.len_utf8()];
        letters = &letters[letter.len_utf8()..];
        let Some(option) = known(name) else {
            errors.push(format!("Unknown option: {name}"));
            continue;
        };
        match option.takes {
            Takes::Nothing => take(option, name, None, arguments, options, errors)?,
            Takes::OptionalNumber => {
                let digits = letters.len() - letters.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let (number, rest) = letters.split_at(digits);
                let value =
                    (!number.is_empty() || !rest.is_empty()).then_some(if number.is_empty() { "0" } else { number });
                letters = rest;
                take(option, name, value, arguments, options, errors)?;
            }
            Takes::Text | Takes::OptionalText => {
                let value = letters.strip_prefix('=').unwrap_or(letters);
                let value = (!letters.is_empty()).then_some(value);
                take(option, name, value, arguments, options, errors)?;
                letters = "";
            }
        }
    }
    Ok(())
}

fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|option| option.names.contains(&name))
}

fn take<I: Iterator<Item = OsString>>(
    option: &Known,
    name: &str,
    value: Option<&str>,
    arguments: Arguments<'_, I>,
    options: &mut Options,
    errors: &mut Vec<String>,
) -> Result<(), Wrong> {
    let next_is = |arguments: &mut std::iter::Peekable<I>, fits: fn(&str) -> bool| {
        arguments.peek().is_some_and(|next| fits(&next.to_string_lossy()))
    };
    let text: OsString = match (option.takes, value) {
        (Takes::Nothing, Some(_)) => {
            errors.push(format!("Option {name} does not take an argument"));
            return Ok(());
        }
        (Takes::Nothing, None) => OsString::new(),
        (_, Some(value)) => value.into(),
        (Takes::Text, None) => match arguments.next() {
            Some(value) => value,
            None => {
                errors.push(format!("Option {name} requires an argument"));
                return Ok(());
            }
        },
        // A lone "-" is a value too.
        (Takes::OptionalText, None) => match next_is(arguments, |next| next == "-" || !next.starts_with('-')) {
            true => arguments.next().unwrap_or_default(),
            false => OsString::new(),
        },
        (Takes::OptionalNumber, None) => {
            let number = |next: &str| !next.is_empty() && next.trim_start_matches(['-', '+']).parse::<u32>().is_ok();
            match next_is(arguments, number) {
                true => arguments.next().unwrap_or_default(),
                false => "0".into(),
            }
        }
    };
    (option.set)(options, Value { name: name.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, Wrong> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_bundle_and_mix_with_files() {
        let options = read("a.eml -tdL --cf x b.eml -e7 -- -c").unwrap();
        assert!(options.test_mode && options.remove_markup && options.local);
        assert_eq!(options.cf, ["x"]);
        assert_eq!(options.error_code, Some(7));
        assert_eq!(options.files, ["a.eml", "b.eml", "-c"].map(PathBuf::from));
    }

    #[test]
    fn values_follow_as_in_perl() {
        for (line, debug) in [
            ("-D", Some("all")),
            ("-D -t", Some("all")),
            ("-Dmetadata,rules", Some("metadata,rules")),
            ("-D=metadata", Some("metadata")),
            ("-D metadata -t", Some("metadata")),
            ("--debug=config", Some("config")),
            ("-t", None),
        ] {
            assert_eq!(read(line).unwrap().debug.as_deref(), debug, "{line}");
        }
        assert_eq!(read("-e").unwrap().error_code, Some(0));
        assert_eq!(
            read("-e 3 x").unwrap(),
            Options { error_code: Some(3), files: vec!["x".into()], ..Options::default() }
        );
        assert_eq!(read("-et").unwrap(), Options { error_code: Some(0), test_mode: true, ..Options::default() });
        assert_eq!(read("-p prefs -C/dir").unwrap().config_path, Some("/dir".into()));
    }

    #[test]
    fn what_is_unknown_is_told() {
        assert_eq!(read("--tes -y"), Err(Wrong::Usage(vec!["Unknown option: tes".into(), "Unknown option: y".into()])));
        assert_eq!(read("-p"), Err(Wrong::Usage(vec!["Option p requires an argument".into()])));
        assert!(matches!(read("-w x"), Err(Wrong::Removed(_))));
        assert_eq!(read("-P").unwrap().warnings.len(), 1);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = KNOWN.iter().flat_map(|option| option.names).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
