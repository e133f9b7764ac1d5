//! TLS of a mail server.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// A certificate for this machine that nobody but itself vouches for, and its key.
#[derive(Clone)]
pub struct Certificate {
    pem: String,
    config: Arc<ServerConfig>,
}

/// Why there is no [`Certificate`].
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It was not made.
    #[error(transparent)]
    Made(#[from] rcgen::Error),
    /// It cannot be used.
    #[error(transparent)]
    Used(#[from] rustls::Error),
}

impl Certificate {
    /// A new one for `names`, which are host names or addresses.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn of(names: &[&str]) -> Result<Self, CertificateError> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        Ok(Self { pem: cert.pem(), config: Arc::new(config) })
    }

    /// The certificate as PEM: whoever has it among their roots trusts the server.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(..)")
    }
}
