//! Chores of the repository: parity runs, fuzzing, pictures. `cargo xtask --help` lists them.
#![forbid(unsafe_code)]

use clap::Parser;
use xtask::{bayes, fuzz, losses, normalise, parity, picture, signatures};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the sekisho repository")]
enum Chore {
    /// Compare what is imported from SpamAssassin's Bayes with SpamAssassin, message by message
    Bayes(bayes::Args),
    /// Compare every rule on every message with the installed SpamAssassin
    Parity(parity::Args),
    /// Run the fuzz targets
    Fuzz(fuzz::Args),
    /// Send a thousand messages through each failure and count them
    Losses(losses::Args),
    /// Compare the normalised copies of every HTML part with those of the installed ClamAV
    Normalise(normalise::Args),
    /// Draw what sekisho prints as an SVG
    Picture(picture::Args),
    /// Compare signatures with ClamAV
    Signatures(signatures::Args),
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Bayes(args) => bayes::run(&args),
        Chore::Parity(args) => parity::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Losses(args) => losses::run(&args),
        Chore::Normalise(args) => normalise::run(&args),
        Chore::Picture(args) => picture::run(&args),
        Chore::Signatures(args) => signatures::run(&args),
    }
}
