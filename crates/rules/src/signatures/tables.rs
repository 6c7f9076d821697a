//! Formats that are plain tables for others: addresses for the phishing heuristics, magics, passwords.

use super::FileType;
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Bytes of a compiled expression.
const LARGEST_EXPRESSION: usize = 1 << 20;

/// `.pdb`, `.wdb`: displayed and real addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPattern {
    pub form: AddressForm,
    /// As written: one field for `R`, `H` and `Y`; real, then displayed for `X` and `M`.
    pub fields: Vec<String>,
}

impl AddressPattern {
    /// What `R`, `X` and `Y` say, over `real:displayed` (for `Y` over the real address). It ends where the text ends, but
    /// for a slash, and begins anywhere; addresses are in lower case when they are compared.
    pub fn expression(&self) -> Result<Regex, String> {
        let text = self.fields.join(":");
        let built = RegexBuilder::new(&format!("(?-u)(?:{text})/?$")).size_limit(LARGEST_EXPRESSION).build();
        built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the expression is too large".to_owned(),
            error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddressForm {
    /// `R` in a `.pdb`: regular expression over displayed addresses to protect.
    ProtectedRegex,
    /// `H` in a `.pdb`: host.
    ProtectedHost,
    /// `X` in a `.wdb`: real and displayed address, regular expressions.
    AllowedRegexes,
    /// `Y` in a `.wdb`: real address, regular expression.
    AllowedRealRegex,
    /// `M` in a `.wdb`: real and displayed host.
    AllowedHosts,
}

/// `.gdb`: digests of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressDigest {
    /// 0 for `S`, else the digit of `S1`, `S2`.
    pub list: u8,
    pub form: DigestForm,
    /// Four bytes for a prefix, else 32.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestForm {
    /// `P`: first bytes of the digest of a host.
    Prefix,
    /// `F`
    Full,
    /// `W`: allowed.
    Allowed,
}

/// Everything that the phishing heuristics look up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phishing {
    pub protected: Vec<AddressPattern>,
    pub allowed: Vec<AddressPattern>,
    pub digests: Vec<AddressDigest>,
}

/// `.ftm`: a kind of file is known by these bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Magic {
    pub name: String,
    /// 0: bytes at the offset; 1: a signature string, searched for; 4: a partition.
    pub form: u8,
    /// As it was written: `0`, `*`, `EOF-512`, `0,1024`.
    pub offset: String,
    pub hex: String,
    /// The hexadecimal decoded, where it has no wildcards.
    pub bytes: Option<Vec<u8>>,
    pub required: FileType,
    pub detected: FileType,
}

/// `.pwdb`: tried on encrypted archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    pub name: String,
    /// Of this kind; [`FileType::any`] for every kind.
    pub container: FileType,
    pub password: Vec<u8>,
}
