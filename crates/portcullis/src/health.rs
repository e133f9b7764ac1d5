//! Asking a running server how it is, for whatever watches it and has no HTTP client of its own.
//!
//! Each waits longer than the next one within, or gives up before it hears the reason:
//!
//! | | seconds |
//! |---|---|
//! | whatever runs `portcullis health`, or asks `/ready` itself (`deploy/`) | more than 5 |
//! | `portcullis health` ([`PATIENCE`]) | 5 |
//! | `/ready`, for its store ([`READY_WITHIN`]) | 3 |
//!
//! What the store does for other requests may take longer (`redis_timeout`): `/ready` does not wait for that.

mod pinned;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use http::Uri;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::serve::TlsError;

/// How long an answer may take in all.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long a store may take to say whether it is ready, before the server says that it does not.
pub const READY_WITHIN: Duration = Duration::from_secs(3);
/// More than any answer there is.
const LONGEST: u64 = 64 << 10;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is the process alive? (`/health`; it says nothing about the store.)
    Health,
    /// Can it do its work now? (`/ready`)
    Ready,
}

/// Why there is no good news.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HealthError {
    /// Not a URL.
    #[error("it is not a URL such as http://127.0.0.1:8414")]
    Url,
    /// A server that speaks TLS, and nothing to know it by.
    #[error(
        "{0} can be asked by who has its certificate: set PORTCULLIS_TLS_CERTIFICATE_FILE as for the server. If a proxy speaks TLS \
         before it, ask the server itself, by http"
    )]
    NoCertificate(String),
    /// The certificate cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody answers.
    #[error("{0} does not answer: {1}")]
    Silent(String, #[source] io::Error),
    /// Not in time.
    #[error("{0} does not answer within 5 seconds")]
    Late(String),
    /// Something else than 200.
    #[error("{url} answers {status}: {body}")]
    Unwell {
        /// Who was asked.
        url: String,
        /// Its status line, or what stands in its place.
        status: String,
        /// Why, in its own words.
        body: String,
    },
}

