//! Microsoft's Script Encoder: scripts that were made unreadable, and are made readable again.
//!
//! Three substitution tables take turns in a pattern of 64; a few characters are escaped with `@`. The length stands
//! before the text in its own base64. The lenience is ClamAV's: wrong digits count as zero, the checksum is not checked.

/// What begins an encoded script.
pub(super) const MARK: &[u8] = b"#@~^";

/// What the `language` attribute says of an encoded script, and of the same script decoded.
pub(super) const LANGUAGES: [(&[u8], &[u8]); 2] =
    [(b"jscript.encode", b"javascript"), (b"vbscript.encode", b"vbscript")];

/// Which table decodes the n-th character.
static TURNS: &[u8; 64] = b"0210212112120121012100211201211200121210100210120121002110021012";

/// What a byte from 0x20 to 0x7f stands for; 0xff introduces an escape.
#[rustfmt::skip]
static TABLES: [&[u8; 96]; 3] = [
    b".GzVBj/&IA42[vrC89pEhqO\tbD#u<~>^\xffwJa]\"KoN;LPg*}tT+-,0nkf5%!dMRc?{x)(sY3\x7fmUS|:_eFX1ilZH'\\=$y7`Q 6",
    b"20!)[83=X:5e9\\VsfNEkbYx^}Jmq<`>S\xffB'Hru17MR\"TjGd- \x7f.L]~loytC&v%$+(#A4\t*D?w;UiacPgQIOFh|6pnz/_KZ,W",
    b"-uR`q^I\\b})6 |z\x7fkc3+hQfv1dTC<:>~\xffE,*t'7DyY/o&rj9{?8wgSG4x]0#Z[lHUpi.L!$NP\tVs5aKX;W\"mM%(FJ2A=_OBe",
];

/// What a tab stands for.
static TABS: [u8; 3] = [0x57, 0x7b, 0x6e];

/// Where a mark stands, after which a script begins; the mark itself is overwritten as the start of a comment.
pub(super) fn find(line: &mut [u8], from: usize) -> Option<usize> {
    let end = from + memchr::memchr(0, &line[from..]).unwrap_or(line.len() - from);
    let at = from + memchr::memmem::find(&line[from..end], MARK)?;
    line[at] = b'/';
    line[at + 1] = b'/';
    Some(at + MARK.len())
}

/// The digits' value, -1 for what is none.
fn digit(byte: u8) -> i32 {
    match byte {
        b'A'..=b'Z' => i32::from(byte - b'A'),
        b'a'..=b'z' => i32::from(byte - b'a') + 26,
        b'0'..=b'9' => i32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => -1,
    }
}

/// A script may stretch over several chunks.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    left: u32,
    turn: usize,
}

impl Decoder {
    /// From the six digits of the length.
    pub fn new(digits: &[u8]) -> Decoder {
        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|at| digits.get(at).map_or(-1, |byte| digit(*byte)));
        let sum = [
            if a < 0 { 0 } else { a << 2 },
            b >> 4,
            (b & 0x0f) << 12,
            (c >> 2).max(0) << 8,
            (c & 0x03) << 22,
            d.max(0) << 16,
            if e < 0 { 0 } else { (e << 2).wrapping_shl(24) },
            (f >> 4).max(0) << 24,
        ];
        Decoder { left: sum.into_iter().fold(0, i32::wrapping_add) as u32, turn: 0 }
    }

    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Decodes what is there, up to a NUL; what follows the script comes after it unchanged.
    pub fn decode(&mut self, line: &[u8]) -> Vec<u8> {
        let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
        let mut out = Vec::with_capacity(line.len());
        let mut at = 0;
        while self.left > 0
            && let Some(&byte) = line.get(at)
        {
            if matches!(byte, b'\n' | b'\r') {
                at += 1;
                continue;
            }
            if byte >= 0x80 {
                out.push(byte);
                at += 1;
                match line.get(at) {
                    Some(second) => out.push(*second),
                    None => break,
                }
            } else {
                let table = usize::from(TURNS[self.turn] - b'0');
                let mut value = match byte {
                    b'\t' => TABS[table],
                    b'\r' if table == 2 => 0x06,
                    0x20.. => TABLES[table][usize::from(byte - 0x20)],
                    _ => byte,
                };
                if value == 0xff {
                    at += 1;
                    self.left = self.left.wrapping_sub(1);
                    match line.get(at) {
                        None => at -= 1,
                        Some(b'!') => value = b'<',
                        Some(b'#') => value = b'\r',
                        Some(b'$') => value = b'@',
                        Some(b'&') => value = b'\n',
                        Some(b'*') => value = b'>',
                        Some(_) => {}
                    }
                }
                out.push(value);
                self.turn = (self.turn + 1) % TURNS.len();
            }
            at += 1;
            self.left = self.left.wrapping_sub(1);
        }
        if self.left == 0 {
            let rest = line.get(at..).unwrap_or_default();
            // Checksum and end mark, where there is room for both.
            out.extend_from_slice(if rest.len() >= 12 { &rest[12..] } else { rest });
        }
        out
    }
}
