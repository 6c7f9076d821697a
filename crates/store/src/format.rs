//! How values are written down, and the small types that are written the same everywhere.
//!
//! Values are JSON: an operator can read them with `sqlite3`, `psql` or `redis-cli`, and a version that knows more fields
//! reads what an older one wrote. Bytes that are UTF-8 (nearly all) stand as text, others as `{"hex": "..."}`.
//! Positions in lists are bytes whose order is the order meant: numbers big-endian, texts ended by a zero byte.

use crate::backend::{Record, Shelf};
use crate::error::{Error, Result};
use crate::time::Time;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Random bytes, handed in; at least as good as the system's.
pub type Random = [u8; 32];

/// Bytes of a stranger: written as text where they are UTF-8.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.lossy())
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        Bytes(bytes.to_vec())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Bytes {
        Bytes(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes)
    }
}

#[derive(Serialize, Deserialize)]
struct InHex {
    hex: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrHex {
    Text(String),
    Hex(InHex),
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => InHex { hex: hex(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Bytes, D::Error> {
        match TextOrHex::deserialize(deserializer)? {
            TextOrHex::Text(text) => Ok(Bytes(text.into_bytes())),
            TextOrHex::Hex(InHex { hex }) => unhex(&hex).map(Bytes).ok_or_else(|| D::Error::custom("not hexadecimal")),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// SHA-256 of a content: its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Hash, ()> {
        unhex(text).and_then(|bytes| bytes.try_into().ok()).map(Hash).ok_or(())
    }
}

/// What must not be guessed: 128 random bits, 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Secret(pub [u8; 16]);

impl Secret {
    /// The `index`th secret that follows from one handful of random bytes. Knowing one tells nothing of the others.
    pub(crate) fn derived(random: &Random, index: usize) -> Secret {
        let digest = Sha256::new().chain_update(b"secret").chain_update(random).chain_update(index.to_be_bytes());
        let bytes: [u8; 32] = digest.finalize().into();
        Secret(std::array::from_fn(|at| bytes[at]))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Not shown where values are printed for debugging: logs are read by many.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl FromStr for Secret {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Secret, ()> {
        unhex(text).and_then(|bytes| bytes.try_into().ok()).map(Secret).ok_or(())
    }
}

/// Names a record of history, quarantine or outbox; larger means later. 13 letters and digits: milliseconds, then 20
/// random bits. Not a secret.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u64);

const RANDOM_BITS: u32 = 20;
/// Crockford's: no i, l, o, u, so that an id can be read out on the telephone.
const ID_LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl Id {
    /// Above every id.
    pub const END: Id = Id(1 << 63);

    pub(crate) fn new(at: Time, random: &Random) -> Id {
        let low = u32::from_be_bytes([random[0], random[1], random[2], random[3]]) >> (32 - RANDOM_BITS);
        Id(at.millis() << RANDOM_BITS | u64::from(low))
    }

    /// The first id of a moment.
    pub fn first_at(at: Time) -> Id {
        Id(at.millis() << RANDOM_BITS)
    }

    /// The next one, for the rare case that this one is taken.
    pub(crate) fn next(self) -> Id {
        Id((self.0 + 1).min((1 << 63) - 1))
    }

    pub fn time(self) -> Time {
        Time::from_millis((self.0 >> RANDOM_BITS).cast_signed())
    }

    pub fn number(self) -> u64 {
        self.0
    }

    pub(crate) fn key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(crate) fn from_key(key: &[u8]) -> Option<Id> {
        key.try_into().ok().map(u64::from_be_bytes).map(Id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..13u32).rev() {
            let index = usize::try_from(self.0 >> (place * 5) & 31).unwrap_or(0);
            f.write_char(char::from(ID_LETTERS[index]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Id {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Id, ()> {
        if text.len() != 13 {
            return Err(());
        }
        let mut number = 0u64;
        for letter in text.bytes().map(|byte| byte.to_ascii_lowercase()) {
            let index = ID_LETTERS.iter().position(|known| *known == letter).ok_or(())?;
            number = number.checked_mul(32).ok_or(())? | u64::try_from(index).map_err(|_| ())?;
        }
        if number < 1 << 63 { Ok(Id(number)) } else { Err(()) }
    }
}

macro_rules! written_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(|()| D::Error::custom(concat!("not a ", stringify!($name))))
            }
        }
    )*};
}
written_as_text!(Hash, Id, Secret);

pub(crate) fn write<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("the shelves' types have string keys only, which is all that JSON could refuse")
}

pub(crate) fn read<T: DeserializeOwned>(shelf: Shelf, record: &Record) -> Result<T> {
    serde_json::from_slice(&record.value).map_err(|e| Error::Record {
        shelf: shelf.name(),
        what: format!("{e} in {}", String::from_utf8_lossy(&record.value[..record.value.len().min(80)])),
    })
}

/// A text as the start of a position: in order, and no text is the start of another.
pub(crate) fn text_position(text: &[u8]) -> Vec<u8> {
    let mut position: Vec<u8> = text.iter().map(|byte| (*byte).max(1)).collect();
    position.push(0);
    position
}

/// The first position behind all that begin with `start`.
pub(crate) fn behind(start: &[u8]) -> Option<Vec<u8>> {
    let mut end = start.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// At most `limit` bytes, cut between characters where it is text.
pub(crate) fn cut(bytes: &[u8], limit: usize) -> &[u8] {
    if bytes.len() <= limit {
        return bytes;
    }
    let mut end = limit;
    while end > limit.saturating_sub(4) && bytes[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    &bytes[..end]
}

pub(crate) fn cut_text(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_time_and_read_back() {
        let early = Id::new(Time::from_seconds(1_700_000_000), &[0xff; 32]);
        let late = Id::new(Time::from_seconds(1_700_000_001), &[0; 32]);
        assert!(early < late && early.to_string() < late.to_string());
        for id in [early, late, Id::new(Time::START, &[0; 32]), Id::new(Time::END, &[0xff; 32])] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(id < Id::END);
        }
        assert_eq!(early.time(), Time::from_seconds(1_700_000_000));
        for wrong in ["", "0", "zzzzzzzzzzzzz", "0000000000000 ", "000000000000u", "００００００００００００００"]
        {
            assert_eq!(wrong.parse::<Id>(), Err(()), "{wrong:?}");
        }
    }

    #[test]
    fn bytes_are_text_where_they_can_be() {
        let all: Vec<u8> = (0..=255).collect();
        for (bytes, json) in [
            (Bytes::from("請求 <a@b.example>"), Some("\"請求 <a@b.example>\"")),
            (Bytes::from(&[0x82, 0xa0][..]), Some(r#"{"hex":"82a0"}"#)),
            (Bytes(all), None),
        ] {
            let written = write(&bytes);
            if let Some(json) = json {
                assert_eq!(String::from_utf8_lossy(&written), json);
            }
            assert_eq!(serde_json::from_slice::<Bytes>(&written).expect("reads"), bytes);
        }
        assert!(serde_json::from_str::<Bytes>(r#"{"hex":"8"}"#).is_err());
        assert!(serde_json::from_str::<Bytes>(r#"{"hex":"é"}"#).is_err());
    }

    #[test]
    fn positions_keep_the_order_of_texts() {
        let texts: [&[u8]; 5] = [b"", b"a", b"a\x00b", b"ab", b"b"];
        let positions: Vec<_> = texts.iter().map(|text| text_position(text)).collect();
        assert!(positions.is_sorted());
        assert_eq!(behind(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(behind(b"\xff"), None);
    }

    #[test]
    fn cutting_spares_characters() {
        assert_eq!(cut("請求書".as_bytes(), 4), "請".as_bytes());
        assert_eq!(cut(b"\x80\x80\x80\x80\x80\x80\x80", 6).len(), 2, "no text: some bytes less do no harm");
        assert_eq!(cut(b"abc", 3), b"abc");
    }
}
