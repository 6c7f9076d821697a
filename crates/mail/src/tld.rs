//! Top-level domains and registry boundaries (`util_rb_tld`, `util_rb_2tld`, `util_rb_3tld`).

#[derive(Debug, Clone, Default)]
pub struct Registry {}

impl Registry {
    /// The registered domain in `host`: "www.example.co.jp" to "example.co.jp".
    pub fn trim_domain<'h>(&self, host: &'h [u8]) -> &'h [u8] {
        host
    }

    /// Ends in a known top-level domain.
    pub fn is_domain_valid(&self, _host: &[u8]) -> bool {
        false
    }

    /// `label` (without dots) is a known top-level domain; ASCII case ignored.
    pub fn is_tld(&self, _label: &[u8]) -> bool {
        false
    }
}
