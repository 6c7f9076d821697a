//! The message between DATA and the final dot: dots taken off and put on, line ends watched.
//!
//! Only `CRLF . CRLF` ends a message, whatever else looks like it: two programs that disagree about that are how mail is
//! smuggled. A line end that is a bare LF is made CRLF, or refused; it is never a place where a dot means something.

/// Takes dots off.
#[derive(Debug, Default)]
pub struct Reader {
    state: State,
    /// A LF without CR was seen.
    pub bare_lf: bool,
    /// A CR without LF was seen.
    pub bare_cr: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    LineStart,
    /// A dot at the start of a line, not yet known whether it ends the message.
    Dot,
    /// After that a CR.
    DotCr,
    Line,
    /// A CR that is not written yet.
    Cr,
}

impl Reader {
    /// Decodes up to the end of the message. Returns how much of `input` was used, and whether the end was seen.
    pub fn read(&mut self, input: &[u8], mut out: impl FnMut(&[u8])) -> (usize, bool) {
        let mut at = 0;
        while at < input.len() {
            if self.state == State::Line {
                let run = input[at..].iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(input.len() - at);
                if run > 0 {
                    out(&input[at..at + run]);
                    at += run;
                    continue;
                }
            }
            let byte = input[at];
            at += 1;
            self.state = match (self.state, byte) {
                (State::LineStart, b'.') => State::Dot,
                (State::Dot, b'\r') => State::DotCr,
                (State::DotCr, b'\n') => return (at, true),
                (State::Cr, b'\n') => {
                    out(b"\r\n");
                    State::LineStart
                }
                (State::Cr | State::DotCr, b'\r') => {
                    self.bare_cr = true;
                    out(b"\r");
                    State::Cr
                }
                (State::Cr | State::DotCr, other) => {
                    self.bare_cr = true;
                    out(b"\r");
                    out(&[other]);
                    State::Line
                }
                (_, b'\r') => State::Cr,
                (_, b'\n') => {
                    // Not a line's end to the one who sent it: what follows is not a line's start.
                    self.bare_lf = true;
                    out(b"\r\n");
                    State::Line
                }
                (_, other) => {
                    out(&[other]);
                    State::Line
                }
            };
        }
        (at, false)
    }
}

/// Puts dots on, makes every line end CRLF, and ends the message.
pub fn write(message: &[u8], out: &mut Vec<u8>) {
    out.reserve(message.len() + 64);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line[0] == b'.' {
            out.push(b'.');
        }
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                out.extend_from_slice(b"\r\n");
            }
            None => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out.extend_from_slice(b".\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &str, step: usize) -> (String, String, bool, bool) {
        let mut reader = Reader::default();
        let mut out = Vec::new();
        let mut rest = Vec::new();
        let mut ended = false;
        for chunk in input.as_bytes().chunks(step) {
            if ended {
                rest.extend_from_slice(chunk);
                continue;
            }
            let (used, end) = reader.read(chunk, |b| out.extend_from_slice(b));
            ended = end;
            rest.extend_from_slice(&chunk[used..]);
        }
        let rest = if ended { String::from_utf8(rest).unwrap() } else { "never".to_owned() };
        (String::from_utf8(out).unwrap(), rest, reader.bare_lf, reader.bare_cr)
    }

    #[test]
    fn only_crlf_dot_crlf_ends() {
        for (input, content, rest, bare_lf, bare_cr) in [
            (".\r\nQUIT", "", "QUIT", false, false),
            ("a\r\n.\r\n", "a\r\n", "", false, false),
            ("..\r\n...\r\n.x\r\n.\r\n", ".\r\n..\r\nx\r\n", "", false, false),
            ("a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", true, false),
            ("a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "", true, false),
            ("a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "", true, false),
            ("a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", "", false, true),
            ("a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", "", false, true),
            ("a\r\r\n.\r\n", "a\r\r\n", "", false, true),
            ("a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", "", false, true),
            ("a\n\n.\r\n\r\n.\r\nx", "a\r\n\r\n.\r\n\r\n", "x", true, false),
            ("a\r\n.", "a\r\n", "never", false, false),
        ] {
            for step in [1, 2, 3, 100] {
                let expected = (content.to_owned(), rest.to_owned(), bare_lf, bare_cr);
                assert_eq!(read(input, step), expected, "{input:?} by {step}");
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for message in ["", "a\r\n", ".\r\n", "..\r\n.a\r\n\r\n", "\r\n.\r\n"] {
            let mut wire = Vec::new();
            write(message.as_bytes(), &mut wire);
            let (content, rest, bare_lf, bare_cr) = read(std::str::from_utf8(&wire).unwrap(), 1);
            assert_eq!((content.as_str(), rest.as_str(), bare_lf, bare_cr), (message, "", false, false));
        }
        for (message, content) in [("a", "a\r\n"), ("a\nb", "a\r\nb\r\n"), ("a\n.\nb\r", "a\r\n.\r\nb\r\n")] {
            let mut wire = Vec::new();
            write(message.as_bytes(), &mut wire);
            assert_eq!(read(std::str::from_utf8(&wire).unwrap(), 7).0, content);
        }
    }
}
