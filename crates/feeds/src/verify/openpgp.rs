//! Detached OpenPGP signatures, and the keys that may make them.
//!
//! Who may sign is decided before: by the fingerprints of primary keys that are pinned in [`crate::sources`] or in the
//! configuration, else by the key file that the administrator gave. A key from elsewhere counts for nothing, whatever name
//! it bears. The time is told by the caller.

use crate::Refusal;
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails;

/// A key file with more is not read.
const KEY_FILE: usize = 1 << 20;
const KEYS: usize = 50;
/// Likewise a signature.
const SIGNATURE_FILE: usize = 64 << 10;
const SIGNATURES: usize = 10;
/// Two clocks may differ by so many seconds.
const CLOCKS: u64 = 24 * 3600;

/// Keys that may sign.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Of the primary key.
    pub fingerprint: String,
    /// Seconds since 1970.
    pub made: u64,
    /// By a digest that is no longer held to be safe (SHA-1).
    pub weak: bool,
}

impl Keyring {
    /// The keys of a file, armoured or not, whose fingerprints are among those pinned; without any pinned, all.
    pub fn parse(file: &[u8], pinned: &[&str]) -> Result<Keyring, Refusal> {
        if file.len() > KEY_FILE {
            return Err(Refusal::Limit(format!("a key file of more than {KEY_FILE} bytes")));
        }
        let wrong = |error: pgp::errors::Error| Refusal::Signature(format!("no OpenPGP key file: {error}"));
        let (keys, _) = SignedPublicKey::from_reader_many(file).map_err(wrong)?;
        let keys: Vec<SignedPublicKey> = keys.take(KEYS).filter_map(Result::ok).collect();
        let found: Vec<String> = keys.iter().map(fingerprint).collect();
        let is_pinned = |key: &SignedPublicKey| {
            let key = fingerprint(key);
            pinned.is_empty() || pinned.iter().any(|pin| plain(pin) == key)
        };
        let keys: Vec<SignedPublicKey> = keys.into_iter().filter(is_pinned).collect();
        match (keys.is_empty(), found.is_empty()) {
            (false, _) => Ok(Keyring { keys }),
            (true, true) => Err(Refusal::Signature("no OpenPGP public key in the key file".into())),
            (true, false) => Err(Refusal::Signature(format!(
                "the key file has {}, and none of the keys that may sign: {}",
                found.join(", "),
                pinned.join(", ")
            ))),
        }
    }

    /// Of the primary keys.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(fingerprint).collect()
    }

    /// Whether one of the signatures was made by one of these keys over this content, and holds at this time.
    pub fn verify(&self, content: &[u8], signature: &[u8], now: u64) -> Result<Signed, Refusal> {
        if signature.len() > SIGNATURE_FILE {
            return Err(Refusal::Limit(format!("a signature of more than {SIGNATURE_FILE} bytes")));
        }
        let none = || Refusal::Signature("the signature file has no OpenPGP signature in it".into());
        let (signatures, _) = DetachedSignature::from_reader_many(signature).map_err(|_| none())?;
        let mut why = none();
        for signature in signatures.take(SIGNATURES).filter_map(Result::ok) {
            for key in &self.keys {
                match verify_by(key, content, &signature.signature, now) {
                    Ok(signed) => return Ok(signed),
                    Err(reason) => why = Refusal::Signature(reason),
                }
            }
        }
        Err(why)
    }
}

/// As people write it: blanks between, 0x before, small letters.
fn plain(fingerprint: &str) -> String {
    let fingerprint = fingerprint.trim();
    let fingerprint = fingerprint.strip_prefix("0x").unwrap_or(fingerprint);
    fingerprint.chars().filter(char::is_ascii_hexdigit).map(|c| c.to_ascii_uppercase()).collect()
}

fn fingerprint(key: &SignedPublicKey) -> String {
    key.fingerprint().to_string().to_uppercase()
}

