//! Which authorities' certificates are believed where TLS is spoken to others.
//!
//! In: the file that a configuration names, or nothing. Out: certificates in PEM: the system's own are read from where
//! systems keep them, so that no list of them has to come with us and grow old.

use std::path::Path;

/// Where systems keep the certificates of authorities; the first that exists counts.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/usr/local/etc/ssl/cert.pem",
];

/// `key`: of the configuration, for the message. Empty where the system has none.
pub fn pem(own: &Path, key: &str) -> anyhow::Result<Vec<u8>> {
    match own.as_os_str().is_empty() {
        false => std::fs::read(own).map_err(|error| anyhow::anyhow!("{key}: {}: {error}", own.display())),
        true => Ok(SYSTEM.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default()),
    }
}
