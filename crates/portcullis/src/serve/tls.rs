//! TLS by two files, which are read again when they change.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use zeroize::Zeroizing;

/// How often it is looked whether the files have changed.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

/// Where a certificate and its key are, each as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those that lead from it to one that clients trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// What is wise to change, though it can be served: a key that everybody on the machine can read.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let open = is_read_by_all(&self.key);
        open.then(|| {
            format!(
                "everybody on this machine can read {key}, and with it stand in for this server; take that away, by chmod o-r {key}",
                key = self.key.display()
            )
        })
    }
}

#[cfg(unix)]
fn is_read_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_read_by_all(_: &Path) -> bool {
    false
}

/// Why there is no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM, or not what it should be.
    #[error("{} holds no {wanted} as PEM: {source}", .path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// They do not fit together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used: {0}")]
    Unfit(#[from] rustls::Error),
}

/// A certificate and its key, as they are now.
pub struct Tls {
    files: TlsFiles,
    now: RwLock<Loaded>,
}

struct Loaded {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says which one is wrong, and how.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let (certificate, key) = read(&files)?;
        let config = configured(&files, &certificate, &key)?;
        Ok(Self { files, now: RwLock::new(Loaded { certificate, key, config }) })
    }

    /// Reads the files again, and uses what is in them for new connections. Whether it is something else than before.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; what was used before is used then, which a pair needs that is replaced one after the other.
    pub fn read_again(&self) -> Result<bool, TlsError> {
        let (certificate, key) = read(&self.files)?;
        let same = {
            let now = self.now.read();
            now.certificate == certificate && now.key == key
        };
        if same {
            return Ok(false);
        }
        let config = configured(&self.files, &certificate, &key)?;
        *self.now.write() = Loaded { certificate, key, config };
        Ok(true)
    }

    /// Looks every ten seconds whether the files have changed, for as long as it is polled.
    pub async fn keep_reading(&self) {
        let mut looks = interval(LOOKED_AT_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match self.read_again() {
                Ok(true) => tracing::info!("the certificate has changed; new connections get it"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "the certificate has changed and cannot be used; the one before is");
                }
            }
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.now.read().config))
    }
}

fn read(files: &TlsFiles) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), TlsError> {
    let read =
        |path: &Path| fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source });
    Ok((read(&files.certificate)?, Zeroizing::new(read(&files.key)?)))
}

fn configured(files: &TlsFiles, certificate: &[u8], key: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    let not_pem = |path: &Path, wanted| {
        let path = path.to_owned();
        move |source| TlsError::NotPem { path, wanted, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .and_then(|chain: Vec<_>| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(not_pem(&files.certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(not_pem(&files.key, "private key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::super::tests::Slow;
    use super::super::{Room, bind, serve_tls};
    use super::*;

    struct Issued {
        certificate: String,
        key: String,
        root: CertificateDer<'static>,
    }

    fn issued() -> Issued {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Issued {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            root: made.cert.der().clone(),
        }
    }

    fn files_in(folder: &TempDir) -> TlsFiles {
        TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") }
    }

    async fn asked(address: std::net::SocketAddr, root: &CertificateDer<'static>) -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn a_certificate_that_changes_is_given_to_new_connections_and_a_broken_one_is_not() {
        let folder = TempDir::new().unwrap();
        let files = files_in(&folder);
        let (first, second) = (issued(), issued());
        fs::write(&files.certificate, &first.certificate).unwrap();
        fs::write(&files.key, &first.key).unwrap();
        let tls = Arc::new(Tls::open(files.clone()).unwrap());
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        let slow = Arc::new(Slow::default());
        let server = tokio::spawn(serve_tls(slow, listener, Room::of(10), tls.clone(), stopped));

        let answer = asked(address, &first.root).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("127.0.0.1"), "{answer}");
        assert!(asked(address, &second.root).await.is_err());
        assert!(!tls.read_again().unwrap(), "nothing has changed");

        // Between the two writes they do not fit together.
        fs::write(&files.certificate, &second.certificate).unwrap();
        assert!(matches!(tls.read_again(), Err(TlsError::Unfit(_))));
        assert!(asked(address, &first.root).await.is_ok());
        fs::write(&files.key, &second.key).unwrap();
        assert!(tls.read_again().unwrap());
        assert!(asked(address, &second.root).await.is_ok());
        assert!(asked(address, &first.root).await.is_err());

        // Who speaks no TLS gets no answer, and holds nobody up.
        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        stop.send(()).unwrap();
        server.await.unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_everybody_can_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = TempDir::new().unwrap();
        let files = files_in(&folder);
        assert_eq!(files.warning(), None);
        fs::write(&files.key, "").unwrap();
        for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            fs::set_permissions(&files.key, fs::Permissions::from_mode(mode)).unwrap();
            let warning = files.warning();
            assert_eq!(warning.is_some(), warned, "{mode:o}");
            assert!(warning.is_none_or(|told| told.contains("chmod o-r") && told.contains("key.pem")));
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_name() {
        let folder = TempDir::new().unwrap();
        let files = files_in(&folder);
        let (one, other) = (issued(), issued());
        let told = || Tls::open(files.clone()).err().unwrap().to_string();
        assert!(told().contains("cert.pem cannot be read"), "{}", told());
        fs::write(&files.certificate, "nothing").unwrap();
        fs::write(&files.key, &one.key).unwrap();
        assert!(told().contains("cert.pem holds no certificate as PEM"), "{}", told());
        fs::write(&files.certificate, &one.certificate).unwrap();
        fs::write(&files.key, &one.certificate).unwrap();
        assert!(told().contains("key.pem holds no private key as PEM"), "{}", told());
        fs::write(&files.key, &other.key).unwrap();
        assert!(told().contains("cannot be used"), "{}", told());
    }
}