fn verify_by(key: &SignedPublicKey, content: &[u8], signature: &Signature, now: u64) -> Result<Signed, String> {
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err("it is not a signature over a file".into());
    }
    let weak = match signature.hash_alg() {
        Some(HashAlgorithm::Sha1) => true,
        Some(
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => false,
        other => return Err(format!("its digest {other:?} proves nothing")),
    };
    let made = u64::from(signature.created().ok_or("it does not say when it was made")?.as_secs());
    if made > now + CLOCKS {
        return Err("it was made in the future".into());
    }
    let lasts = signature.signature_expiration_time().map_or(0, |lasts| u64::from(lasts.as_secs()));
    if lasts > 0 && made + lasts < now {
        return Err("it has expired".into());
    }
    let name = fingerprint(key);
    let usable = Usable::of(key)?;
    if usable.ends.is_some_and(|ends| ends < now) {
        return Err(format!("the key {name} has expired; the publisher must have a new one"));
    }
    let by_primary = usable.may_sign && signature.verify(&key.primary_key, content).is_ok();
    let by_subkey = || {
        let signing = key.public_subkeys.iter().filter(|subkey| may_sign(key, subkey, now));
        signing.map(|subkey| &subkey.key).any(|subkey| signature.verify(subkey, content).is_ok())
    };
    match by_primary || by_subkey() {
        true => Ok(Signed { fingerprint: name, made, weak }),
        false => Err(format!("it was not made over this content by the key {name}")),
    }
}

/// What a primary key says of itself.
struct Usable {
    may_sign: bool,
    /// When it expires.
    ends: Option<u64>,
}

impl Usable {
    fn of(key: &SignedPublicKey) -> Result<Usable, String> {
        let primary = &key.primary_key;
        let name = fingerprint(key);
        if key.details.revocation_signatures.iter().any(|revocation| revocation.verify_key(primary).is_ok()) {
            return Err(format!("the key {name} has been revoked by its owner"));
        }
        let direct = key.details.direct_signatures.iter().filter(|own| own.verify_key(primary).is_ok());
        let of_users = key.details.users.iter().flat_map(|user| {
            let certifies = |own: &&Signature| {
                own.typ() != Some(SignatureType::CertRevocation)
                    && own.verify_certification(primary, pgp::types::Tag::UserId, &user.id).is_ok()
            };
            user.signatures.iter().filter(certifies)
        });
        let newest = direct.chain(of_users).max_by_key(|own| own.created().map_or(0, |time| time.as_secs()));
        let Some(newest) = newest else { return Err(format!("the key {name} does not vouch for itself")) };
        let flags = newest.key_flags();
        let says = flags != pgp::packet::KeyFlags::default();
        Ok(Usable { may_sign: !says || flags.sign(), ends: ends(primary.created_at(), newest) })
    }
}

fn ends(made: pgp::types::Timestamp, own: &Signature) -> Option<u64> {
    let lasts = own.key_expiration_time().map_or(0, |lasts| lasts.as_secs());
    (lasts > 0).then(|| u64::from(made.as_secs()) + u64::from(lasts))
}

/// Bound to the primary key, for signing, in both directions; not revoked, not expired.
fn may_sign(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> bool {
    let primary = &key.primary_key;
    let holds = |own: &&Signature| own.verify_subkey_binding(primary, &subkey.key).is_ok();
    if subkey.signatures.iter().filter(holds).any(|own| own.typ() == Some(SignatureType::SubkeyRevocation)) {
        return false;
    }
    let bindings = subkey.signatures.iter().filter(|own| own.typ() == Some(SignatureType::SubkeyBinding)).filter(holds);
    let Some(newest) = bindings.max_by_key(|own| own.created().map_or(0, |time| time.as_secs())) else { return false };
    let backed = |back: &Signature| back.verify_primary_key_binding(&subkey.key, primary).is_ok();
    newest.key_flags().sign()
        && newest.embedded_signature().is_some_and(backed)
        && ends(subkey.key.created_at(), newest).is_none_or(|ends| ends >= now)
}
