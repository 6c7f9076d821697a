//! HTTP and HTTPS: conditional requests, limits, and what a refusal means.

use super::super::progress::Progress;
use super::super::state::{Failure, Validator};
use super::{COOL_DOWN, shown, transport};
use crate::config;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Proxy};

pub struct Client {
    agent: Agent,
    limit: u64,
}

/// What a server answered.
#[derive(Debug)]
pub enum Got {
    NotModified,
    Body { bytes: Vec<u8>, validator: Validator },
}

/// However slowly a body drips, feeds are fetched one after the other, and the next one waits.
const LONGEST: Duration = Duration::from_secs(3600);
const CHUNK: usize = 64 << 10;
/// Longer than this no server can shut us out.
const LONGEST_COOL_DOWN: u64 = 7 * 24 * 3600;

impl Client {
    pub fn new(settings: &config::Feeds) -> anyhow::Result<Client> {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&authorities(settings)?))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let proxy = match settings.proxy.is_empty() {
            true => Proxy::try_from_env(),
            false => Some(Proxy::new(&settings.proxy).map_err(|error| anyhow::anyhow!("feeds.proxy: {error}"))?),
        };
        let timeout = settings.timeout.0;
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .http_status_as_error(false)
            .user_agent(concat!("sekisho/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(timeout))
            .timeout_connect(Some(timeout))
            .timeout_send_request(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(timeout))
            .timeout_recv_body(Some(LONGEST))
            .max_idle_connections(2)
            .build();
        Ok(Client { agent: Agent::new_with_config(config), limit: settings.size.0 })
    }

    /// `known`: what is had of it already.
    pub fn get(&self, url: &str, known: Option<&Validator>, progress: &Progress) -> Result<Got, Failure> {
        let failed = |error: ureq::Error| transport(format!("{}: {error}", shown(url)));
        // What is believed because of TLS comes by TLS alone, wherever the server sends us.
        let secure = url.starts_with("https://");
        let mut request = self.agent.get(url).config().https_only(secure).build();
        if let Some(known) = known.filter(|known| known.url == url) {
            if !known.etag.is_empty() {
                request = request.header("If-None-Match", &known.etag);
            }
            if !known.modified.is_empty() {
                request = request.header("If-Modified-Since", &known.modified);
            }
        }
        let mut response = request.call().map_err(failed)?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.filter(|value| value.len() <= 500).unwrap_or_default().to_owned()
        };
        match status {
            200 => {}
            304 if known.is_some() => return Ok(Got::NotModified),
            403 | 429 => {
                let asked: u64 = header("Retry-After").trim().parse().unwrap_or(0);
                return Err(Failure::CoolDown { status, seconds: asked.clamp(COOL_DOWN, LONGEST_COOL_DOWN) });
            }
            _ => return Err(transport(format!("{}: the server says {status}", shown(url)))),
        }
        let validator = Validator { url: url.to_owned(), etag: header("ETag"), modified: header("Last-Modified") };
        let length = response.body().content_length();
        let too_long = || {
            Failure::Refused(feeds::Refusal::Limit(format!(
                "{}: more than {} bytes (feeds.size)",
                shown(url),
                self.limit
            )))
        };
        if length.is_some_and(|length| length > self.limit) {
            return Err(too_long());
        }
        let mut reader = response.body_mut().with_config().limit(self.limit.saturating_add(1)).reader();
        let mut bytes = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => {
                    return Err(transport(format!("{}: cut off after {} bytes: {error}", shown(url), bytes.len())));
                }
            };
            bytes.extend_from_slice(&chunk[..read]);
            if bytes.len() as u64 > self.limit {
                return Err(too_long());
            }
            progress.bytes(bytes.len() as u64, length);
        }
        if length.is_some_and(|length| length != bytes.len() as u64) {
            return Err(transport(format!("{}: cut off after {} bytes", shown(url), bytes.len())));
        }
        Ok(Got::Body { bytes, validator })
    }

    /// A file of a few lines that belongs to another.
    pub fn get_small(&self, url: &str, progress: &Progress) -> Result<Vec<u8>, Failure> {
        match self.get(url, None, progress)? {
            Got::Body { bytes, .. } => Ok(bytes),
            Got::NotModified => Err(transport(format!("{}: nothing came", shown(url)))),
        }
    }
}

fn authorities(settings: &config::Feeds) -> anyhow::Result<Vec<ureq::tls::Certificate<'static>>> {
    let pem = crate::authorities::pem(&settings.authorities, "feeds.authorities")?;
    let items = ureq::tls::parse_pem(&pem).filter_map(Result::ok);
    Ok(items
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect())
}