/// Asks the server at `base`, an `http://` URL, without a path or below one; or an `https://` URL of a server that has the certificate in
/// the file `certificate`, whatever name that is for. Answers what it says.
///
/// # Errors
///
/// [`HealthError`], for anything but 200.
pub async fn ask(base: &str, question: Question, certificate: Option<&Path>) -> Result<String, HealthError> {
    let url = format!("{}{question}", base.trim_end_matches('/'));
    let uri: Uri = url.parse().map_err(|_| HealthError::Url)?;
    let authority = uri.authority().ok_or(HealthError::Url)?;
    let (port, connector) = match (uri.scheme_str(), certificate) {
        (Some("http"), _) => (80, None),
        (Some("https"), Some(file)) => (443, Some(pinned::connector(file)?)),
        (Some("https"), None) => return Err(HealthError::NoCertificate(url)),
        _ => return Err(HealthError::Url),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let place = (host, authority.port_u16().unwrap_or(port));
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        uri.path()
    );
    let exchange = async {
        let stream = TcpStream::connect(place).await?;
        match connector {
            None => exchange(stream, &request).await,
            Some(connector) => {
                let name = host.to_owned().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
                exchange(connector.connect(name, stream).await?, &request).await
            }
        }
    };
    let answer = match timeout(PATIENCE, exchange).await {
        Ok(answer) => answer.map_err(|error| HealthError::Silent(url.clone(), error))?,
        Err(_) => return Err(HealthError::Late(url)),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ");
    if status.starts_with("200") {
        return Ok(body.to_owned());
    }
    let line =
        |text: &str| text.chars().filter(|character| !character.is_control()).take(500).collect::<String>();
    Err(HealthError::Unwell { url, status: line(status), body: line(body) })
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.take(LONGEST).read_to_end(&mut answer).await {
        // A server that ends a connection of TLS without saying so has said all that it had to say.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        Ok(_) | Err(_) => {}
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a server that listens on `listen` is asked from the same machine, if it speaks no TLS itself.
#[must_use]
pub fn base_of(listen: SocketAddr) -> String {
    format!("http://{}", reached(listen))
}

/// The same, if it does.
#[must_use]
pub fn tls_base_of(listen: SocketAddr) -> String {
    format!("https://{}", reached(listen))
}

fn reached(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(host, listen.port())
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use bytes::Bytes;
    use http::{Request, Response};
    use http_io::{Peer, Serve};
    use tokio::net::TcpListener;

    use super::*;
    use crate::serve::{Room, Tls, TlsFiles, serve_tls};

    /// A server that answers once, with these bytes.
    async fn answering(bytes: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = base_of(listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(bytes.as_bytes()).await.unwrap();
        });
        base
    }

    #[tokio::test]
    async fn only_200_is_good_news() {
        let base = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert_eq!(ask(&base, Question::Ready, None).await.unwrap(), "{}");
        let base = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"message\":\"gone\u{1b}[2J\"}").await;
        let told = ask(&base, Question::Ready, None).await.unwrap_err().to_string();
        assert!(told.contains("503 Service Unavailable") && told.contains("gone[2J"), "{told}");
        let base = answering("").await;
        assert!(ask(&base, Question::Ready, None).await.is_err());
    }

    #[tokio::test]
    async fn nobody_there_and_no_url_are_told() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(ask(&base_of(free), Question::Health, None).await, Err(HealthError::Silent(..))));
        for url in ["ftp://auth.example.com", "127.0.0.1:8414", "", "http://"] {
            assert!(matches!(ask(url, Question::Health, None).await, Err(HealthError::Url)), "{url}");
        }
        let secured = ask("https://127.0.0.1", Question::Health, None).await;
        assert!(matches!(secured, Err(HealthError::NoCertificate(_))));
    }

    #[tokio::test]
    async fn a_server_with_tls_is_known_by_its_certificate_and_by_no_other() {
        let folder = tempfile::TempDir::new().unwrap();
        let files = |name: &str| {
            let made = rcgen::generate_simple_self_signed(["auth.example.com".to_owned()]).unwrap();
            let of = |end: &str| folder.path().join(format!("{name}.{end}"));
            std::fs::write(of("pem"), made.cert.pem()).unwrap();
            std::fs::write(of("key"), made.signing_key.serialize_pem()).unwrap();
            TlsFiles { certificate: of("pem"), key: of("key") }
        };
        let (own, other) = (files("own"), files("other"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = tls_base_of(listener.local_addr().unwrap());
        let tls = Arc::new(Tls::open(own.clone()).unwrap());
        let well = Arc::new(Well) as Arc<dyn Serve>;
        tokio::spawn(serve_tls(well, listener, Room::of_this_process(None), tls, std::future::pending()));
        assert_eq!(ask(&base, Question::Health, Some(&own.certificate)).await.unwrap(), "well");
        let error = ask(&base, Question::Health, Some(&other.certificate)).await.unwrap_err();
        assert!(matches!(error, HealthError::Silent(..)), "{error}");
        let nowhere = ask(&base, Question::Health, Some(&folder.path().join("none"))).await;
        assert!(matches!(nowhere, Err(HealthError::Tls(_))));
    }

    struct Well;

    #[async_trait]
    impl Serve for Well {
        async fn serve(&self, _: Request<Bytes>, _: Peer) -> Response<Bytes> {
            Response::new(Bytes::from_static(b"well"))
        }
    }

    #[test]
    fn it_is_asked_where_it_listens() {
        for (listen, base) in [
            ("0.0.0.0:8414", "http://127.0.0.1:8414"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.7:1", "http://10.0.0.7:1"),
        ] {
            assert_eq!(base_of(listen.parse().unwrap()), base);
        }
    }
}
