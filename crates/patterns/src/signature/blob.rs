//! Tables of numbers, stored as bytes: a cache is then read at the speed of copying.

/// `#[serde(with = "blob::bytes")]`
pub mod bytes {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

macro_rules! numbers {
    ($module:ident, $type:ty) => {
        pub mod $module {
            use serde::{Deserializer, Serializer};

            pub fn serialize<S: Serializer>(numbers: &[$type], serializer: S) -> Result<S::Ok, S::Error> {
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                serializer.serialize_bytes(&bytes)
            }

            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<$type>, D::Error> {
                const WIDTH: usize = std::mem::size_of::<$type>();
                let bytes = super::bytes::deserialize(deserializer)?;
                let (chunks, _) = bytes.as_chunks::<WIDTH>();
                Ok(chunks.iter().map(|chunk| <$type>::from_le_bytes(*chunk)).collect())
            }
        }
    };
}

numbers!(u32s, u32);
numbers!(u64s, u64);
