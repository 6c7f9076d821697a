//! The two forms in which RFC 6376 signs header fields and bodies.
//!
//! In: a field's name and value as they stand, or a body. Out: the bytes that are signed, or their SHA-256. A line that ends
//! in LF alone counts as one that ends in CRLF: that is how it goes over the wire.

use crate::config::dkim::Form;
use sha2::{Digest, Sha256};

/// `name:value` with its CRLF.
pub fn field(form: Form, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    match form {
        Form::Simple => {
            out.extend_from_slice(name);
            out.push(b':');
            for line in lines(value) {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
            }
        }
        Form::Relaxed => {
            out.extend(name.trim_ascii_end().to_ascii_lowercase());
            out.push(b':');
            let mut words = value.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
            let mut first = true;
            for word in words.by_ref().filter(|word| !word.is_empty()) {
                if !first {
                    out.push(b' ');
                }
                out.extend_from_slice(word);
                first = false;
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Lines without their ends; what follows the last end is no line if it is empty.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// SHA-256 of the body's form.
pub fn body_hash(form: Form, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut empty = 0_usize;
    let mut any = false;
    let mut relaxed = Vec::new();
    for line in lines(body) {
        let line = match form {
            Form::Simple => line,
            Form::Relaxed => {
                relax(line, &mut relaxed);
                &relaxed
            }
        };
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..empty {
            hash.update(b"\r\n");
        }
        (empty, any) = (0, true);
        hash.update(line);
        hash.update(b"\r\n");
    }
    if !any && form == Form::Simple {
        hash.update(b"\r\n"); // a body without lines is one empty line
    }
    hash.finalize().into()
}

/// Blanks become one, none at the end.
fn relax(line: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut blank = false;
    for byte in line {
        if matches!(byte, b' ' | b'\t') {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            out.push(b' ');
        }
        out.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_as_the_rfc_has_them() {
        for (form, name, value, expected) in [
            (Form::Relaxed, "A", " X\r\n", "a:X\r\n"),
            (Form::Relaxed, "B ", "\tY\t\r\n\tZ  \r\n", "b:Y Z\r\n"),
            (Form::Relaxed, "B", "", "b:\r\n"),
            (Form::Simple, "B ", "\tY\t\r\n\tZ  \r\n", "B :\tY\t\r\n\tZ  \r\n"),
            (Form::Simple, "B", " one\n two\n", "B: one\r\n two\r\n"),
        ] {
            let mut out = Vec::new();
            field(form, name.as_bytes(), value.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn bodies_as_the_rfc_has_them() {
        let sha = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
        for (body, simple, relaxed) in [
            ("", "\r\n", ""),
            ("\r\n\r\n", "\r\n", ""),
            (" \t\r\n", " \t\r\n", ""),
            (" C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"),
            ("a\n\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"),
            ("a\rb\r\n", "a\rb\r\n", "a\rb\r\n"),
        ] {
            assert_eq!(body_hash(Form::Simple, body.as_bytes()), sha(simple), "{body:?}");
            assert_eq!(body_hash(Form::Relaxed, body.as_bytes()), sha(relaxed), "{body:?}");
        }
    }
}
