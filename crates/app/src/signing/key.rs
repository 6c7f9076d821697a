//! Keys for signatures: read and found usable, made anew, and what of them is published.
//!
//! In: a file in PEM (PKCS #8, or PKCS #1 as `opendkim-genkey` writes it). Out: a [`Key`] that signs, and the TXT record
//! that belongs to it. RSA keys below 2048 bits are refused: RFC 8301 calls them too short, and verifiers do. ring signs; it
//! cannot make RSA keys, which `rsa` does.

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use sha2::{Digest, Sha256};
use std::path::Path;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Signs.
pub enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// What is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rsa { bits: usize },
    Ed25519,
}

/// ring signs with no others.
pub const SHORTEST: usize = 2048;
pub const LONGEST: usize = 4096;
/// A key is a page at most; whatever is longer is something else.
const FILE: u64 = 64 << 10;

impl Key {
    /// Tells who else could read it.
    pub fn read(file: &Path) -> anyhow::Result<(Key, Option<String>)> {
        let read = || -> anyhow::Result<(Vec<u8>, Option<String>)> {
            use std::io::Read;
            let opened = std::fs::File::open(file)?;
            let about = opened.metadata()?;
            if !about.is_file() {
                bail!("is no file");
            }
            let mut bytes = Vec::new();
            opened.take(FILE + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > FILE {
                bail!("is longer than any key");
            }
            Ok((bytes, others_may_read(&about)))
        };
        let (pem, open) = read().with_context(|| file.display().to_string())?;
        let key = Key::parse(&pem).with_context(|| file.display().to_string())?;
        Ok((key, open.map(|who| format!("{} {who}: chmod 600", file.display()))))
    }

    pub fn parse(pem: &[u8]) -> anyhow::Result<Key> {
        let der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| anyhow::anyhow!("no private key: expected unencrypted PEM, -----BEGIN PRIVATE KEY-----"))?;
        let rsa = |key: Result<RsaKeyPair, ring::error::KeyRejected>| match key {
            Ok(key) => Ok(Key::Rsa(key)),
            Err(why) if why.to_string() == "TooSmall" => {
                bail!("the RSA key is shorter than {SHORTEST} bits (RFC 8301): sekisho dkim keygen makes another")
            }
            Err(why) if why.to_string() == "TooLarge" => bail!("the RSA key is longer than {LONGEST} bits"),
            Err(why) => bail!("the RSA key cannot be used: {why}"),
        };
        match &der {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                // Keys of OpenSSL say nothing of their public half.
                match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                    Ok(key) => Ok(Key::Ed25519(key)),
                    Err(_) => rsa(RsaKeyPair::from_pkcs8(der)),
                }
            }
            _ => bail!("neither an RSA nor an Ed25519 key"),
        }
    }

    /// As `a=` has it.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// As `k=` has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Key::Rsa(_) => "rsa",
            Key::Ed25519(_) => "ed25519",
        }
    }

    pub fn describe(&self) -> String {
        match self {
            Key::Rsa(key) => format!("RSA, {} bits", key.public().modulus_len() * 8),
            Key::Ed25519(_) => "Ed25519".to_owned(),
        }
    }

    pub fn sign(&self, data: &[u8]) -> anyhow::Result<Vec<u8>> {
        match self {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature)
                    .map_err(|_| anyhow::anyhow!("the RSA key does not sign"))?;
                Ok(signature)
            }
            // RFC 8463: what Ed25519 signs is the hash.
            Key::Ed25519(key) => Ok(key.sign(&Sha256::digest(data)).as_ref().to_vec()),
        }
    }

    /// As `p=` has it.
    pub fn public(&self) -> String {
        STANDARD.encode(match self {
            Key::Rsa(key) => subject_public_key(key.public().as_ref()),
            Key::Ed25519(key) => key.public_key().as_ref().to_vec(),
        })
    }

    /// The TXT record's text.
    pub fn record(&self) -> String {
        format!("v=DKIM1; k={}; p={}", self.kind(), self.public())
    }
}

fn others_may_read(about: &std::fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let mode = about.mode() & 0o777;
    (mode & 0o007 != 0).then(|| format!("is open to everybody (mode {mode:04o})"))
}

