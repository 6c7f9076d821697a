//! How far an update is: a bar for a person at a terminal, nothing for a log.

use indicatif::{ProgressBar, ProgressStyle};

/// One line on standard error, drawn anew at each step; nothing where standard error is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn shown() -> Progress {
        Progress(ProgressBar::no_length())
    }

    pub fn silent() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// What is done now, for which feed.
    pub fn step(&self, feed: &str, what: &str) {
        self.0.reset();
        self.0.unset_length();
        self.0.set_style(style("{prefix}"));
        self.0.set_prefix(format!("{feed}: {what}"));
        self.0.tick();
    }

    /// Bytes of the present step, and how many it will be if that is known.
    pub fn bytes(&self, so_far: u64, of: Option<u64>) {
        match of {
            Some(of) => self.count("{prefix} {bar:30} {decimal_bytes} / {decimal_total_bytes}", so_far, of),
            None => {
                self.0.set_style(style("{prefix} {decimal_bytes}"));
                self.0.set_position(so_far);
            }
        }
    }

    /// Messages of the present step.
    pub fn messages(&self, so_far: u64, of: u64) {
        self.count("{prefix} {bar:30} {pos} / {len}", so_far, of);
    }

    pub fn done(&self) {
        self.0.finish_and_clear();
    }

    fn count(&self, template: &str, so_far: u64, of: u64) {
        if self.0.length() != Some(of) {
            self.0.set_style(style(template));
            self.0.set_length(of);
        }
        self.0.set_position(so_far);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
