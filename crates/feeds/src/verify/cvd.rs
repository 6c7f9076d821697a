//! ClamAV's containers: 512 bytes of header, then a tar file, mostly compressed.
//!
//! The header has the MD5 of what follows, and an RSA signature over that MD5 by the project's key, whose modulus and
//! exponents are facts of the format. The `.info` file within names each file with its SHA-256 and has a stronger
//! signature over that list, which outlives differences ([`super::cdiff`]): what they made of the files must be what the
//! list says.

use super::checksum::hex;
use super::number::Number;
use crate::archive::{self, Limits};
use crate::{Refusal, is_plain_name};
use md5::Md5;
use sha2::{Digest, Sha256};
use unpack::published;

pub use unpack::published::{HEADER, Header};

/// An RSA key and how it signs.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub(super) modulus: &'static str,
    pub(super) exponent: u32,
}

/// Signs the MD5 of a container.
pub const CONTAINER: Key = Key {
    modulus: "118640995551645342603070001658453189751527774412027743746599405743243142607464144767361060640655844749760788890022\
              283424922762488917565551002467771109669598189410434699034532232228621591089508178591428456220796841621637175567\
              590476666928698770143328137383952820383197532047771780196576957695822641224262693037",
    exponent: 100_001_027,
};

/// Signs lists of files (RSA-PSS with SHA-256).
pub const LIST: Key = Key {
    modulus: "11088894983048545473659556106627194923928941791795047620591658697413581043322715912172496806525381055880964520\
              61840022433332053466029923398375534174067950286682990967995573439139266837836122152420539663109010515164127085\
              72770803107343209516537005089417174191687239425078907029047027075874516216910507543078503833998653464872037984\
              64178537392211402786481359824461197231102895415093770394216666324484593935762408468516826633192140826667923494\
              82204580534780993284845484588697170642436055866786277587607205943770336538020910169773857751547693508546945527\
              9994113145977994084618328482151013142393373316337519977244732747977",
    exponent: 100_002_049,
};

/// Signs differences, likewise.
pub const DIFFERENCE: Key = Key {
    modulus: "14783905874077467090262228516557917570254599638376203532031989214105552847269687489771975792123442185817287694\
              95194980090879152754201711560050130339477861853586484523570004159005631823010244961221745854901608931330659138\
              85907907965158196541023207257123008223563487240112326548375032417361779077841987008344406811247270605400357546\
              99658105895050096576226753008596881698828185652424901921668758326578462003247906470982092298106789657211905488\
              98628107834636146952448482955956088622719809199549844067663963983046359321138605506536028842239405399813445862\
              3712540683294034953818412458362198117811990006021989844180721010947",
    exponent: 100_002_053,
};

/// Digits of a signature, by value.
pub(super) const DIGITS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
/// A signature has fewer.
const LONGEST: usize = 1000;

/// Whole and signed by this key.
pub fn verify(container: &[u8], key: &Key) -> Result<Header, Refusal> {
    let header = Header::parse(container)?;
    let digest = Md5::digest(container.get(HEADER..).unwrap_or_default());
    if !hex(&digest).eq_ignore_ascii_case(&header.md5) {
        return Err(Refusal::Checksum("the container is not what its header says: cut off or damaged".into()));
    }
    let opened = key.open(&header.signature)?.to_bytes(digest.len());
    match opened.is_some_and(|opened| opened[..] == digest[..]) {
        true => Ok(header),
        false => Err(Refusal::Signature("the container was not signed by ClamAV".into())),
    }
}

/// The files within.
pub fn unpack(
    container: &[u8],
    limits: Limits,
    file: &mut dyn FnMut(&str, Vec<u8>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    published::container(container, limits.into(), &mut archive::plain(file))
}

/// A `.info` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    pub header: Header,
    /// Name, length, SHA-256 in hexadecimal.
    pub files: Vec<(String, u64, String)>,
}

const LISTED: usize = 1000;

impl Info {
    /// Signed by this key.
    pub fn verify(text: &[u8], key: &Key) -> Result<Info, Refusal> {
        let (info, signature, signed) = Info::parse(text)?;
        verify_list(&Sha256::digest(signed), &signature, key)?;
        Ok(info)
    }

