//! A terminal session as an SVG: the README's picture of sekisho at work, made from what it really prints.

use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use unicode_width::UnicodeWidthChar;

/// `cargo xtask picture --out docs/demo.svg -- check samples/x.eml`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long)]
    out: PathBuf,
    /// LANG of the session
    #[arg(long, default_value = "C.UTF-8")]
    lang: String,
    /// At most so many lines
    #[arg(long, default_value_t = 48)]
    lines: usize,
    /// Arguments of sekisho
    #[arg(last = true, required = true)]
    arguments: Vec<String>,
}

const CELL: f64 = 8.4;
const LINE: f64 = 19.0;
const COLUMNS: usize = 100;

pub fn run(args: &Args) -> Result<()> {
    let program = "target/release/sekisho";
    let output = Command::new(program)
        .args(&args.arguments)
        .env("LC_ALL", &args.lang)
        .env("COLUMNS", COLUMNS.to_string())
        .env("CLICOLOR_FORCE", "1")
        .output()
        .with_context(|| format!("{program}: build it first (cargo build --release)"))?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<String> = vec![format!("\u{1b}[1m$ sekisho {}\u{1b}[0m", args.arguments.join(" "))];
    lines.extend(text.lines().take(args.lines).map(str::to_owned));
    std::fs::write(&args.out, svg(&lines))?;
    Ok(())
}

fn svg(lines: &[String]) -> String {
    let width = COLUMNS as f64 * CELL + 32.0;
    let height = lines.len() as f64 * LINE + 32.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1d2430\"/>\n\
         <g font-family=\"'Noto Sans Mono CJK JP','Noto Sans Mono','DejaVu Sans Mono',monospace\" font-size=\"14\" \
         fill=\"#d8dee9\" xml:space=\"preserve\">\n<style>text{{white-space:pre}}</style>\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = 16.0 + (row as f64 + 0.8) * LINE;
        let mut column = 0usize;
        for (style, run) in runs(line) {
            // One <text> a run of equal width class, so that wide characters keep the grid in any font.
            for (wide, piece) in by_width(&run) {
                let cells = piece.chars().count() * if wide { 2 } else { 1 };
                if column >= COLUMNS {
                    break;
                }
                let x = 16.0 + column as f64 * CELL;
                let length = cells as f64 * CELL;
                writeln!(
                    out,
                    "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\"{style}>{}</text>",
                    escape(&piece)
                )
                .expect("a String takes everything");
                column += cells;
            }
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Splits at SGR sequences; each run with the SVG attributes of its style.
fn runs(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut style = String::new();
    for (i, part) in line.split('\u{1b}').enumerate() {
        let rest = match part.strip_prefix('[').filter(|_| i > 0).and_then(|p| p.split_once('m')) {
            Some((codes, rest)) => {
                style = style_of(codes);
                rest
            }
            None => part,
        };
        if !rest.is_empty() {
            found.push((style.clone(), rest.to_owned()));
        }
    }
    found
}

fn style_of(codes: &str) -> String {
    let mut style = String::new();
    for code in codes.split(';') {
        style.push_str(match code {
            "1" => " font-weight=\"bold\"",
            "2" => " opacity=\"0.65\"",
            "31" | "91" => " fill=\"#ff7b72\"",
            "32" | "92" => " fill=\"#8fd694\"",
            "33" | "93" => " fill=\"#f2cc60\"",
            "34" | "94" => " fill=\"#79b8ff\"",
            "35" | "95" => " fill=\"#d2a8ff\"",
            "36" | "96" => " fill=\"#76e3ea\"",
            _ => "",
        });
    }
    style
}

fn by_width(run: &str) -> Vec<(bool, String)> {
    let mut pieces: Vec<(bool, String)> = Vec::new();
    for c in run.chars() {
        let wide = c.width() == Some(2);
        match pieces.last_mut() {
            Some((w, piece)) if *w == wide => piece.push(c),
            _ => pieces.push((wide, c.to_string())),
        }
    }
    pieces
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
