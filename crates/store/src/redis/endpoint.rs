//! From a URL to something that can be connected to.

use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, TlsCertificates, TlsMode,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::fault::Fault;
use super::options::RedisOptions;
use super::url::{Login, Node, RedisUrl};

/// Requests that wait to be written to one connection. Who comes later waits for a place.
const QUEUE: usize = 512;

/// How often the driver follows a Cluster that changes within one request, and how long it waits between, in milliseconds.
/// While a slot moves, a request is sent back and forth when another one on the connection takes its `ASKING`.
const CLUSTER_TRIES: u32 = 16;
const CLUSTER_WAITS: (u64, u64) = (20, 500);

/// How often a machine is asked whether it is there while nothing is on the way, and how long it may leave everything
/// unacknowledged. One that vanishes closes no connection; one whose Redis is slow acknowledges all the same.
const ASKED_EVERY: Duration = Duration::from_secs(5);
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// How to reach a server, whichever it is.
#[derive(Clone)]
pub(super) struct Way {
    tls: bool,
    options: RedisOptions,
}

impl Way {
    pub(super) fn of(url: &RedisUrl, options: &RedisOptions) -> Result<Self, Fault> {
        if url.tls && CryptoProvider::get_default().is_none() {
            // Whoever comes first decides for the process; without it the driver would not know which to take.
            let _ = aws_lc_rs::default_provider().install_default();
        }
        if let Some(pem) = &options.authority {
            if !url.tls {
                return Err(Fault::Plain);
            }
            let mut certificates = CertificateDer::pem_slice_iter(pem);
            if certificates.next().is_none_or(|first| first.is_err()) {
                return Err(Fault::Authority);
            }
        }
        Ok(Self { tls: url.tls, options: options.clone() })
    }

    /// To a server that is known by its address.
    pub(super) fn to(&self, node: &Node, login: &Login, database: u16) -> Result<Client, Fault> {
        let info = self.info(node, login, database)?;
        Ok(match self.certificates() {
            Some(certificates) if self.tls => Client::build_with_tls(info, certificates)?,
            _ => Client::open(info)?,
        })
    }

    /// To a Cluster, by way of any of its nodes.
    pub(super) fn to_cluster(&self, nodes: &[Node], login: &Login) -> Result<ClusterClient, Fault> {
        let nodes = nodes.iter().map(|node| self.info(node, login, 0)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .connection_timeout(self.options.connecting)
            .response_timeout(self.options.answering)
            // Else it is the same, and leaves no time to be led elsewhere.
            .overall_response_timeout(Some(self.options.answering * 3))
            .retries(CLUSTER_TRIES)
            .min_retry_wait(CLUSTER_WAITS.0)
            .max_retry_wait(CLUSTER_WAITS.1)
            .tcp_settings(tcp());
        if self.tls {
            builder = builder.tls(TlsMode::Secure);
            if let Some(certificates) = self.certificates() {
                builder = builder.certs(certificates);
            }
        }
        Ok(builder.build()?)
    }

    /// How patient a connection is.
    pub(super) fn patience(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.connecting))
            .set_response_timeout(Some(self.options.answering))
            .set_pipeline_buffer_size(QUEUE)
    }

    fn info(&self, node: &Node, login: &Login, database: u16) -> Result<ConnectionInfo, Fault> {
        let (host, port) = (node.host.clone(), node.port);
        let address = match self.tls {
            true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(host, port),
        };
        let mut settings = RedisConnectionInfo::default().set_db(database.into());
        if let Some(user) = &login.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = login.password() {
            settings = settings.set_password(password);
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(tcp()))
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let authority = self.options.authority.clone();
        authority.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) })
    }
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(ASKED_EVERY).with_interval(ASKED_EVERY);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED);
    settings
}
