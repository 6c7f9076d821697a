//! Tables of numbers as bytes: what a cache holds is used where it lies, without a copy and without a piece of memory
//! for each table.
//!
//! A table has its own bytes, or is a piece of a cache that was read whole. [`in_place`] reads such a cache: tables keep
//! it alive. Any other way of deserialising copies.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

thread_local! {
    /// The cache that is being read on this thread.
    static CACHE: RefCell<Option<Arc<Vec<u8>>>> = const { RefCell::new(None) };
}

/// Deserialises from `cache[from..]`; tables become pieces of it.
pub fn in_place<T>(cache: &Arc<Vec<u8>>, from: usize, read: impl FnOnce(&[u8]) -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            CACHE.set(None);
        }
    }
    CACHE.set(Some(cache.clone()));
    let _reset = Reset;
    read(cache.get(from..).unwrap_or_default())
}

/// Bytes.
#[derive(Clone, Default)]
pub struct Bytes {
    all: Arc<Vec<u8>>,
    start: usize,
    len: usize,
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.all.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(mut bytes: Vec<u8>) -> Bytes {
        bytes.shrink_to_fit();
        Bytes { start: 0, len: bytes.len(), all: Arc::new(bytes) }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Bytes, E> {
                let piece = CACHE.with_borrow(|cache| {
                    let all = cache.as_ref()?;
                    let start = (bytes.as_ptr() as usize).checked_sub(all.as_ptr() as usize)?;
                    let lies_there = start.checked_add(bytes.len()).is_some_and(|end| end <= all.len());
                    lies_there.then(|| Bytes { all: all.clone(), start, len: bytes.len() })
                });
                Ok(piece.unwrap_or_else(|| bytes.to_vec().into()))
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(bytes.to_vec().into())
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(bytes.into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_bytes(Reading)
    }
}

macro_rules! numbers {
    ($name:ident, $type:ty) => {
        /// Numbers, the lowest byte first.
        #[derive(Clone, Default, Serialize, Deserialize)]
        pub struct $name(Bytes);

        impl $name {
            const WIDTH: usize = std::mem::size_of::<$type>();

            pub fn len(&self) -> usize {
                self.0.len / Self::WIDTH
            }

            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            #[inline]
            pub fn get(&self, index: usize) -> Option<$type> {
                self.chunks().get(index).map(|chunk| <$type>::from_le_bytes(*chunk))
            }

            pub fn iter(&self) -> impl DoubleEndedIterator<Item = $type> + Clone {
                self.chunks().iter().map(|chunk| <$type>::from_le_bytes(*chunk))
            }

            /// Each number as it is stored.
            #[inline]
            pub fn chunks(&self) -> &[[u8; std::mem::size_of::<$type>()]] {
                self.0.as_chunks().0
            }

            /// How many come before the first for which it does not hold; it holds for the first ones alone.
            pub fn partition_point(&self, holds: impl Fn($type) -> bool) -> usize {
                self.chunks().partition_point(|chunk| holds(<$type>::from_le_bytes(*chunk)))
            }
        }

        impl From<&[$type]> for $name {
            fn from(numbers: &[$type]) -> $name {
                let mut bytes = Vec::with_capacity(numbers.len() * Self::WIDTH);
                numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
                $name(bytes.into())
            }
        }
    };
}

numbers!(U32s, u32);
numbers!(U64s, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_used_where_it_lies() {
        let tables = (Bytes::from(b"abc".to_vec()), U32s::from(&[1, 2, 70_000][..]), U64s::from(&[1 << 40][..]));
        let mut stored = b"head".to_vec();
        stored.extend(postcard::to_stdvec(&tables).expect("can be written"));
        let cache = Arc::new(stored);
        type Tables = (Bytes, U32s, U64s);
        let here: Tables = in_place(&cache, 4, |bytes| postcard::from_bytes(bytes).expect("can be read"));
        assert_eq!(Arc::strong_count(&cache), 4);
        assert!(cache.as_ptr_range().contains(&here.1.chunks().as_ptr().cast()));
        let copied: Tables = postcard::from_bytes(&cache[4..]).expect("can be read");
        assert_eq!(Arc::strong_count(&cache), 4);
        for (bytes, words, longer) in [here, copied] {
            assert_eq!(&bytes[..], b"abc");
            assert_eq!(words.iter().collect::<Vec<_>>(), [1, 2, 70_000]);
            assert_eq!((words.get(2), words.get(3), words.len()), (Some(70_000), None, 3));
            assert_eq!((longer.get(0), longer.partition_point(|n| n < 2)), (Some(1 << 40), 0));
        }
        assert_eq!(Arc::strong_count(&cache), 1);
    }
}
