//! The copy of a text that ClamAV matches signatures of target 7 against.

/// One space for each run of white space, A-Z in lower case, other control characters and everything beyond ASCII left
/// out. So UTF-16 in either order comes out as its ASCII characters, too.
pub fn normalise(bytes: &[u8]) -> Vec<u8> {
    let mut normalised = Vec::with_capacity(bytes.len());
    let mut spaced = false;
    for byte in bytes {
        match byte {
            b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | b' ' => {
                if !spaced {
                    normalised.push(b' ');
                }
                spaced = true;
            }
            0x21..=0x7f => {
                normalised.push(byte.to_ascii_lowercase());
                spaced = false;
            }
            _ => {}
        }
    }
    normalised
}
