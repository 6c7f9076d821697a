//! Mail addresses in running text, as SpamAssassin's FreeMail plugin finds them.

use std::ops::Range;

/// An address-like place: it ends at `end`; it may begin at any of `starts`, leftmost first.
pub struct Candidate {
    pub starts: Vec<usize>,
    pub end: usize,
}

fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

/// Addresses without dots at odd places, at most 64 bytes before the @, up to four labels and a known TLD after it.
pub fn candidates<'a>(text: &'a [u8], is_tld: impl Fn(&[u8]) -> bool + 'a) -> impl Iterator<Item = Candidate> + 'a {
    memchr::memchr_iter(b'@', text).filter_map(move |at| {
        let run = text[..at].iter().rev().take_while(|b| is_atom(**b) || **b == b'.').count();
        if run == 0 || text[at - 1] == b'.' {
            return None;
        }
        let mut starts: Vec<usize> = Vec::new();
        // Backwards over the dots, as far as the atoms hold.
        let mut start = at;
        while start > at - run && at - start < 65 {
            start -= 1;
            let opens = start == at - run || text[start - 1] == b'.';
            if text[start] == b'.' {
                if start > 0 && start > at - run && text[start - 1] == b'.' {
                    break;
                }
                continue;
            }
            if opens && at - start <= 64 {
                starts.push(start);
            }
        }
        starts.reverse();
        let end = host_end(text, at + 1, &is_tld)?;
        (!starts.is_empty()).then_some(Candidate { starts, end })
    })
}

fn host_end(text: &[u8], start: usize, is_tld: impl Fn(&[u8]) -> bool) -> Option<usize> {
    let mut labels = 0;
    let mut at = start;
    loop {
        let length = text[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
        let label = &text[at..at + length];
        let more =
            text.get(at + length) == Some(&b'.') && text.get(at + length + 1).is_some_and(u8::is_ascii_alphanumeric);
        if !more {
            return (labels >= 1 && is_tld(label)).then_some(at + length);
        }
        let sound = (1..=61).contains(&length) && label[0] != b'-' && label[length - 1] != b'-';
        labels += 1;
        if !sound || labels > 4 {
            return None;
        }
        at += length + 1;
    }
}

pub fn find_all<'a>(text: &'a [u8], is_tld: impl Fn(&[u8]) -> bool + 'a) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut from = 0;
    candidates(text, is_tld).filter_map(move |candidate| {
        let start = candidate.starts.into_iter().find(|start| *start >= from)?;
        from = candidate.end;
        Some(start..candidate.end)
    })
}

/// The address that begins exactly at `start`.
pub fn at_start(text: &[u8], start: usize, is_tld: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
    let at = start + memchr::memchr(b'@', text.get(start..)?)?;
    let user = &text[start..at];
    let sound = !user.is_empty()
        && user.len() <= 64
        && user.split(|b| *b == b'.').all(|atom| !atom.is_empty() && atom.iter().all(|b| is_atom(*b)));
    if !sound {
        return None;
    }
    host_end(text, at + 1, is_tld).map(|end| &text[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_tld(label: &[u8]) -> bool {
        matches!(label, b"com" | b"org")
    }

    #[test]
    fn addresses() {
        let find = |text: &str| -> Vec<String> {
            find_all(text.as_bytes(), is_tld).map(|range| text[range].to_owned()).collect()
        };
        assert_eq!(find("write joe@example.com, now"), ["joe@example.com"]);
        assert_eq!(find("a..joe@example.com"), ["joe@example.com"]);
        assert_eq!(find("(j.o.e@mx.example.org.)"), ["j.o.e@mx.example.org"]);
        assert_eq!(find("joe.@example.com joe@example.net joe@com joe@a.b.c.d.e.com"), [""; 0]);
        assert_eq!(find("joe@example.com-x"), [""; 0]);
        assert_eq!(find(&format!("{}@example.com", "x".repeat(65))), [""; 0]);
        assert_eq!(find(&format!("{}.joe@example.com", "x".repeat(65))), ["joe@example.com"]);
        assert_eq!(at_start(b"mailto:joe@example.com?subject=x", 7, is_tld), Some(&b"joe@example.com"[..]));
        assert_eq!(at_start(b"mailto: joe@example.com", 7, is_tld), None);
    }
}
