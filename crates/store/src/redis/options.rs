//! What may be set beside the URL.

use std::fmt;
use std::time::Duration;

use super::keys::Keys;
use super::url::RedisUrl;

/// What may be set beside the [`RedisUrl`](crate::RedisUrl). The default is meant for most.
#[derive(Clone)]
pub struct RedisOptions {
    pub(super) prefix: String,
    pub(super) authority: Option<Vec<u8>>,
    pub(super) connecting: Duration,
    pub(super) answering: Duration,
    pub(super) replicas: u32,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: "portcullis".to_owned(),
            authority: None,
            connecting: Duration::from_secs(2),
            answering: Duration::from_secs(5),
            replicas: 0,
        }
    }
}

impl RedisOptions {
    /// Begins every key, with a colon behind it. Those who share a server each have their own, and an ACL rule
    /// `~portcullis:*` for it; default `portcullis`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// What every key begins with.
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether this may be a [`prefix`](Self::prefix): 1 to 64 letters, digits, dots, dashes, underscores or colons.
    #[must_use]
    pub fn may_begin_keys(prefix: &str) -> bool {
        Keys::under(prefix).is_ok()
    }

    /// The same for another server than they were made for: it has replicas of its own, and what vouches for servers is nothing
    /// to one without TLS.
    #[must_use]
    pub fn for_another(mut self, url: &RedisUrl) -> Self {
        self.replicas = 0;
        self.authority = self.authority.filter(|_| url.tls);
        self
    }

    /// The certificates, as PEM, that vouch for the servers, in place of those that the system trusts.
    #[must_use]
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authority = Some(pem.into());
        self
    }

    /// How long a connection may take to come about, greeting and log-in included; default 2 s.
    #[must_use]
    pub const fn connecting(mut self, patience: Duration) -> Self {
        self.connecting = patience;
        self
    }

    /// How long an answer may take before the connection counts as broken; default 5 s. It must be well above the slowest
    /// `fsync` of the server: a commit that is given up too early is sent again, and the caller told nothing for as long.
    #[must_use]
    pub const fn answering(mut self, patience: Duration) -> Self {
        self.answering = patience;
        self
    }

    /// How many replicas must have received a commit or a claim before it is answered (`WAIT`); default none. Fewer within half of
    /// [`answering`](Self::answering) make it fail, and the store not ready.
    ///
    /// A failover then loses what was answered only if it promotes a replica that is not among them. Not for a Cluster.
    #[must_use]
    pub const fn wait_replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("connecting", &self.connecting)
            .field("answering", &self.answering)
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}
