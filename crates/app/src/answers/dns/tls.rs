//! DNS over TLS (RFC 7858): connections to name servers whose certificates are checked.
//!
//! In: the library's wish for a connection to a server. Out: the connection, or none; why there is none is said once, with
//! what to do. Servers in plain text pass through. The library opens a connection for each question that finds none, and
//! tries a server again for every question however often its certificate was refused; so here whoever comes while one
//! connects waits for that one, and a server that failed is left alone for a while. Nothing ever falls back to plain text.

use crate::authorities;
use crate::config::dns::{Dns, Server};
use anyhow::Context;
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::DnsExchange;
use hickory_resolver::{ConnectionProvider, PoolContext};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};

/// Where what is noticed is told.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Makes the library's connections.
#[derive(Clone)]
pub struct Connections {
    plain: TokioRuntimeProvider,
    encrypted: Arc<HashMap<SocketAddr, Arc<Encrypted>>>,
    timeout: Duration,
    tell: Tell,
}

/// A server that is spoken to over TLS.
struct Encrypted {
    server: Server,
    /// Connections tried to the end.
    tried: AtomicU64,
    /// Held by whoever connects.
    last: Mutex<Last>,
}

/// How the last connection came out.
#[derive(Default)]
struct Last {
    connection: Option<DnsExchange<TokioRuntimeProvider>>,
    /// Why there is none.
    trouble: String,
    /// Since the last success.
    failures: u32,
    /// Left alone until then.
    rests: Option<Instant>,
    told: Option<Instant>,
}

/// A server that failed is left alone for so long, doubled each time ...
const REST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// The same trouble is told again after this.
const TELL_AGAIN: Duration = Duration::from_secs(600);

impl Connections {
    pub fn new(settings: &Dns, servers: &[Server], tell: &Tell) -> Connections {
        let encrypted = servers.iter().filter(|server| server.certificate.is_some());
        let each = encrypted.map(|server| {
            let one = Encrypted { server: server.clone(), tried: AtomicU64::new(0), last: Mutex::default() };
            (server.address, Arc::new(one))
        });
        Connections {
            plain: TokioRuntimeProvider::default(),
            encrypted: Arc::new(each.collect()),
            timeout: settings.timeout.0,
            tell: tell.clone(),
        }
    }
}

type Connecting = Pin<Box<dyn Future<Output = Result<DnsExchange<TokioRuntimeProvider>, NetError>> + Send>>;

impl ConnectionProvider for Connections {
    type Conn = DnsExchange<TokioRuntimeProvider>;
    type FutureConn = Connecting;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        context: &PoolContext,
    ) -> Result<Connecting, NetError> {
        let connecting = self.plain.new_connection(ip, config, context)?;
        if !matches!(config.protocol, ProtocolConfig::Tls { .. }) {
            return Ok(connecting);
        }
        let Some(server) = self.encrypted.get(&SocketAddr::new(ip, config.port)).cloned() else {
            return Err(NetError::NoConnections);
        };
        let before = server.tried.load(Ordering::SeqCst);
        let (timeout, tell) = (self.timeout, self.tell.clone());
        Ok(Box::pin(async move {
            // A question that gives up takes nobody's connection with it.
            let connected = tokio::spawn(async move { server.connect(before, connecting, timeout, &tell).await });
            connected.await.ok().flatten().ok_or(NetError::NoConnections)
        }))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.plain
    }
}

impl Encrypted {
    /// `before`: how many had been tried when this one was wished for.
    async fn connect(
        &self,
        before: u64,
        connecting: Connecting,
        timeout: Duration,
        tell: &Tell,
    ) -> Option<DnsExchange<TokioRuntimeProvider>> {
        let mut last = self.last.lock().await;
        if self.tried.load(Ordering::SeqCst) > before {
            return last.connection.clone();
        }
        if last.rests.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let made = tokio::time::timeout(timeout, connecting).await.unwrap_or(Err(NetError::Timeout));
        self.tried.fetch_add(1, Ordering::SeqCst);
        match made {
            Ok(connection) => {
                if last.failures > 0 {
                    tell(&format!("dns: {} can be asked again", self.server));
                }
                *last = Last { connection: Some(connection.clone()), ..Last::default() };
                Some(connection)
            }
            Err(error) => {
                let trouble = self.server.trouble(&error, timeout);
                let now = Instant::now();
                let due = last.told.is_none_or(|told| now - told >= TELL_AGAIN);
                if due || trouble != last.trouble {
                    tell(&format!("dns: {} is not asked: {trouble}", self.server));
                    last.told = Some(now);
                }
                last.rests = Some(now + REST.saturating_mul(1 << last.failures.min(10)).min(LONGEST_REST));
                last.failures = last.failures.saturating_add(1);
                last.connection = None;
                last.trouble = trouble;
                None
            }
        }
    }
}