/// RFC 8017's key in RFC 5280's clothes, which DNS wants.
fn subject_public_key(key: &[u8]) -> Vec<u8> {
    const RSA: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = der(0x03, &[&[0][..], key].concat());
    der(0x30, &[RSA, &bits].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(0));
    }
    out.extend_from_slice(significant);
    out.extend_from_slice(content);
    out
}

/// A new key in PEM.
pub fn make(kind: Kind) -> anyhow::Result<String> {
    match kind {
        Kind::Rsa { bits } => {
            use rsa::pkcs8::{EncodePrivateKey, LineEnding};
            if !(SHORTEST..=LONGEST).contains(&bits) || bits % 8 != 0 {
                bail!("an RSA key has {SHORTEST} to {LONGEST} bits");
            }
            let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).context("making the key")?;
            Ok(key.to_pkcs8_pem(LineEnding::LF).context("writing the key")?.to_string())
        }
        Kind::Ed25519 => {
            // The form that OpenSSL writes, without the public half.
            const BEFORE: &[u8] =
                &[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
            let seed = crate::environment::secret_random()?;
            let seed: [u8; 32] = Sha256::digest([&seed[..], &crate::environment::secret_random()?[..]].concat()).into();
            let text = STANDARD.encode([BEFORE, &seed].concat());
            Ok(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
        }
    }
}

/// A TXT record as a zone file has it: strings of 255 bytes at most.
pub fn zone_line(selector: &str, domain: &str, record: &str) -> String {
    let bytes = record.as_bytes();
    let strings: Vec<String> =
        bytes.chunks(STRING).map(|chunk| format!("\"{}\"", String::from_utf8_lossy(chunk))).collect();
    let name = format!("{selector}._domainkey.{domain}.");
    match &strings[..] {
        [one] => format!("{name}\tIN\tTXT\t{one}"),
        _ => format!("{name}\tIN\tTXT\t( {} )", strings.join("\n\t\t")),
    }
}

/// RFC 1035: a string has 255 bytes at most. Fewer, so that lines stay bearable.
const STRING: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_keys_are_read_and_published() {
        let pem = make(Kind::Ed25519).unwrap();
        let key = Key::parse(pem.as_bytes()).unwrap();
        assert_eq!((key.algorithm(), key.public().len()), ("ed25519-sha256", 44));
        assert_ne!(make(Kind::Ed25519).unwrap(), pem);

        let key = Key::parse(make(Kind::Rsa { bits: 2048 }).unwrap().as_bytes()).unwrap();
        assert_eq!(key.describe(), "RSA, 2048 bits");
        // 2048 bits in SubjectPublicKeyInfo are 294 bytes.
        assert_eq!(STANDARD.decode(key.public()).unwrap().len(), 294);
        assert_eq!(key.sign(b"x").unwrap().len(), 256);
        let zone = zone_line("s", "example.jp", &key.record());
        assert!(zone.starts_with("s._domainkey.example.jp.\tIN\tTXT\t( \"v=DKIM1; k=rsa; p=MIIBIjANBgkq"), "{zone}");
        let strings: Vec<&str> = zone.split('"').skip(1).step_by(2).collect();
        assert_eq!(strings.concat(), key.record());
        assert!(strings.iter().all(|string| string.len() <= 255));
        assert!(make(Kind::Rsa { bits: 1024 }).is_err());
    }

    #[test]
    fn what_is_no_key_is_told() {
        let told = |pem: &str| Key::parse(pem.as_bytes()).err().expect("no key").to_string();
        assert!(told("").contains("no private key"));
        assert!(told("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").contains("cannot be used"));
        let short = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
        let short = rsa::pkcs8::EncodePrivateKey::to_pkcs8_pem(&short, Default::default()).unwrap();
        assert!(told(&short).contains("shorter than 2048 bits"), "{}", told(&short));
    }

    #[test]
    fn lengths_as_der_has_them() {
        assert_eq!(der(4, &[1]), [4, 1, 1]);
        assert_eq!(der(4, &[])[..], [4, 0]);
        assert_eq!(der(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(der(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
