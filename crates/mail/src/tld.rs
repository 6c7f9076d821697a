//! Where does a registry end and a registrant begin? `www.example.co.jp` belongs to `example.co.jp`.
//!
//! In: the lists of `util_rb_tld`, `util_rb_2tld`, `util_rb_3tld`, or nothing (then the Public Suffix List that is
//! compiled in). Out: is this a name in a known top level, and which part of it did somebody register?
//! Follows SpamAssassin's RegistryBoundaries where rule files gave lists, since URI rules and block lists expect it.

use std::borrow::Cow;

/// Known top levels and the second and third levels under which registries sell names.
#[derive(Debug, Clone, Default)]
pub struct Registry {}

impl Registry {
    /// `tld`: lower-case top levels; `two` and `three`: "co.jp", "act.edu.au". International ones as `xn--`.
    pub fn new<'a>(
        tld: impl IntoIterator<Item = &'a str>,
        two: impl IntoIterator<Item = &'a str>,
        three: impl IntoIterator<Item = &'a str>,
    ) -> Registry {
        let _ = (tld.into_iter(), two.into_iter(), three.into_iter());
        Registry {}
    }

    /// Does the name end in a known top level, after at least one dot?
    pub fn is_domain_valid(&self, name: &[u8]) -> bool {
        let _ = name;
        false
    }

    /// `label` (without dots) is a known top level; ASCII case ignored.
    pub fn is_tld(&self, label: &[u8]) -> bool {
        let _ = label;
        false
    }

    /// The registered part of a name: `www.example.co.jp` to `example.co.jp`. ASCII case ignored.
    pub fn trim_domain<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        name
    }

    /// Host and registered domain of a URI, both lower case ASCII; `None` for what leads to no host of a known top level.
    /// An address literal is its own domain.
    pub fn uri_to_domain(&self, uri: &[u8]) -> Option<UriHost> {
        let _ = uri;
        None
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriHost {
    pub domain: Vec<u8>,
    pub host: Vec<u8>,
}

/// A host name in the form DNS asks for: `xn--` for what is not ASCII, other dots as ".", lower case.
pub fn idn_to_ascii(name: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(name)
}

/// At least two labels of letters, digits, "-" and "_" (the last two labels without "_"), none too long.
pub fn is_fqdn_valid(name: &[u8]) -> bool {
    let _ = name;
    false
}
