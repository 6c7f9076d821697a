//! A database that the test publishes itself: a container, its list of files and a difference, signed by a key of its own.
//!
//! The key is worth nothing as a key, which is why it can stand here: its modulus is a product of primes of twenty bits, all
//! of them one above a divisor of one small number, so that its private exponent is as short as its public one. What is
//! checked is the same as for ClamAV's own.

use super::cdiff::{self, Files};
use super::cvd::{self, Info, Key};
use super::number::Number;
use crate::archive::{self, Limits};
use crate::{Refusal, verify::checksum};
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::io::Write;

const PUBLIC: u32 = 100000007;
const PRIVATE: u32 = 33265943;
const SHORT: Key = Key {
    modulus: "1287092665364414025733594945694504853962244469221684076918506954985263240152973645370762745598012304\
              5101392456729495852620247094578929405630800304253724628781580399976568747913112039619525010815594343\
              4185647825344483170249337231334375434187387755033026701752445922897110693920026886958890365915388237\
              676872529",
    exponent: PUBLIC,
};
const LONG: Key = Key {
    modulus: "2163822806155043526174055347174997553572685182576366163215529871576521781598424288523850811841521553\
              8179221312931086933562912831248859965258315488989664785191872355705379245048686614983917258887672323\
              5625510818761367568490075675496339356376722694188084860630264511979913501264077996839393870917486358\
              3070132972473521993844954942784778818511537206643496037459369119672460935161320259584889086709441386\
              1740266025183534496974847629758720188686358998500588925309112997967144813882430239196141081698743280\
              2775879061215377010969467193724701202100064656294051053829713008474544538017006575170758445445662974\
              06553737774398153",
    exponent: PUBLIC,
};

/// The signature over a number, in the digits of the format.
fn sign(bytes: &[u8], key: &Key) -> String {
    let modulus = Number::from_decimal(key.modulus);
    let number = Number::from_digits(bytes.iter().rev().map(|byte| u32::from(*byte)), 256);
    let signed = number.power(PRIVATE, &modulus).to_bytes(256).expect("2048 bits at most");
    let bits: Vec<u8> = signed.iter().rev().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).collect();
    let value = |six: &[u8]| six.iter().rev().fold(0, |value, bit| value << 1 | bit);
    bits.chunks(6).map(|six| char::from(cvd::DIGITS[usize::from(value(six))])).collect()
}

