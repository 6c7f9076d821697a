//! The two encryptions of zip archives: PKWARE's of 1990, and WinZip's AES.

use super::at;
use aes::cipher::{Block, BlockCipherEncrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;

struct Keys([u32; 3]);

static CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 != 0 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

fn crc(crc: u32, byte: u8) -> u32 {
    crc >> 8 ^ CRC[usize::from(crc as u8 ^ byte)]
}

impl Keys {
    fn new(password: &[u8]) -> Keys {
        let mut keys = Keys([0x1234_5678, 0x2345_6789, 0x3456_7890]);
        password.iter().for_each(|byte| keys.update(*byte));
        keys
    }

    fn update(&mut self, byte: u8) {
        let [first, second, third] = &mut self.0;
        *first = crc(*first, byte);
        *second = second.wrapping_add(*first & 0xff).wrapping_mul(134_775_813).wrapping_add(1);
        *third = crc(*third, (*second >> 24) as u8);
    }

    fn stream(&self) -> u8 {
        let word = (self.0[2] | 2) as u16;
        (word.wrapping_mul(word ^ 1) >> 8) as u8
    }
}

/// The plain bytes, where the byte that checks the password is one of the two that writers put there.
pub fn classic(data: &[u8], password: &[u8], check: u8, other: u8) -> Option<Vec<u8>> {
    let (head, body) = data.split_at_checked(12)?;
    let mut keys = Keys::new(password);
    let mut decrypt = |byte: &u8| {
        let plain = byte ^ keys.stream();
        keys.update(plain);
        plain
    };
    let last = head.iter().map(&mut decrypt).last()?;
    (last == check || last == other).then(|| body.iter().map(decrypt).collect())
}

/// Salt, two bytes to check the password, the bytes in counter mode, ten bytes of authentication.
pub struct Aes<'a> {
    salt: &'a [u8],
    check: &'a [u8],
    body: &'a [u8],
    authentication: &'a [u8],
    key: usize,
}

impl<'a> Aes<'a> {
    pub fn new(data: &'a [u8], strength: u8) -> Option<Aes<'a>> {
        let key = match strength {
            1 => 16,
            2 => 24,
            3 => 32,
            _ => return None,
        };
        let salt = key / 2;
        let body = data.len().checked_sub(salt + 12)?;
        Some(Aes {
            salt: at::slice(data, 0, salt),
            check: at::slice(data, salt, 2),
            body: at::slice(data, salt + 2, body),
            authentication: at::slice(data, salt + 2 + body, 10),
            key,
        })
    }

    pub fn open(&self, password: &[u8]) -> Option<Vec<u8>> {
        let mut keys = vec![0; 2 * self.key + 2];
        derive(password, self.salt, &mut keys)?;
        let (cipher, rest) = keys.split_at(self.key);
        let (signing, check) = rest.split_at(self.key);
        if check != self.check {
            return None;
        }
        let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(signing).ok()?;
        mac.update(self.body);
        if mac.finalize().into_bytes()[..10] != *self.authentication {
            return None;
        }
        match self.key {
            16 => counter::<aes::Aes128>(cipher, self.body),
            24 => counter::<aes::Aes192>(cipher, self.body),
            _ => counter::<aes::Aes256>(cipher, self.body),
        }
    }
}

fn counter<C: BlockCipherEncrypt + KeyInit>(key: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut plain = body.to_vec();
    for (index, chunk) in plain.chunks_mut(16).enumerate() {
        let mut block = Block::<C>::default();
        block[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        cipher.encrypt_block(&mut block);
        chunk.iter_mut().zip(block.iter()).for_each(|(byte, key)| *byte ^= key);
    }
    Some(plain)
}

/// PBKDF2 with HMAC-SHA1, a thousand rounds.
fn derive(password: &[u8], salt: &[u8], out: &mut [u8]) -> Option<()> {
    let keyed = <Hmac<Sha1> as KeyInit>::new_from_slice(password).ok()?;
    for (index, chunk) in out.chunks_mut(20).enumerate() {
        let mut mac = keyed.clone();
        mac.update(salt);
        mac.update(&(index as u32 + 1).to_be_bytes());
        let mut round = mac.finalize().into_bytes();
        let mut sum = round;
        for _ in 1..1000 {
            let mut mac = keyed.clone();
            mac.update(&round);
            round = mac.finalize().into_bytes();
            sum.iter_mut().zip(round.iter()).for_each(|(sum, byte)| *sum ^= byte);
        }
        chunk.copy_from_slice(&sum[..chunk.len()]);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6070's vectors have other counts of rounds; this one was made with Python's hashlib.
    #[test]
    fn keys_from_a_password() {
        let mut key = [0; 25];
        derive(b"password", b"saltsalt", &mut key).unwrap();
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, PBKDF2);
    }

    const PBKDF2: &str = "e9febff54bfce668fde301acc85563cc9dc71ef6f8d7aaef06";
}