    /// The list, its signature, and the bytes that are signed.
    pub fn parse(text: &[u8]) -> Result<(Info, String, &[u8]), Refusal> {
        let wrong = || Refusal::Format("no list of a ClamAV container's files".into());
        let header = Header::parse(text)?;
        let mut files = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let start = at;
            at += line.len();
            let line = std::str::from_utf8(line).map_err(|_| wrong())?.trim_end();
            if let Some(signature) = line.strip_prefix("DSIG:") {
                return Ok((Info { header, files }, signature.to_owned(), &text[..start]));
            }
            if start == 0 || line.is_empty() {
                continue;
            }
            let mut fields = line.split(':');
            let (Some(name), Some(size), Some(digest)) = (fields.next(), fields.next(), fields.next()) else {
                return Err(wrong());
            };
            let size = size.parse().map_err(|_| wrong())?;
            if !is_plain_name(name) || files.len() == LISTED {
                return Err(wrong());
            }
            files.push((name.to_owned(), size, digest.to_ascii_lowercase()));
        }
        Err(Refusal::Signature("the list of a ClamAV container's files is not signed".into()))
    }

    /// Whether the file is as listed; what the list does not name is not.
    pub fn holds(&self, name: &str, content: &[u8]) -> bool {
        let listed = self.files.iter().find(|(listed, ..)| listed == name);
        listed.is_some_and(|(_, size, digest)| {
            *size == content.len() as u64 && *digest == super::checksum::sha256(content)
        })
    }
}

/// Whether a list or a difference with this SHA-256 was signed by this key: RSA-PSS, 32 bytes of salt.
pub(super) fn verify_list(digest: &[u8], signature: &str, key: &Key) -> Result<(), Refusal> {
    const HASH: usize = 32;
    const LENGTH: usize = 256;
    const MASKED: usize = LENGTH - HASH - 1;
    let wrong = || Refusal::Signature("it was not signed by ClamAV".into());
    let encoded = key.open(signature)?.to_bytes(LENGTH).ok_or_else(wrong)?;
    let (masked, rest) = encoded.split_at(MASKED);
    let (hash, trailer) = rest.split_at(HASH);
    if trailer != [0xbc] {
        return Err(wrong());
    }
    let mask = (0u32..).flat_map(|count| Sha256::new().chain_update(hash).chain_update(count.to_be_bytes()).finalize());
    let mut block: Vec<u8> = masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    block[0] &= 0x7f;
    let (zeros, salt) = block.split_at(MASKED - HASH);
    let padded = zeros.split_last().is_some_and(|(last, zeros)| *last == 1 && zeros.iter().all(|byte| *byte == 0));
    let expected = Sha256::new().chain_update([0; 8]).chain_update(digest).chain_update(salt).finalize();
    match padded && expected[..] == *hash {
        true => Ok(()),
        false => Err(wrong()),
    }
}

impl Key {
    fn open(&self, signature: &str) -> Result<Number, Refusal> {
        let wrong = || Refusal::Signature("no signature of ClamAV's kind".into());
        let signature = signature.trim();
        if signature.is_empty() || signature.len() > LONGEST {
            return Err(wrong());
        }
        let value = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).map(|value| value as u32);
        let digits: Vec<u32> = signature.bytes().map(value).collect::<Option<_>>().ok_or_else(wrong)?;
        let modulus = Number::from_decimal(self.modulus);
        let number = Number::from_digits(digits.into_iter(), 64);
        match number.is_less_than(&modulus) {
            true => Ok(number.power(self.exponent, &modulus)),
            false => Err(wrong()),
        }
    }
}

/// What DNS says of the current versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    pub main: u32,
    pub daily: u32,
    /// When this was published, seconds since 1970.
    pub time: u64,
}

