//! `sa-learn`: the options of SpamAssassin's program, by that name or as a subcommand.
//!
//! The model is ours. What SpamAssassin's data base holds are hashes of words, of which the words cannot be had again: a
//! backup of SpamAssassin's is laid down beside the model (`crate::learning::imported`), and the model stays as it is.

use super::learn::{Deed, ModelArguments, take_over, teach};
use crate::input;
use crate::learning::{Learnt, imported};
use crate::output::Output;
use crate::owner::Acting;
use crate::{CLEAN, FOUND, TROUBLE};
use ::learn::{Class, Model};
use anyhow::{Context, bail};
use std::ffi::OsString;
use std::path::PathBuf;

const USAGE: &str = "\
Usage: sa-learn [options] [file]...
       sa-learn [options] --dump [ all | data | magic ]

  --ham, --spam, --forget       what the messages are, or: take it back
  --mbox, --mbx, --dir, --file  what the arguments are
  -f, --folders=FILE            a list of arguments, one a line
  --max-size=BYTES              longer messages are left out; 0 is no limit
  --progress, --showdots        show how far it is
  -u, --username=NAME           learn for this user too
  --dbpath=FOLDER               the model is in this folder
  --dump [magic|data|all]       how much was learnt
  --backup                      write the model to standard output
  --restore FILE                take a model that --backup wrote, here or by SpamAssassin
  --clear                       forget everything, what was imported too
  --sync, --force-expire, --no-sync, --local, -L, -C, -p, --siteconfigpath, --cf, -D
                                accepted; there is nothing to do
  -h, --help, -V, --version
";

#[derive(Debug, Default, PartialEq)]
struct Options {
    deed: Option<&'static str>,
    format: Option<input::Format>,
    paths: Vec<PathBuf>,
    user: String,
    folder: Option<PathBuf>,
    max_size: Option<u64>,
    progress: bool,
    dump: Option<String>,
    restore: Option<PathBuf>,
}

fn parse(arguments: Vec<OsString>) -> anyhow::Result<Options> {
    let mut options = Options { max_size: Some(256 * 1024), ..Options::default() };
    let mut left = arguments.into_iter().peekable();
    while let Some(argument) = left.next() {
        let text = argument.to_string_lossy().into_owned();
        if text == "-" || !text.starts_with('-') {
            options.paths.push(argument.into());
            continue;
        }
        let (name, mut value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        };
        let name = name.trim_start_matches('-').replace('_', "-");
        let mut wanted = |what: &str| -> anyhow::Result<String> {
            match value.take().or_else(|| left.next().map(|next| next.to_string_lossy().into_owned())) {
                Some(value) => Ok(value),
                None => bail!("--{what} wants a value"),
            }
        };
        let mut deed = |deed| match options.deed.replace(deed) {
            Some(other) if other != deed => bail!("--{other} and --{deed} together: one at a time"),
            _ => Ok(()),
        };
        match name.as_str() {
            "spam" => deed("spam")?,
            "ham" | "nonspam" => deed("ham")?,
            "forget" => deed("forget")?,
            "sync" | "rebuild" | "force-expire" => deed("sync")?,
            "backup" => deed("backup")?,
            "clear" => deed("clear")?,
            "import" => bail!(
                "--import: back the older data base up with its own sa-learn --backup, then sa-learn --restore FILE"
            ),
            "restore" => {
                deed("restore")?;
                options.restore = Some(wanted("restore")?.into());
            }
            "dump" => {
                deed("dump")?;
                let kind = value.take().or_else(|| {
                    left.next_if(|next| ["all", "data", "magic"].iter().any(|kind| next == kind))
                        .map(|next| next.to_string_lossy().into_owned())
                });
                options.dump = Some(kind.unwrap_or_else(|| "all".into()));
            }
            "mbox" => options.format = Some(input::Format::Mbox),
            "mbx" => options.format = Some(input::Format::Mbx),
            "dir" | "file" | "single" => options.format = Some(input::Format::SpamAssassin),
            "f" | "folders" => {
                let list = wanted("folders")?;
                let text = std::fs::read_to_string(&list).with_context(|| list.clone())?;
                for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    // SpamAssassin allows `ham:dir:PATH` there; what it is stands on the command line here.
                    options.paths.push(line.rsplit_once(':').map_or(line, |(_, path)| path).into());
                }
            }
            "u" | "username" => options.user = wanted("username")?,
            "dbpath" => options.folder = Some(wanted("dbpath")?.into()),
            "max-size" => options.max_size = Some(wanted("max-size")?.parse()?).filter(|size| *size > 0),
            "progress" | "showdots" => options.progress = true,
            "no-sync" | "no-rebuild" | "local" | "L" | "use-ignores" | "D" | "debug" | "lint" => {}
            "p" | "prefspath" | "prefs-file" | "C" | "configpath" | "config-file" | "siteconfigpath" | "cf" => {
                wanted(&name)?;
            }
            "h" | "help" | "V" | "version" => deed(if name.starts_with(['h']) { "help" } else { "version" })?,
            _ => bail!("unknown option: {text}\n{USAGE}"),
        }
    }
    Ok(options)
}

