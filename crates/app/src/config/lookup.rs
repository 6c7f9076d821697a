//! Where the wishes of single recipients are kept, beside our own store.

use super::units::Span;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lookup {
    /// `postgresql://...` or `sqlite:/path`; empty: none.
    pub sql: String,
    /// One parameter, the address; a row's columns are named as the keys of `[actions]`.
    pub query: String,
    /// `ldap://host:389` or `ldapi://%2Frun%2Fslapd%2Fldapi`; empty: none.
    pub ldap: String,
    pub bind_dn: String,
    pub bind_password: String,
    pub base: String,
    pub filter: String,
    /// LDAP attribute to key of `[actions]`.
    pub attributes: BTreeMap<String, String>,
    /// An answer is good for so long.
    pub cache: Span,
    pub timeout: Span,
    pub on_error: OnError,
}

/// What becomes of a message whose recipient's wishes cannot be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It gets what holds for everybody.
    Ignore,
    Defer,
}

impl Default for Lookup {
    fn default() -> Self {
        Lookup {
            sql: String::new(),
            query: "SELECT * FROM sekisho_policy WHERE address = $1".into(),
            ldap: String::new(),
            bind_dn: String::new(),
            bind_password: String::new(),
            base: String::new(),
            filter: "(mail={address})".into(),
            attributes: BTreeMap::new(),
            cache: Span::seconds(60),
            timeout: Span::seconds(5),
            on_error: OnError::Ignore,
        }
    }
}

impl Lookup {
    pub fn check(&self) -> Result<(), String> {
        if !self.sql.is_empty()
            && !["postgresql:", "postgres:", "sqlite:"].iter().any(|kind| self.sql.starts_with(kind))
        {
            return Err("lookup: sql is neither \"postgresql://user@host/database\" nor \"sqlite:/path\"".into());
        }
        if !self.ldap.is_empty() {
            if !["ldap://", "ldapi://"].iter().any(|kind| self.ldap.starts_with(kind)) {
                return Err(
                    "lookup: ldap is neither \"ldap://host:389\" nor \"ldapi://%2Fpath\"; TLS is not spoken".into()
                );
            }
            if self.attributes.is_empty() || !self.filter.contains("{address}") {
                return Err(
                    "lookup: ldap needs attributes = { ldapAttribute = \"spam\" } and {address} in its filter".into()
                );
            }
        }
        for key in self.attributes.values() {
            if !super::Changes::has(key) {
                return Err(format!("lookup: attributes name {key:?}, which is no key of [actions]"));
            }
        }
        if self.timeout.0.is_zero() {
            return Err("lookup: timeout must be longer than nothing".into());
        }
        Ok(())
    }
}
