//! Runs the fuzz targets of `fuzz/`: libFuzzer with the compiler's own coverage pass, no further tool needed than g++.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo xtask fuzz [TARGET...] --seconds 600`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Targets (`fuzz/targets/*.rs`); default: all, one after the other
    targets: Vec<String>,
    /// How long each runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Longest input, bytes
    #[arg(long, default_value_t = 16384)]
    max_len: usize,
}

pub fn run(args: &Args) -> Result<()> {
    let mut all: Vec<String> = std::fs::read_dir("fuzz/targets")
        .context("run this from the top of the repository")?
        .filter_map(|e| Some(e.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    all.sort();
    let chosen = if args.targets.is_empty() { all.clone() } else { args.targets.clone() };
    if let Some(unknown) = chosen.iter().find(|t| !all.contains(t)) {
        bail!("no fuzz target {unknown}; there are: {}", all.join(", "));
    }
    let host = host()?;
    // The triple is named so that build scripts and macros stay free of instrumentation.
    let status = Command::new("cargo")
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env(
            "RUSTFLAGS",
            "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
             -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
             -Cllvm-args=-sanitizer-coverage-trace-compares",
        )
        .status()?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    let mut failed = Vec::new();
    for target in &chosen {
        let program = Path::new("fuzz/target").join(&host).join("release").join(target);
        let corpus = PathBuf::from("fuzz/corpus").join(target);
        let artifacts = PathBuf::from("fuzz/artifacts").join(target);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let mut command = Command::new(&program);
        command.arg(&corpus);
        for seeds in [Path::new("fuzz/seeds").join(target), Path::new("fuzz/regressions").join(target)] {
            if seeds.is_dir() {
                command.arg(seeds);
            }
        }
        command.args([
            format!("-max_total_time={}", args.seconds),
            format!("-max_len={}", args.max_len),
            format!("-artifact_prefix={}/", artifacts.display()),
            "-timeout=10".into(),
            "-rss_limit_mb=3000".into(),
            "-print_final_stats=1".into(),
            "-verbosity=0".into(),
        ]);
        eprintln!("== {target}, {} s", args.seconds);
        if command.status()?.success() {
            println!("{target}: clean after {} s", args.seconds);
        } else {
            println!("{target}: FAILED, see {}", artifacts.display());
            failed.push(target.clone());
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find_map(|l| l.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(line.to_owned())
}
