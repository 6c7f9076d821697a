//! Where the world comes in: files, clock, environment, command line.
//!
//! The program is four: `sekisho`, and, called by that name or as a subcommand, `spamassassin`, `clamscan` and `sa-learn`.
#![forbid(unsafe_code)]

mod answers;
mod authorities;
mod cache;
mod commands;
mod config;
mod counted;
mod debug;
mod dmarc;
mod draft;
mod environment;
mod feeds;
mod findings;
mod geography;
mod handover;
mod help;
mod input;
mod language;
mod learning;
mod lessons;
mod loading;
mod lookup;
mod opened;
mod output;
mod owner;
mod policy;
mod recent;
mod records;
mod registries;
mod rule_files;
mod serve;
mod signatures;
mod signing;
mod tags;

use clap::{CommandFactory, Parser, Subcommand};
use commands::{check, explain, lint, spamassassin};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// A message is thousands of short-lived pieces: here the allocator is a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command came to, as the shell sees it.
pub const CLEAN: u8 = 0;
pub const FOUND: u8 = 1;
pub const TROUBLE: u8 = 2;

/// Mail content filter: judges with SpamAssassin's rules, explains every hit.
#[derive(Debug, Parser)]
#[command(name = "sekisho", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge messages. Exit 0: all ham, 1: spam among them, 2: something could not be judged.
    Check(check::Arguments),
    /// Say in words what a rule looks for, or what became of a message and why.
    Explain(explain::Arguments),
    /// Look for mistakes in rule files. Exit 1: there are errors.
    Lint(lint::Arguments),
    /// Stand at the mail server: milter, SMTP and LMTP proxy, spamd, clamd, policy service, HTTP.
    Serve(commands::serve::Arguments),
    /// What the service judged, and why; in brackets what it would have done, had it not only watched. Exit 1: nothing found.
    History(commands::history::Arguments),
    /// What the service holds back: list, show, release, delete.
    Quarantine(commands::quarantine::Arguments),
    /// Teach what is spam and what is not; see what was learnt.
    Learn(commands::learn::Arguments),
    /// What single recipients want: actions and scores of their own.
    User(commands::user::Arguments),
    /// Allow and block lists: add, remove, show, test.
    List(commands::list::Arguments),
    /// Who must come again before mail is taken: show, forget, allow.
    Greylist(commands::greylist::Arguments),
    /// Who sent a message, and how that is known: SPF, DKIM, ARC and DMARC step by step. Exit 1: nobody is proven.
    Auth(commands::auth::Arguments),
    /// What senders' mail scored on average: show, forget.
    Reputation(commands::reputation::Arguments),
    /// DNS and its lists: do they answer, and do they serve us?
    Dns(commands::dns::Arguments),
    /// Keys that sign our mail: make one, compare it with what DNS says.
    Dkim(commands::dkim::Arguments),
    /// DMARC's aggregate reports: what is counted for whom; write or send them.
    Dmarc(commands::dmarc::Arguments),
    /// Other virus scanners: are they there, and do they find anything?
    Scanners(commands::scanners::Arguments),
    /// Rules and signatures that others publish: list, update, add, remove, status, verify.
    Feeds(commands::feeds::Arguments),
    /// Data about addresses and domains: list, update, status
    Data(commands::data::Arguments),
    /// Networks that spam comes from, as rules: look up, propose, add, verify, import.
    Isp(commands::isp::Arguments),
    /// The rule writer's bench: try a rule, suggest rules for look-alike spams, convert byte patterns.
    Rule(commands::rule::Arguments),
    /// Judge whole corpora and count what each rule hits.
    Masscheck(commands::masscheck::Arguments),
    /// New scores from what masscheck found, proven by cross-validation. Exit 1: no better than before.
    Tune(commands::masscheck::Tune),
    /// What came, counted: by day, country, network, rule and more. Exit 1: nothing came.
    Report(commands::report::Arguments),
    /// Look into signatures: find, read in words, count what they hit.
    Sigs(commands::sigs::Arguments),
    /// Look at the configuration of the service.
    Config(commands::config::Arguments),
    /// Print what Postfix has to be told to use the service; make it so, or take it back.
    Postfix(commands::postfix::Arguments),
    /// Behave as the command `spamassassin`, with its options.
    #[command(disable_help_flag = true)]
    Spamassassin {
        /// Those of that command; --help shows them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Behave as the command `clamscan`, with its options.
    #[command(disable_help_flag = true)]
    Clamscan {
        /// Those of that command; --help shows them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Behave as the command `sa-learn`, with its options.
    #[command(disable_help_flag = true)]
    SaLearn {
        /// Those of that command; --help shows them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
        options: Vec<OsString>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    if name == "clamscan" {
        return stand_in(commands::clamscan::run(rest));
    }
    if rest.first().is_some_and(|first| first == "clamscan") {
        return stand_in(commands::clamscan::run(rest.into_iter().skip(1)));
    }
    if name == "spamassassin" {
        return stand_in(spamassassin::run(rest));
    }
    if name == "sa-learn" {
        return stand_in(commands::sa_learn::run(rest));
    }
    // Before clap sees them: these options are not in its ways.
    if rest.first().is_some_and(|first| first == "sa-learn") {
        return stand_in(commands::sa_learn::run(rest.into_iter().skip(1).collect()));
    }
    if rest.first().is_some_and(|first| first == "spamassassin") {
        return stand_in(spamassassin::run(rest.into_iter().skip(1)));
    }
    let command = match help::parse::<Cli>() {
        Ok(cli) => cli.command,
        Err(code) => return code,
    };
    finish(match command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Serve(arguments) => commands::serve::run(&arguments),
        Command::History(arguments) => commands::history::run(&arguments),
        Command::Quarantine(arguments) => commands::quarantine::run(&arguments),
        Command::Learn(arguments) => commands::learn::run(&arguments),
        Command::SaLearn { options } => commands::sa_learn::run(options),
        Command::User(arguments) => commands::user::run(&arguments),
        Command::List(arguments) => commands::list::run(&arguments),
        Command::Greylist(arguments) => commands::greylist::run(&arguments),
        Command::Auth(arguments) => commands::auth::run(&arguments),
        Command::Reputation(arguments) => commands::reputation::run(&arguments),
        Command::Dns(arguments) => commands::dns::run(&arguments),
        Command::Dkim(arguments) => commands::dkim::run(&arguments),
        Command::Dmarc(arguments) => commands::dmarc::run(&arguments),
        Command::Scanners(arguments) => commands::scanners::run(&arguments),
        Command::Feeds(arguments) => commands::feeds::run(&arguments),
        Command::Data(arguments) => commands::data::run(&arguments),
        Command::Isp(arguments) => commands::isp::run(&arguments),
        Command::Rule(arguments) => commands::rule::run(&arguments),
        Command::Masscheck(arguments) => commands::masscheck::run(&arguments),
        Command::Tune(arguments) => commands::masscheck::tune(&arguments),
        Command::Report(arguments) => commands::report::run(&arguments),
        Command::Sigs(arguments) => commands::sigs::run(&arguments),
        Command::Config(arguments) => commands::config::run(&arguments),
        Command::Postfix(arguments) => commands::postfix::run(&arguments),
        Command::Spamassassin { options } => spamassassin::run(options),
        Command::Clamscan { options } => commands::clamscan::run(options),
        Command::Completions { shell } => completions(shell),
        Command::Man => manual(),
    })
}

/// As the programs say it for which we stand in: scripts read that.
fn stand_in(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("sekisho: {error:#}");
            TROUBLE.into()
        }
    }
}

fn finish(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("sekisho: {}", language::told(&error));
            TROUBLE.into()
        }
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut help::readable(Cli::command()), "sekisho", &mut text);
    print(&text)
}

fn manual() -> anyhow::Result<u8> {
    print(help::manual::page(help::readable(Cli::command()))?.as_bytes())
}

fn print(text: &[u8]) -> anyhow::Result<u8> {
    let mut output = output::Output::new();
    output.bytes(text)?;
    output.flush()?;
    Ok(CLEAN)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn options_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
