//! What publishers of feeds send: whatever it is, it is refused or read, and never reaches outside its folder.
//!
//! The first byte chooses the reader.
#![no_main]
#![forbid(unsafe_code)]

use feeds::archive::{self, Limits};
use feeds::verify::cdiff::{self, Files};
use feeds::verify::openpgp::Keyring;
use feeds::verify::{checksum, cvd};
use feeds::{channel, is_plain_name, shape};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { bytes: 1 << 20, files: 50 };

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    match first {
        // A script and the file that it is for, a NUL between.
        b'd' => {
            let (file, script) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(0));
            let old = Files::from([("a.ndb".to_owned(), file.to_vec()), ("b.ndb".to_owned(), b"x\n".to_vec())]);
            if let Ok(new) = cdiff::apply(script.strip_prefix(b"\0").unwrap_or(script), old.clone()) {
                assert!(new.keys().all(|name| is_plain_name(name)));
                let length = |files: &Files| files.values().map(Vec::len).sum::<usize>();
                assert!(length(&new) <= length(&old) + 2 * script.len());
            }
        }
        b'D' => {
            if let Ok((_, script, signed, signature)) = cdiff::parts(data) {
                assert!(signed.len() + signature.len() < data.len() + 3 * signature.len() && script.len() <= 256 << 20);
                assert!(cdiff::open(data).is_err(), "nobody else can sign");
            }
        }
        b'h' => {
            let _ = cvd::Header::parse(data);
            assert!(cvd::verify(data, &cvd::CONTAINER).is_err());
            let mut whole = 0;
            let _ = cvd::unpack(data, LIMITS, &mut |name, content| {
                assert!(is_plain_name(name));
                whole += content.len() as u64;
                Ok(())
            });
            assert!(whole <= LIMITS.bytes);
        }
        b'i' => {
            if let Ok((info, _, signed)) = cvd::Info::parse(data) {
                assert!(data.starts_with(signed) && info.files.iter().all(|(name, ..)| is_plain_name(name)));
            }
            if let Ok(text) = std::str::from_utf8(data) {
                let _ = cvd::Versions::parse(text);
                let _ = channel::version(&[text.to_owned()]);
            }
        }
        b'm' => {
            if let Ok(mirrors) = channel::mirrors(data) {
                let ordered = channel::ordered(mirrors.clone(), data.len() as f64 / 100.0);
                assert_eq!(ordered.len(), mirrors.len());
                assert!(ordered.iter().all(|mirror| mirror.url.starts_with("http") && mirror.weight > 0));
            }
        }
        b's' => {
            let _ = checksum::check(data, "a.ndb", b"abc");
        }
        b'k' => {
            if let Ok(keyring) = Keyring::parse(data, &[]) {
                assert!(!keyring.fingerprints().is_empty());
                assert!(keyring.verify(b"abc", data, 1_800_000_000).is_err());
            }
        }
        b't' => {
            let mut files = 0;
            let _ = archive::unpack(data, LIMITS, &mut |name, _| {
                files += 1;
                assert!(is_plain_name(name));
                Ok(())
            });
            assert!(files <= LIMITS.files);
        }
        _ => {
            for name in ["a.cf", "a.ndb", "a.cvd", "a.tgz", "COPYING"] {
                let _ = shape::check(name, data);
            }
            assert!(shape::lines(data) <= data.len());
        }
    }
});