/// RSA-PSS with 32 bytes of salt.
fn sign_list(text: &[u8], key: &Key) -> String {
    let salt = [7; 32];
    let hash = Sha256::new().chain_update([0; 8]).chain_update(Sha256::digest(text)).chain_update(salt).finalize();
    let mut block = vec![0; 256 - 32 - 1];
    let length = block.len();
    block[length - 33] = 1;
    block[length - 32..].copy_from_slice(&salt);
    let mask = (0u32..).flat_map(|count| Sha256::new().chain_update(hash).chain_update(count.to_be_bytes()).finalize());
    block.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    block[0] &= 0x7f;
    block.extend_from_slice(&hash);
    block.push(0xbc);
    sign(&block, key)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn list(version: u32, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = format!("ClamAV-VDB:22 Nov 2026 08-00 +0000:{version}:2:90:X:X:test:1795334400\n");
    for (name, content) in files {
        text += &format!("{name}:{}:{}\n", content.len(), checksum::sha256(content));
    }
    let signature = sign_list(text.as_bytes(), &LONG);
    (text + &format!("DSIG:{signature}\n")).into_bytes()
}

fn container(version: u32, files: &[(&str, &[u8])]) -> Vec<u8> {
    let body = gzip(&archive::pack(files));
    let md5 = Md5::digest(&body);
    let (shown, signature) = (checksum::hex(&md5), sign(&md5, &SHORT));
    let mut container =
        format!("ClamAV-VDB:22 Nov 2026 08-00 +0000:{version}:2:90:{shown}:{signature}:test:1795334400").into_bytes();
    container.resize(cvd::HEADER, b' ');
    [container, body].concat()
}

fn difference(version: u32, script: &[u8]) -> Vec<u8> {
    let mut text = format!("ClamAV-Diff:{version}:{}:", script.len()).into_bytes();
    text.extend(gzip(script));
    let signature = sign_list(&text, &LONG);
    [&text[..], b":", signature.as_bytes()].concat()
}

const OLD: &[u8] = b"A:0:*:616263\nB:0:*:626364\nC:0:*:636465\n";
const NEW: &[u8] = b"A:0:*:616263\nC:0:*:63646566\nD:4:*:646566\n";
const OTHER: &[u8] = b"900150983cd24fb0d6963f7d28e17f72:3:H\n";

#[test]
fn what_was_signed_is_taken_from_container_to_difference() {
    let listed = list(1, &[("own.ndb", OLD), ("own.hdb", OTHER)]);
    let published = container(1, &[("own.info", &listed), ("own.ndb", OLD), ("own.hdb", OTHER)]);
    let header = cvd::verify(&published, &SHORT).unwrap();
    assert_eq!((header.version, header.built), (1, Some(1_795_334_400)));
    let mut files = Files::new();
    cvd::unpack(&published, Limits::default(), &mut |name, content| {
        files.insert(name.to_owned(), content);
        Ok(())
    })
    .unwrap();
    let info = Info::verify(&files["own.info"], &LONG).unwrap();
    assert!(info.files.len() == 2 && info.files.iter().all(|(name, ..)| info.holds(name, &files[name])));

    // The second version, as a difference: it brings its own list.
    let next = list(2, &[("own.ndb", NEW), ("own.hdb", OTHER)]);
    let lines =
        String::from_utf8(next.clone()).unwrap().lines().map(|line| format!("ADD {line}\n")).collect::<String>();
    let script = format!(
        "OPEN own.ndb\nDEL 2 B:0\nXCHG 3 C:0 C:0:*:63646566\nADD D:4:*:646566\nCLOSE\n\
         UNLINK own.info\nOPEN own.info\n{lines}CLOSE\n"
    );
    let (version, script) = cdiff::open_signed_by(&difference(2, script.as_bytes()), &LONG).unwrap();
    assert_eq!(version, 2);
    let files = cdiff::apply(&script, files).unwrap();
    assert_eq!((&files["own.ndb"][..], &files["own.hdb"][..]), (NEW, OTHER));
    let info = Info::verify(&files["own.info"], &LONG).unwrap();
    assert!(info.header.version == 2 && info.files.iter().all(|(name, ..)| info.holds(name, &files[name])));
    assert!(!info.holds("own.ndb", OLD));
}

#[test]
fn a_changed_byte_or_another_key_is_refused() {
    let published = container(1, &[("own.ndb", OLD)]);
    assert!(matches!(cvd::verify(&published, &cvd::CONTAINER), Err(Refusal::Signature(_))));
    let mut changed = published.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(cvd::verify(&changed, &SHORT), Err(Refusal::Checksum(_))));
    let listed = list(1, &[("own.ndb", OLD)]);
    let text = String::from_utf8(listed.clone()).unwrap();
    assert!(Info::verify(text.replacen("own.ndb", "owm.ndb", 1).as_bytes(), &LONG).is_err());
    assert!(Info::verify(&listed, &cvd::LIST).is_err());
    let whole = difference(2, b"OPEN own.ndb\nCLOSE\n");
    assert!(matches!(cdiff::open(&whole), Err(Refusal::Signature(_))), "ClamAV did not sign it");
    let other = String::from_utf8_lossy(&whole).starts_with("ClamAV-Diff:2:");
    assert!(other);
    let mut renumbered = whole.clone();
    renumbered[12] = b'3';
    assert!(matches!(cdiff::open_signed_by(&renumbered, &LONG), Err(Refusal::Signature(_))));
}
