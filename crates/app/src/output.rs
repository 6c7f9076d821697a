//! Standard output: one writer, which takes a closed pipe for what it is, the reader having seen enough.

use std::io::{self, IsTerminal, Write};

/// The writer behind all results.
pub struct Output {
    inner: io::BufWriter<io::StdoutLock<'static>>,
    painter: Painter,
    closed: bool,
}

impl Output {
    pub fn new() -> Output {
        let stdout = io::stdout();
        let colour = stdout.is_terminal() && crate::environment::variable("NO_COLOR").is_none();
        let painter = Painter { colour };
        Output { inner: io::BufWriter::with_capacity(1 << 16, stdout.lock()), painter, closed: false }
    }

    pub fn painter(&self) -> Painter {
        self.painter
    }

    /// The reader went away; nothing more need be made.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let result = self.inner.write_all(bytes);
        self.forgive(result)
    }

    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.text(text)?;
        self.text("\n")
    }

    pub fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let result = self.inner.flush();
        self.forgive(result)
    }

    fn forgive(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

/// Paints where colours are wanted: a terminal reads, and `NO_COLOR` is not set.
#[derive(Clone, Copy)]
pub struct Painter {
    colour: bool,
}

impl Painter {
    pub fn paint(self, colour: Colour, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
            false => text.to_owned(),
        }
    }
}

/// Terminal colours.
#[derive(Clone, Copy)]
pub enum Colour {
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
}

/// Bytes for people: UTF-8 as it is, control characters and broken bytes made visible, no escape sequence let through.
pub fn readable(bytes: &[u8], limit: usize) -> String {
    let mut out = String::with_capacity(bytes.len().min(limit) + 8);
    for (shown, (character, invalid)) in characters(bytes).enumerate() {
        if shown >= limit {
            out.push('…');
            break;
        }
        match (character, invalid) {
            (_, Some(byte)) => out.push_str(&format!("\\x{byte:02x}")),
            ('\n', _) => out.push_str("\\n"),
            ('\r', _) => out.push_str("\\r"),
            ('\t', _) => out.push_str("\\t"),
            (c, _) if c.is_control() || is_invisible(c) => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            (c, _) => out.push(c),
        }
    }
    out
}

/// Characters that would hide or turn round what follows them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn characters(bytes: &[u8]) -> impl Iterator<Item = (char, Option<u8>)> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| (c, None));
        valid.chain(chunk.invalid().iter().map(|&byte| ('\u{fffd}', Some(byte)))).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn nothing_reaches_the_terminal_unseen() {
        for (bytes, limit, expected) in [
            ("確認\n\x1b[2J".as_bytes(), 99, "確認\\n\\u{1b}[2J"),
            (b"a\xffb", 99, "a\\xffb"),
            ("a\u{200b}b\u{202e}c".as_bytes(), 99, "a\\u{200b}b\\u{202e}c"),
            (b"abcdef", 3, "abc…"),
        ] {
            assert_eq!(readable(bytes, limit), expected);
        }
    }
}
