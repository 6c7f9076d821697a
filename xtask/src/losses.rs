//! Runs the test that counts mail through failures with many messages, and keeps its table.
//!
//! The counting is in `crates/app/tests/losses.rs`, so that a plain `cargo test` does the same with few.

use anyhow::{Context, bail};
use std::path::PathBuf;
use std::process::Command;

/// What stands above the table.
const HEAD: &str = "\
# Nothing is lost

Numbered messages through a real Postfix while something fails, again and again (`times`). A message counts as sent
when Postfix said 250; until then its sender tries again (`told to come back`). Every fourth message is one that the
rules put into quarantine. In the end each Message-ID must be in the mailbox or in the quarantine, with the SHA-256 of
its body as it was; `lost` and `damaged` must be 0.

`twice`: mail that arrived or is held more than once. SMTP itself cannot avoid that where an answer is lost after the
message was taken: sekisho had put it on the disk when it was killed, or Postfix no longer waited for the answer.

Made by `cargo xtask losses`.

";

/// What stands below it.
const FOOT: &str = "
The one moment that cannot be repaired (the next hop has said 250, and sekisho is killed before it has read that) is also
forced by a test of its own (`crates/app/tests/proxy.rs`): three of three messages arrive twice, none not at all.
";

#[derive(clap::Args)]
pub struct Args {
    /// Messages for each failure
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    /// Only failures whose name has this in it; the table is then not written
    #[arg(long)]
    only: Option<String>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let made = root.join("target/losses.md");
    let mut test = Command::new("cargo");
    test.current_dir(&root).args(["test", "--locked", "-p", "sekisho", "--test", "losses", "--", "--nocapture"]);
    test.env("SEKISHO_LOSSES", args.messages.to_string()).env("SEKISHO_LOSSES_TABLE", &made);
    if let Some(only) = &args.only {
        test.env("SEKISHO_LOSSES_ONLY", only);
    }
    let held = test.status().context("cargo")?.success();
    if held && args.only.is_none() {
        let table =
            std::fs::read_to_string(&made).context("the test wrote no table: is Postfix there, are you root?")?;
        std::fs::write(root.join("docs/losses.md"), format!("{HEAD}{table}{FOOT}"))?;
    }
    if !held {
        bail!("mail was lost, damaged or went astray");
    }
    Ok(())
}