pub fn run(arguments: Vec<OsString>) -> anyhow::Result<u8> {
    let options = parse(arguments)?;
    let mut output = Output::new();
    let folder = || match &options.folder {
        Some(folder) => Ok(folder.clone()),
        None => ModelArguments::default().to_teach(),
    };
    match options.deed {
        Some("help") => output.text(USAGE)?,
        Some("version") => {
            output.line(&format!("SpamAssassin 4.0's sa-learn, as sekisho {}", env!("CARGO_PKG_VERSION")))?
        }
        Some("sync") => {
            let folder = folder()?;
            let _acting = Acting::as_owner_of(&folder)?;
            if Learnt::exists(&folder) {
                Learnt::default().teach(&folder)?.compact()?;
            }
        }
        Some("dump") => dump(&folder()?, options.dump.as_deref().unwrap_or("all"), &mut output)?,
        Some("backup") => {
            let learnt = Learnt::open(&folder()?)?;
            let imported = learnt.imported().map(|imported| &**imported);
            output.bytes(&imported::backup(learnt.model.to_bytes(0), imported))?;
        }
        Some("clear") => {
            let folder = folder()?;
            let _acting = Acting::as_owner_of(&folder)?;
            Learnt::default().teach(&folder)?.replace(Model::new())?;
            imported::remove(&folder)?;
        }
        Some("restore") => {
            let path = options.restore.unwrap_or_default();
            let bytes = input::Place::File(path.clone()).read().with_context(|| path.display().to_string())?;
            let folder = folder()?;
            if bytes.starts_with(b"v\t") {
                take_over(&folder, &bytes[..], &mut output).with_context(|| path.display().to_string())?;
                output.flush()?;
                return Ok(CLEAN);
            }
            let (model, imported) = imported::parts(&bytes).with_context(|| path.display().to_string())?;
            let (model, _) = Model::from_bytes(model).with_context(|| path.display().to_string())?;
            let _acting = Acting::as_owner_of(&folder)?;
            let mut learnt = Learnt::default();
            let mut teacher = learnt.teach(&folder)?;
            teacher.replace(model)?;
            match imported {
                Some(imported) => imported::write(&folder, &imported)?,
                None => drop(imported::remove(&folder)?),
            }
        }
        Some(what @ ("spam" | "ham" | "forget")) => {
            let deed = match what {
                "spam" => Deed::Learn(Class::Spam),
                "ham" => Deed::Learn(Class::Ham),
                _ => Deed::Forget,
            };
            let stdin = [PathBuf::from("-")];
            let paths = if options.paths.is_empty() { &stdin[..] } else { &options.paths };
            let mut places = input::find(paths, options.format.unwrap_or(input::Format::SpamAssassin));
            if let Some(limit) = options.max_size {
                places.retain(|place| match place {
                    input::Place::File(path) => std::fs::metadata(path).map_or(true, |about| about.len() <= limit),
                    input::Place::Range { length, .. } => *length <= limit,
                    _ => true,
                });
            }
            let places: Vec<_> = places.into_iter().map(|place| (place, deed)).collect();
            let tally = teach(&folder()?, &places, &options.user, options.progress)?;
            let verb = if deed == Deed::Forget { "Forgot" } else { "Learned" };
            let examined = tally.examined - tally.failed;
            output
                .line(&format!("{verb} tokens from {} message(s) ({examined} message(s) examined)", tally.changed))?;
            output.flush()?;
            // As SpamAssassin's: only where there was nothing to look at is it a failure.
            return Ok(match (tally.failed, examined) {
                (0, _) => CLEAN,
                (_, 0) => TROUBLE,
                _ => FOUND,
            });
        }
        _ => bail!("say --spam, --ham, --forget, --sync, --dump, --backup, --restore or --clear\n{USAGE}"),
    }
    output.flush()?;
    Ok(CLEAN)
}

/// In the columns that scripts read: probability, spam, ham, time, name.
fn dump(folder: &std::path::Path, kind: &str, output: &mut Output) -> anyhow::Result<()> {
    let learnt = Learnt::open(folder)?;
    let model = &learnt.model;
    let (oldest, newest) = model.times().unwrap_or_default();
    if matches!(kind, "all" | "magic") {
        for (value, what) in [
            (3, "bayes db version"),
            (model.counts().spam, "nspam"),
            (model.counts().ham, "nham"),
            (u32::try_from(model.words_known()).unwrap_or(u32::MAX), "ntokens"),
            (oldest, "oldest atime"),
            (newest, "newest atime"),
            (0, "last journal sync atime"),
            (0, "last expiry atime"),
            (0, "last expire atime delta"),
            (0, "last expire reduction count"),
        ] {
            output.line(&format!("{:.3} {:>10} {value:>10} {:>10}  non-token data: {what}", 0.0, 0, 0))?;
        }
        if let Some(imported) = learnt.imported() {
            for (value, what) in [(imported.spam, "spam"), (imported.ham, "ham"), (imported.read, "tokens")] {
                let (zero, at) = (0, imported.at);
                output.line(&format!("{:.3} {zero:>10} {value:>10} {at:>10}  non-token data: imported {what}", 0.0))?;
            }
        }
    }
    if matches!(kind, "all" | "data") {
        for (index, ham, spam, probability) in model.words() {
            output.line(&format!("{probability:.3} {spam:>10} {ham:>10} {newest:>10}  {index:010x}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> anyhow::Result<Options> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_as_scripts_write_them() {
        let options = of(&["--spam", "--mbox", "--progress", "-u", "amavis", "--no-sync", "-L", "a", "b"]).unwrap();
        assert_eq!((options.deed, options.format, options.progress), (Some("spam"), Some(input::Format::Mbox), true));
        assert_eq!((options.user.as_str(), options.paths.len()), ("amavis", 2));
        assert_eq!(of(&["--dump", "magic"]).unwrap().dump.as_deref(), Some("magic"));
        assert_eq!(of(&["--dump"]).unwrap().dump.as_deref(), Some("all"));
        assert_eq!(of(&["--dbpath=/x", "--ham", "-"]).unwrap().folder, Some("/x".into()));
        assert_eq!(of(&["--max-size=0", "--ham"]).unwrap().max_size, None);
        assert!(of(&["--spam", "--ham"]).is_err());
        assert!(of(&["--nonsense"]).is_err());
        assert!(of(&["--restore"]).is_err());
    }
}
