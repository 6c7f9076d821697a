//! What the accuracy bench works with: labelled messages, runs over them, and the figures by which filters are compared.

use learn::{Class, Extractor, Features, Model, User, digest};
use mail::{Limits, Message, ViewConfig, Views};
use std::path::{Path, PathBuf};

/// One labelled message.
#[derive(Debug, Clone)]
pub struct Labelled {
    pub corpus: &'static str,
    pub language: &'static str,
    pub spam: bool,
    /// Messages of one group stay on one side of a split.
    pub group: usize,
    pub path: Option<PathBuf>,
    pub raw: Vec<u8>,
    pub digest: u128,
    pub features: Features,
}

/// A place in the ranking, and the truth.
pub type Judged = (f64, bool);

pub fn features(raw: &[u8], extractor: &mut Extractor) -> (u128, Features) {
    let message = Message::parse(raw, &Limits::default());
    let config = ViewConfig::default();
    (digest(&message), extractor.extract(&Views::new(&message, &config)))
}

fn labelled(
    corpus: &'static str,
    language: &'static str,
    spam: bool,
    group: usize,
    path: Option<PathBuf>,
    raw: Vec<u8>,
    extractor: &mut Extractor,
) -> Labelled {
    let (digest, features) = features(&raw, extractor);
    Labelled { corpus, language, spam, group, path, raw, digest, features }
}

/// `sa-corpus` in the order of its index.
fn sa_corpus(data: &Path, extractor: &mut Extractor) -> std::io::Result<Vec<Labelled>> {
    let folder = data.join("sa-corpus");
    let index = std::fs::read_to_string(folder.join("index"))?;
    let lines = index.lines().filter_map(|line| line.split_once(' '));
    lines
        .enumerate()
        .map(|(n, (label, name))| {
            let path = folder.join(name);
            let raw = std::fs::read(&path)?;
            Ok(labelled("sa-corpus", "en", label == "spam", n, Some(path), raw, extractor))
        })
        .collect()
}

/// All labelled mail at hand.
pub struct Corpora {
    /// English of 2002, ham and spam, in the order of its index.
    pub sa: Vec<Labelled>,
    /// English ham.
    pub modern: Vec<Labelled>,
    /// Ham of English mailing lists.
    pub list: Vec<Labelled>,
    /// Japanese spam.
    pub japanese: Vec<Labelled>,
    /// Chinese spam.
    pub chinese: Vec<Labelled>,
    /// Written Japanese ham.
    pub ours: Vec<Labelled>,
}

impl Corpora {
    /// From the folder that `SEKISHO_DATA` names; `copies` of each written template. `None`, with a line that says so, where
    /// it names none.
    pub fn load(copies: usize, extractor: &mut Extractor) -> std::io::Result<Option<Corpora>> {
        let Some(data) = std::env::var_os("SEKISHO_DATA").map(PathBuf::from) else {
            println!("skipped: SEKISHO_DATA names no folder of mail");
            return Ok(None);
        };
        Ok(Some(Corpora {
            sa: sa_corpus(&data, extractor)?,
            modern: folder(&data, "modern-ham/ham", "en", extractor)?,
            list: folder(&data, "list-ham/ham", "en", extractor)?,
            japanese: folder(&data, "ja-modern/spam", "ja", extractor)?,
            chinese: folder(&data, "zh-modern/spam", "zh", extractor)?,
            ours: written(copies, extractor),
        }))
    }
}

/// All messages of a folder such as `ja-modern/spam`, in the order of their names.
fn folder(
    data: &Path,
    name: &'static str,
    language: &'static str,
    extractor: &mut Extractor,
) -> std::io::Result<Vec<Labelled>> {
    let (corpus, class) = name.split_once('/').unwrap_or((name, ""));
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(data.join(name))?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let numbered = paths.into_iter().enumerate();
    numbered
        .map(|(n, path)| {
            let raw = std::fs::read(&path)?;
            Ok(labelled(corpus, language, class == "spam", n, Some(path), raw, extractor))
        })
        .collect()
}

/// The written Japanese ham, in groups by template.
fn written(copies: usize, extractor: &mut Extractor) -> Vec<Labelled> {
    let all = crate::written::japanese_ham(copies).into_iter();
    all.map(|w| labelled("written", "ja", false, w.group, None, w.raw, extractor)).collect()
}

/// Puts messages into an order that is the same every time.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..10).for_each(|_| {
        next();
    });
    for at in (1..items.len()).rev() {
        items.swap(at, (next() % (at as u64 + 1)) as usize);
    }
}

pub fn class(spam: bool) -> Class {
    if spam { Class::Spam } else { Class::Ham }
}

/// TREC's protocol: judge each message, then learn what it was. Gives the log odds.
pub fn immediate_feedback(order: &[&Labelled]) -> Vec<Judged> {
    let mut model = Model::new();
    let learn = |(at, mail): (usize, &&Labelled)| {
        let margin = model.score(&mail.features, User::default()).margin();
        model.learn(mail.digest, &mail.features, class(mail.spam), User::default(), at as u32);
        (margin, mail.spam)
    };
    order.iter().enumerate().map(learn).collect()
}