impl Versions {
    /// The TXT record: `program:main:daily:time:warning:level:...`.
    pub fn parse(record: &str) -> Result<Versions, Refusal> {
        let wrong = || Refusal::Format(format!("DNS has no versions of ClamAV's databases but {record:?}"));
        let fields: Vec<&str> = record.split(':').collect();
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).ok_or_else(wrong);
        let version = |index| field(index).and_then(|version| u32::try_from(version).map_err(|_| wrong()));
        Ok(Versions { main: version(1)?, daily: version(2)?, time: field(3)? })
    }

    pub fn of(&self, database: &str) -> Option<u32> {
        match database {
            "main" => Some(self.main),
            "daily" => Some(self.daily),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a container that the project published for tests (freshclam's `test-2.cvd`), and the list in it.
    const REAL: &str = "ClamAV-VDB:22 Jun 2021 16-55 -0400:2:0:81:57ce21d16edad79ec53a16f03c96b680:3ZHgw1NqHFE/w49Oxxat1hCqv6xs\
                        sJtVDZzhYGJNDra0WEEfzZlMKMQfEKZAOSFf9hMbAmZF22u7zMknfC1QtxBoWXVJmmfSMZcOGNwSVzQZBOsimI29IcmG9P6XB2Nr/8n\
                        YtWGT4uP0bYzMUO7u2hV8w6l87gP8j4V2TKC92tc:micasnyd:1624395301";
    const LISTED: &str = "ClamAV-VDB:22 Jun 2021 14-58 -0400:1:0:81:X:X:micasnyd:1624388302\n\
        test.ndb:240:244a20e9da37de181ede6db64f85c97916381d91f65e1b39e4f9300cb0726be9\n\
        test.ldb:44:0748b843a1cea3242d70531083b84f877d8de398cfefe65509b5d3bb1e3bcb57\n\
        DSIG:TFd9RBeu6wZwfMrWGsGH9WOSs1j+3s+PD2fVTLwR8Qgv2QVF25EXnIfH4cKmKRDoqDCLE0P6Kk3KRROkvaSGv01aiGMNRzY3bHkGQlSUs2p6\
        kXUoV4B+TLn1gZYR4x6XH7GuFPolfxgHuzK974zxoxXe7GhzHPVgxtUI6uODlzJNw2HfCXG/MqPnNmMSC1yquZjmzA3ak0+jrdqfmg8c27xSrvd7/\
        6K6ItyYEa9q3HPL/9g7ANKQ0B+0TegXySdmIkZ+PYgf6u3uEx09db3RXLkesU8K3bvdVZSEyyRh0ir+GibrGM2Fef1GugtNAI8gUQAA9OtJmhuNUsb\
        eWNdDV\n";

    #[test]
    fn a_real_header_was_signed_by_the_project() {
        let header = Header::parse(REAL.as_bytes()).unwrap();
        assert_eq!((header.version, header.functionality_level, header.built), (2, 81, Some(1_624_395_301)));
        let opened = CONTAINER.open(&header.signature).unwrap().to_bytes(16).unwrap();
        assert_eq!(hex(&opened), header.md5);
        let forged = header.signature.replacen('Z', "Y", 1);
        assert!(CONTAINER.open(&forged).unwrap().to_bytes(16).is_none());
    }

    #[test]
    fn a_real_list_was_signed_by_the_project() {
        let info = Info::verify(LISTED.as_bytes(), &LIST).unwrap();
        assert_eq!(info.files.len(), 2);
        assert!(info.holds("test.ldb", b"") == info.holds("gone.ldb", b""));
        let forged = LISTED.replacen("test.ndb:240", "test.ndb:241", 1);
        assert!(matches!(Info::verify(forged.as_bytes(), &LIST), Err(Refusal::Signature(_))));
        let unsigned = LISTED.split("DSIG").next().unwrap();
        assert!(matches!(Info::verify(unsigned.as_bytes(), &LIST), Err(Refusal::Signature(_))));
    }

    #[test]
    fn damage_and_foreign_signatures_are_told_apart() {
        let tar = archive::pack(&[("test.ndb", b"A:0:*:616263")]);
        let with = |md5: &str| {
            let mut container = REAL.replace("57ce21d16edad79ec53a16f03c96b680", md5).into_bytes();
            container.resize(HEADER, b' ');
            [container, tar.clone()].concat()
        };
        let whole = with(&hex(&Md5::digest(&tar)));
        assert!(matches!(verify(&whole, &CONTAINER), Err(Refusal::Signature(_))));
        assert!(matches!(verify(&with("00"), &CONTAINER), Err(Refusal::Checksum(_))));
        assert!(matches!(verify(&whole[..whole.len() - 1], &CONTAINER), Err(Refusal::Checksum(_))));
        let mut files = Vec::new();
        unpack(&whole, Limits::default(), &mut |name, content| {
            files.push((name.to_owned(), content));
            Ok(())
        })
        .unwrap();
        assert_eq!(files, [("test.ndb".to_owned(), b"A:0:*:616263".to_vec())]);
        for wrong in ["", "ClamAV-VDB:", "ClamAV-VDB:a:b:c:d:e:f:g", "<html>", "ClamAV-VDB:d:99999999999:1:1:a:b:c"] {
            assert!(Header::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn versions_in_dns() {
        let versions = Versions::parse("1.4.3:62:27600:1750000000:1:90:49192:336").unwrap();
        assert_eq!((versions.of("main"), versions.of("daily"), versions.of("x")), (Some(62), Some(27600), None));
        for wrong in ["", "a:b:c:d", "0.103:62", "1:-1:2:3", "1:99999999999:2:3"] {
            assert!(Versions::parse(wrong).is_err(), "{wrong}");
        }
    }
}
