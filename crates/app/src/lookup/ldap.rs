//! An entry of a directory as names and values (RFC 4511, RFC 4515).

use super::{Source, Values};
use crate::config::Lookup;
use anyhow::bail;
use ldap3::{LdapConn, LdapConnSettings, Scope, SearchEntry, SearchOptions, ldap_escape};
use std::sync::{Mutex, PoisonError};

pub struct Directory {
    settings: Lookup,
    idle: Mutex<Vec<LdapConn>>,
}

impl Directory {
    pub fn new(settings: &Lookup) -> Directory {
        Directory { settings: settings.clone(), idle: Mutex::default() }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<LdapConn>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> anyhow::Result<LdapConn> {
        let settings = LdapConnSettings::new().set_conn_timeout(self.settings.timeout.0);
        let mut directory = LdapConn::with_settings(settings, &self.settings.ldap)?;
        if !self.settings.bind_dn.is_empty() {
            let (name, password) = (&self.settings.bind_dn, &self.settings.bind_password);
            directory.with_timeout(self.settings.timeout.0).simple_bind(name, password)?.success()?;
        }
        Ok(directory)
    }

    fn search(&self, directory: &mut LdapConn, address: &str) -> ldap3::result::Result<Vec<SearchEntry>> {
        let filter = self.settings.filter.replace("{address}", &ldap_escape(address));
        let attributes: Vec<&str> = self.settings.attributes.keys().map(String::as_str).collect();
        let (entries, _) = directory
            .with_timeout(self.settings.timeout.0)
            .with_search_options(SearchOptions::new().sizelimit(2))
            .search(&self.settings.base, Scope::Subtree, &filter, attributes)?
            .success()?;
        Ok(entries.into_iter().map(SearchEntry::construct).collect())
    }
}

impl Source for Directory {
    fn ask(&self, address: &str) -> anyhow::Result<Option<Values>> {
        let kept = self.idle().pop();
        let again = kept.is_some();
        let mut directory = match kept {
            Some(directory) => directory,
            None => self.connect()?,
        };
        let found = match self.search(&mut directory, address) {
            // The server was restarted since.
            Err(_) if again => {
                directory = self.connect()?;
                self.search(&mut directory, address)?
            }
            found => found?,
        };
        self.idle().push(directory);
        if found.len() > 1 {
            bail!("{address} has several entries: {}, {}", found[0].dn, found[1].dn);
        }
        let Some(entry) = found.into_iter().next() else { return Ok(None) };
        let mut values = Values::new();
        for (attribute, key) in &self.settings.attributes {
            let value = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
            if let Some(value) = value.and_then(|(_, values)| values.first()) {
                values.insert(key.clone(), value.clone());
            }
        }
        Ok(Some(values))
    }
}