/// The figures.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// 100 x (1 - area under the ROC curve).
    pub one_minus_roca: f64,
    /// Error at the best threshold, chosen afterwards, %.
    pub best_error: f64,
    /// Spam missed where one ham of a thousand is lost, %.
    pub missed_at_one_in_1000: f64,
    /// At the given threshold: all errors, hams lost, spams missed, %.
    pub error: f64,
    pub ham_lost: f64,
    pub spam_missed: f64,
    pub counts: (usize, usize),
    pub wrong: (usize, usize),
}

/// `threshold`: spam from here on.
pub fn figures(judged: &[Judged], threshold: f64) -> Figures {
    let mut sorted = judged.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let spam = sorted.iter().filter(|(_, spam)| *spam).count();
    let ham = sorted.len() - spam;
    let (mut spam_below, mut ham_below, mut misordered) = (0usize, 0usize, 0.0);
    let (mut best, mut missed) = (ham.min(spam), spam);
    let mut found = false;
    for tie in sorted.chunk_by(|a, b| a.0 == b.0) {
        let spam_here = tie.iter().filter(|(_, spam)| *spam).count();
        let ham_here = tie.len() - spam_here;
        misordered += ham_here as f64 * (spam_below as f64 + spam_here as f64 / 2.0);
        spam_below += spam_here;
        ham_below += ham_here;
        best = best.min(spam_below + ham - ham_below);
        if !found && (ham - ham_below) as f64 <= ham as f64 / 1_000.0 {
            (missed, found) = (spam_below, true);
        }
    }
    let lost = judged.iter().filter(|(margin, spam)| !spam && *margin >= threshold).count();
    let let_through = judged.iter().filter(|(margin, spam)| *spam && *margin < threshold).count();
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    Figures {
        one_minus_roca: 100.0 * misordered / (ham as f64 * spam as f64).max(1.0),
        best_error: percent(best, judged.len()),
        missed_at_one_in_1000: percent(missed, spam),
        error: percent(lost + let_through, judged.len()),
        ham_lost: percent(lost, ham),
        spam_missed: percent(let_through, spam),
        counts: (ham, spam),
        wrong: (lost, let_through),
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "1-ROCA {:.4} %  best error {:.3} %  sm at hm .1: {:.2} %  at the threshold: error {:.3} %, ham lost {:.3} % ({} of {}), spam missed {:.2} % ({} of {})",
            self.one_minus_roca,
            self.best_error,
            self.missed_at_one_in_1000,
            self.error,
            self.ham_lost,
            self.wrong.0,
            self.counts.0,
            self.spam_missed,
            self.wrong.1,
            self.counts.1
        )
    }
}

/// The learning curve as a picture: error of the last 500 messages, for each filter.
pub fn curve(title: &str, runs: &[(&str, Vec<bool>)]) -> String {
    use std::fmt::Write;
    const COLOURS: [&str; 5] = ["#1f5fa8", "#b5482a", "#3a7d34", "#7a4ca0", "#666666"];
    let (width, height, left, bottom) = (720.0, 360.0, 60.0, 40.0);
    let windows = |wrong: &[bool]| -> Vec<f64> {
        let step = (wrong.len() / 120).max(1);
        let ends = (step..=wrong.len()).step_by(step);
        ends.map(|end| {
            let window = &wrong[end.saturating_sub(500)..end];
            100.0 * window.iter().filter(|w| **w).count() as f64 / window.len() as f64
        })
        .collect()
    };
    let curves: Vec<(&str, Vec<f64>)> = runs.iter().map(|(name, wrong)| (*name, windows(wrong))).collect();
    let top = 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{left}\" y=\"18\" font-size=\"14\">{title}</text>\n"
    );
    for percent in [0, 2, 4, 6, 8] {
        let y = height - bottom - (height - bottom - 40.0) * f64::from(percent) / top;
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
            width - 20.0,
            left - 6.0,
            y + 4.0
        );
    }
    for (n, (name, values)) in curves.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(i, value)| {
                let x = left + (width - left - 20.0) * (i + 1) as f64 / values.len() as f64;
                format!("{x:.1},{:.1}", height - bottom - (height - bottom - 40.0) * value.min(top) / top)
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/><text x=\"{}\" y=\"{}\" fill=\"{colour}\" text-anchor=\"end\">{name}</text>",
            points.join(" "),
            width - 24.0,
            58 + 16 * n
        );
    }
    let count = runs.iter().map(|(_, wrong)| wrong.len()).max().unwrap_or_default();
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{count} messages</text>\n</svg>",
        height - 16.0,
        width - 20.0,
        height - 16.0
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_ranking() {
        let judged = [(-2.0, false), (-1.0, false), (0.0, true), (1.0, false), (2.0, true), (3.0, true)];
        let f = figures(&judged, 0.5);
        assert!((f.one_minus_roca - 100.0 / 9.0).abs() < 1e-9);
        assert!((f.best_error - 100.0 / 6.0).abs() < 1e-9);
        assert_eq!((f.wrong, f.counts), ((1, 1), (3, 3)));
        let perfect = figures(&[(-1.0, false), (1.0, true)], 0.0);
        assert_eq!((perfect.one_minus_roca, perfect.best_error, perfect.error), (0.0, 0.0, 0.0));
        let blind = figures(&[(0.0, false), (0.0, true)], 1.0);
        assert_eq!(blind.one_minus_roca, 50.0);
    }
}