/// What certificates are checked against. `None`: no server is spoken to over TLS.
pub fn trust(settings: &Dns) -> anyhow::Result<Option<(ClientConfig, Vec<u8>)>> {
    if settings.servers.iter().all(|server| server.certificate.is_none()) {
        return Ok(None);
    }
    let pem = authorities::pem(&settings.authorities, "dns.authorities")?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok) {
        // Systems keep some that are too odd to be read.
        let _ = roots.add(certificate);
    }
    if roots.is_empty() {
        let place = match settings.authorities.as_os_str().is_empty() {
            true => "the system has no certificates of authorities: install them (ca-certificates), or name a file of \
                     them in [dns] authorities"
                .to_owned(),
            false => format!(
                "authorities: {}: no certificate in it; expected PEM, -----BEGIN CERTIFICATE-----",
                settings.authorities.display()
            ),
        };
        anyhow::bail!(place);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some((config, pem)))
}

impl Server {
    /// A handshake and nothing else: the version of TLS that was agreed on, or what is wrong.
    pub async fn shake_hands(&self, trust: &ClientConfig, timeout: Duration) -> Result<&'static str, String> {
        let Some(name) = &self.certificate else { return Ok("plain text") };
        let work = async {
            let stream = tokio::net::TcpStream::connect(self.address).await?;
            let mut trust = trust.clone();
            // As the library does it.
            trust.enable_sni = false;
            TlsConnector::from(Arc::new(trust)).connect(name.clone(), stream).await
        };
        let made = tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        let stream = made.map_err(|error| self.trouble(&NetError::from(error), timeout))?;
        Ok(stream.get_ref().1.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS"))
    }

    /// What is wrong, and what to do about it.
    fn trouble(&self, error: &NetError, timeout: Duration) -> String {
        let port = self.address.port();
        let io = match error {
            NetError::Timeout => {
                return format!("no connection within {timeout:?}: is port {port} open on the way (firewall)?");
            }
            NetError::Io(io) => io,
            other => return other.to_string(),
        };
        match io.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(wrong)) => self.refused(wrong),
            Some(Error::InvalidMessage(_)) => {
                format!("what listens on port {port} does not speak TLS; usual is port 853")
            }
            Some(other) => format!("TLS: {other}"),
            None => match io.kind() {
                ErrorKind::ConnectionRefused => {
                    format!(
                        "nothing listens on port {port} there: is it the right port, does the server offer DNS over TLS?"
                    )
                }
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                    format!("it broke off the handshake: does it speak DNS over TLS on port {port}?")
                }
                _ => io.to_string(),
            },
        }
    }

    fn refused(&self, wrong: &CertificateError) -> String {
        match wrong {
            CertificateError::NotValidForName => {
                format!("its certificate does not bear {}: write the name that it bears behind a #", self.bears())
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names: Vec<&str> = presented.iter().take(5).map(String::as_str).collect();
                let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
                format!(
                    "its certificate does not bear {} but {names}: if that is the server you mean, write the name \
                     behind a #, else somebody stands in between",
                    self.bears()
                )
            }
            CertificateError::UnknownIssuer => {
                "its certificate comes from no authority that counts here: if you trust \
                                                the server, name the file of its authority in [dns] authorities"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: have it renewed there, or set the clock here".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: set the clock here".to_owned()
            }
            CertificateError::Revoked => "its certificate was revoked: ask who runs the server".to_owned(),
            other => format!("its certificate is not accepted ({other}): ask who runs the server for another"),
        }
    }

    fn bears(&self) -> String {
        match &self.certificate {
            Some(ServerName::DnsName(name)) => format!("the name {}", name.as_ref()),
            _ => format!("the address {}", self.address.ip()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dns::server;

    #[test]
    fn reasons_come_with_a_remedy() {
        let server = server("tls://192.0.2.53#ns.example").unwrap();
        let of = |error: std::io::Error| server.trouble(&NetError::from(error), Duration::from_secs(2));
        let tls = |error: Error| of(std::io::Error::new(ErrorKind::InvalidData, error));
        let certificate = |error| tls(Error::InvalidCertificate(error));
        for (said, expected) in [
            (of(ErrorKind::ConnectionRefused.into()), "nothing listens on port 853"),
            (of(ErrorKind::UnexpectedEof.into()), "broke off the handshake"),
            (certificate(CertificateError::UnknownIssuer), "[dns] authorities"),
            (certificate(CertificateError::Expired), "has expired"),
            (certificate(CertificateError::NotValidForName), "does not bear the name ns.example"),
            (certificate(CertificateError::BadSignature), "ask who runs the server"),
            (server.trouble(&NetError::Timeout, Duration::from_secs(2)), "within 2s"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }
}
