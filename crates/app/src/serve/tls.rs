//! TLS, both ends: what STARTTLS on our listeners needs, and what the next hop's STARTTLS needs.
//!
//! rustls with ring, so that the build needs no more than gcc. A next hop's certificate is checked where there is
//! something to check it against (`relay.ca`); without that the connection is encrypted and no more, as between mail
//! servers in general.

use crate::config::relay::{Relay, RelayTls};
use anyhow::Context;
use protocols::Tls;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, CommonState, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What the configuration names, read and found usable.
pub struct Certificates {
    /// `None`: STARTTLS is not offered.
    pub acceptor: Option<TlsAcceptor>,
    /// `None`: TLS is not wanted towards the next hop.
    pub connector: Option<TlsConnector>,
}

impl Certificates {
    pub fn load(relay: &Relay) -> anyhow::Result<Certificates> {
        let acceptor = if relay.certificate.as_os_str().is_empty() {
            None
        } else {
            Some(acceptor(&relay.certificate, &relay.key)?)
        };
        let connector = if relay.tls == RelayTls::Never { None } else { Some(connector(&relay.ca)?) };
        Ok(Certificates { acceptor, connector })
    }
}

fn chain(file: &Path, what: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let place = || format!("relay: {what} {}", file.display());
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|error| anyhow::anyhow!("{error}")).with_context(place)?.collect();
    let certificates = certificates.map_err(|error| anyhow::anyhow!("{error}")).with_context(place)?;
    if certificates.is_empty() {
        anyhow::bail!("{}: no certificate in it; expected PEM, -----BEGIN CERTIFICATE-----", place());
    }
    Ok(certificates)
}

fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = chain(certificate, "certificate")?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        anyhow::anyhow!("relay: key {}: {error}; expected an unencrypted key in PEM", key.display())
    })?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .with_context(|| format!("relay: certificate {} with key {}", certificate.display(), key.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn connector(ca: &Path) -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .context("relay: tls")?;
    let config = if ca.as_os_str().is_empty() {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for certificate in chain(ca, "ca")? {
            roots.add(certificate).with_context(|| format!("relay: ca {}", ca.display()))?;
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What is known of a connection after its handshake.
pub fn facts(state: &CommonState) -> Tls {
    Tls {
        version: state.protocol_version().and_then(|version| version.as_str()).map(str::to_owned),
        cipher: state.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).map(str::to_owned),
        ..Tls::default()
    }
}

/// Takes every certificate; whoever shows it must still hold its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
