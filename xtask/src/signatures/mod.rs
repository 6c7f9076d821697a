//! Signatures against what ClamAV said of them.

mod differ;
mod generated;
mod parity;
mod vectors;

use anyhow::Result;
use rules::signatures::{Options, Set, Source, Target};

/// `cargo xtask signatures vectors`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The recorded vectors of $SEKISHO_DATA/clamav-vectors: good lines hit what clamscan hit, bad lines are refused
    Vectors,
    /// Invents signatures and files, and compares with the installed clamscan
    Differ(differ::Args),
    /// Same names as clamscan on every message
    Parity(parity::Args),
}

pub fn run(args: &Args) -> Result<()> {
    match &args.what {
        What::Vectors => vectors::run(),
        What::Differ(args) => differ::run(args),
        What::Parity(args) => parity::run(args),
    }
}

fn load(name: &str, text: &[u8]) -> (Set, Vec<rules::Diagnostic>) {
    let source = Source { name: name.into(), bytes: text.into(), official: false };
    rules::signatures::load(&[source], &Options::default())
}

/// Names that hit a buffer that has no kind.
fn names(set: &Set, bytes: &[u8]) -> Vec<String> {
    let layer = engine::signatures::Layer::of(bytes, Target::Any);
    let mut names = Vec::new();
    let mut scratch = engine::signatures::Scratch::new();
    engine::signatures::layer(set, &layer, &mut scratch, &mut |found| names.push(found.name.to_owned()));
    names.sort();
    names.dedup();
    names
}
