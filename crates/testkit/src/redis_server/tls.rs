//! What servers are told of TLS.

use std::path::PathBuf;

use tempfile::TempDir;

use super::free_port;

/// A certificate for servers, which vouches for itself, and its key.
pub struct RedisTls {
    folder: TempDir,
}

impl RedisTls {
    /// Of two texts in PEM.
    ///
    /// # Panics
    ///
    /// If they cannot be written into a folder of their own.
    #[must_use]
    pub fn new(certificate: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(CERTIFICATE), certificate).expect("it can be written");
        std::fs::write(folder.path().join(KEY), key).expect("it can be written");
        Self { folder }
    }

    /// As the command line of a server has it, with these words behind.
    pub(super) fn arguments(&self, more: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        for (name, value) in self.settings() {
            words.extend([format!("--{name}"), value]);
        }
        words.extend(more.iter().map(|&word| word.to_owned()));
        words
    }

    /// As the configuration of a Sentinel has it, with these lines behind.
    pub(super) fn lines(&self, more: &[&str]) -> String {
        let settings = self.settings().map(|(name, value)| format!("{name} {value}\n"));
        settings.into_iter().chain(more.iter().map(|line| format!("{line}\n"))).collect()
    }

    fn settings(&self) -> [(&'static str, String); 5] {
        let certificate = self.file(CERTIFICATE);
        [
            ("tls-port", free_port().to_string()),
            ("tls-ca-cert-file", certificate.clone()),
            ("tls-cert-file", certificate),
            ("tls-key-file", self.file(KEY)),
            ("tls-auth-clients", "no".to_owned()),
        ]
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().expect("a plain path").to_owned()
    }
}

const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
