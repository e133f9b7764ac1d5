//! Handshakes of TLS that are slow, or stop in the middle.

use std::sync::Arc;
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use testkit::process::Process;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::honest::Pace;
use crate::server::{BOUND, PATIENCE, Server};
use crate::wire::{connect, drip, parsed, rest, statuses};

const HOST: &str = "auth.example.com";

struct Secured {
    server: Server,
    connector: TlsConnector,
}

impl Secured {
    async fn start() -> Self {
        let made = generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(at("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let settings = vec![
            ("PORTCULLIS_TLS_CERTIFICATE_FILE", at("cert.pem")),
            ("PORTCULLIS_TLS_KEY_FILE", at("key.pem")),
            ("PORTCULLIS_DATA", at("data")),
            ("PORTCULLIS_CLIENT_TIMEOUT", PATIENCE.to_owned()),
            ("PORTCULLIS_IDLE_TIMEOUT", PATIENCE.to_owned()),
        ];
        let process = Process::start(folder.path(), 0, settings);
        let connector = TlsConnector::from(Arc::new(trusting(made.cert.der().clone())));
        Self { server: Server { process, _folder: folder }, connector }
    }

    async fn shake_hands(&self) -> TlsStream<TcpStream> {
        let stream = connect(self.server.address()).await;
        let shaking = self.connector.connect(HOST.try_into().unwrap(), stream);
        timeout(BOUND, shaking).await.unwrap_or_else(|_| panic!("nobody shakes hands")).unwrap()
    }

    async fn serves(&self) {
        let mut stream = self.shake_hands().await;
        let ask = b"GET /started HTTP/1.1\r\nhost: auth.example.com\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        assert_eq!(statuses(&parsed(&rest(&mut stream).await)), [200]);
    }

    /// Before anything is attacked.
    async fn pace(&self) -> Pace {
        Pace::before(async || self.serves().await).await
    }

    async fn goes_on(&self, pace: &Pace) {
        for _ in 0..20 {
            pace.keeps(self.serves()).await;
        }
    }
}

fn trusting(root: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.unwrap().with_root_certificates(roots).with_no_client_auth()
}

/// What a client says first: its hello.
async fn hello(connector: &TlsConnector) -> Vec<u8> {
    let (mut ours, theirs) = tokio::io::duplex(64 * 1024);
    let shaking = connector.connect(HOST.try_into().unwrap(), theirs);
    let read = async {
        let mut first = vec![0; 64 * 1024];
        let length = ours.read(&mut first).await.unwrap();
        first.truncate(length);
        first
    };
    tokio::select! {
        first = read => first,
        _ = shaking => panic!("a handshake without an answer"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_that_are_slow_or_stop_are_cut_off_and_others_are_served() {
    let secured = Secured::start().await;
    let pace = secured.pace().await;
    let (memory, before) = (secured.server.memory(), secured.server.open_connections());
    let hello = hello(&secured.connector).await;
    // A handshake message may say that it is as long as 16 MiB.
    let endless = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 0x3ffc]].concat();
    let half = hello[..hello.len() / 2].to_vec();
    for first in [Vec::new(), vec![22], half, hello, endless, b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut crowd = JoinSet::new();
        for _ in 0..100 {
            let (first, to) = (first.clone(), secured.server.address());
            // Nothing more, and for half of them a byte a second.
            let every = Duration::from_secs(if crowd.len() % 2 == 0 { 1 } else { 3600 });
            crowd.spawn(async move { drip(connect(to).await, &first, &[0], every).await });
        }
        let (ends, ()) = tokio::join!(crowd.join_all(), secured.goes_on(&pace));
        let longest = ends.iter().map(|(_, took)| *took).max().unwrap();
        assert!(longest < BOUND, "{longest:?}");
        assert!(ends.iter().all(|(said, _)| !said.starts_with(b"HTTP")));
    }
    secured.server.lets_go(before).await;
    memory.peak_is_below(32 * 1024, "100 half handshakes at a time");
}

/// Behind the handshake it is as without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_that_are_slow_within_tls_are_cut_off_and_others_are_served() {
    let secured = Secured::start().await;
    let pace = secured.pace().await;
    let (memory, before) = (secured.server.memory(), secured.server.open_connections());
    let mut crowd = JoinSet::new();
    for _ in 0..100 {
        let stream = secured.shake_hands().await;
        crowd.spawn(drip(stream, b"GET /health HTTP/1.1\r\nhost: a\r\nx: ", b"a", Duration::from_secs(1)));
    }
    let (ends, ()) = tokio::join!(crowd.join_all(), secured.goes_on(&pace));
    assert!(ends.iter().all(|(said, took)| *took < BOUND && !said.starts_with(b"HTTP/1.1 200")));
    secured.server.lets_go(before).await;
    memory.peak_is_below(32 * 1024, "100 slow heads within TLS");
}
