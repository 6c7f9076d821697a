//! `sekisho scanners`: are the other virus scanners there, and do they find anything?

use super::{Format, WithConfig};
use crate::config::Config;
use crate::language;
use crate::output::{Output, readable};
use crate::serve::inspect::test_string;
use crate::serve::scanners::{Scanners, Tested};
use crate::{CLEAN, FOUND};
use anyhow::bail;
use clap::Subcommand;
use protocols::scanner::Report;

pub type Arguments = WithConfig<What>;

#[derive(Debug, Subcommand)]
pub enum What {
    /// Ask every address of every scanner of the configuration whether it is there, and send it a mail with the EICAR test
    /// string. Exit 1: one of them did not answer, or did not find it
    Test {
        /// How results are written
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (config, _) = Config::load(arguments.config.as_deref())?;
    let What::Test { format } = arguments.what;
    if config.scanner.is_empty() {
        bail!("{}", language::NO_SCANNER);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tested = runtime.block_on(Scanners::new(&config.scanner).test(&mail()));
    let mut output = Output::new();
    let mut code = CLEAN;
    for one in &tested {
        let well = matches!((&one.alive, &one.found), (Report::Alive(_), Report::Found(_)));
        if !well {
            code = FOUND;
        }
        match format {
            Format::Text => output.line(&line(one, well))?,
            Format::Json => {
                let record = serde_json::json!({
                    "scanner": one.name,
                    "kind": one.kind,
                    "address": one.address,
                    "ok": well,
                    "ping": words(&one.alive),
                    "eicar": words(&one.found),
                    "milliseconds": one.took.as_secs_f64() * 1e3,
                });
                output.line(&record.to_string())?;
            }
        }
    }
    output.flush()?;
    Ok(code)
}

/// A mail as it might come, the test string attached.
fn mail() -> Vec<u8> {
    let head = "From: sekisho <postmaster@localhost>\r\nTo: postmaster@localhost\r\nSubject: scanner test\r\n\
                Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMIME-Version: 1.0\r\n\
                Content-Type: multipart/mixed; boundary=\"=_sekisho\"\r\n\r\n--=_sekisho\r\n\
                Content-Type: text/plain\r\n\r\nThe attachment is the test file of EICAR, which is harmless.\r\n\
                --=_sekisho\r\nContent-Type: application/octet-stream\r\n\
                Content-Disposition: attachment; filename=eicar.com\r\n\r\n";
    [head.as_bytes(), &test_string(), b"\r\n--=_sekisho--\r\n"].concat()
}

fn line(tested: &Tested, well: bool) -> String {
    format!(
        "{}  {} ({}) {}: {}; {}: {} ({:.0} ms)",
        if well { "ok " } else { "BAD" },
        tested.name,
        tested.kind,
        tested.address,
        words(&tested.alive),
        language::pick("test string", "テスト文字列"),
        words(&tested.found),
        tested.took.as_secs_f64() * 1e3
    )
}

fn words(report: &Report) -> String {
    match report {
        Report::Clean => "not found".into(),
        Report::Found(names) => format!("found as {}", readable(names.join(", ").as_bytes(), 200)),
        Report::Incomplete(why) => format!("not looked at: {}", readable(why.as_bytes(), 200)),
        Report::Failed(why) => format!("no answer: {}", readable(why.as_bytes(), 200)),
        Report::Alive(said) => format!("it answers {}", readable(said.as_bytes(), 100)),
    }
}
