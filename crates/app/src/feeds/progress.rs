//! How far an update is: bars for a person at a terminal, nothing for a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Told of every step.
pub trait Progress {
    fn step(&mut self, _feed: &str, _what: &str) {}
    fn bytes(&mut self, _so_far: u64, _of: Option<u64>) {}
    fn done(&mut self) {}
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {}

/// One line on standard error, drawn over and over.
pub struct Bar {
    label: String,
    drawn: Option<Instant>,
}

const WIDTH: u64 = 30;
const OFTEN: Duration = Duration::from_millis(100);

impl Bar {
    /// Where there is a terminal; else nothing is shown.
    pub fn on_terminal() -> Box<dyn Progress> {
        match std::io::stderr().is_terminal() {
            true => Box::new(Bar { label: String::new(), drawn: None }),
            false => Box::new(Silent),
        }
    }

    fn draw(&mut self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r\x1b[K{} {text}", self.label);
        let _ = out.flush();
        self.drawn = Some(Instant::now());
    }
}

impl Progress for Bar {
    fn step(&mut self, feed: &str, what: &str) {
        self.label = format!("{feed}: {what}");
        self.draw("");
    }

    fn bytes(&mut self, so_far: u64, of: Option<u64>) {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < OFTEN) && Some(so_far) != of {
            return;
        }
        let text = bar(so_far, of);
        self.draw(&text);
    }

    fn done(&mut self) {
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "\r\x1b[K");
        let _ = out.flush();
    }
}

fn bar(so_far: u64, of: Option<u64>) -> String {
    let Some(of) = of.filter(|of| *of > 0) else { return size(so_far) };
    let full = (so_far.min(of).saturating_mul(WIDTH) / of) as usize;
    format!("[{}{}] {} of {}", "#".repeat(full), ".".repeat(WIDTH as usize - full), size(so_far), size(of))
}

/// `1.4 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bars() {
        assert_eq!(super::bar(500, Some(1000)), "[###############...............] 500 B of 1.0 kB");
        assert_eq!(super::bar(2_000_000, Some(1)), format!("[{}] 2.0 MB of 1 B", "#".repeat(30)));
        assert_eq!(super::bar(7, None), "7 B");
    }
}
