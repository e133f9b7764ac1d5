//! A load generator: requests over connections that are kept open, as a proxy keeps them.
//!
//! It measures nothing by itself: the benches do, and print ratios of one run, because times of one machine say little about
//! another.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_io::{Peer, Serve};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection to a server, for one request after the other.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and reads the answer to its end.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or what comes is no answer with a length.
    pub async fn exchange(&mut self, request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
        self.0.write_all(&written(request)).await?;
        let status = self.line().await?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse::<StatusCode>().ok());
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status.ok_or_else(malformed)?;
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else { break };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
            let value = HeaderValue::from_str(value).map_err(|_| malformed())?;
            response.headers_mut().append(name, value);
        }
        let length = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let length: usize = length.map_or(Ok(0), |length| length.parse().map_err(|_| malformed()))?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        *response.body_mut() = body.into();
        Ok(response)
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }
}

fn written(request: &Request<Bytes>) -> Vec<u8> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut bytes = format!("{} {path} HTTP/1.1\r\nhost: server\r\n", request.method()).into_bytes();
    for (name, value) in request.headers().iter().filter(|(name, _)| **name != header::HOST) {
        bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body().len()).as_bytes());
    bytes.extend_from_slice(request.body());
    bytes
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is no answer with a length")
}

/// A server behind a socket, for whoever knows a [`Serve`]: a connection for each request. A connection that breaks is a 502.
#[derive(Clone, Copy, Debug)]
pub struct Remote(pub SocketAddr);

#[async_trait]
impl Serve for Remote {
    async fn serve(&self, request: Request<Bytes>, _: Peer) -> Response<Bytes> {
        let answered = async { Connection::open(self.0).await?.exchange(&request).await };
        answered.await.unwrap_or_else(|_| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn one_connection_serves_one_request_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            for body in ["first", "second"] {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap();
                }
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut connection = Connection::open(address).await.unwrap();
        let request = Request::get("/path?query").body(Bytes::new()).unwrap();
        for body in ["first", "second"] {
            assert_eq!(connection.exchange(&request).await.unwrap().body(), body);
        }
        server.await.unwrap();
        assert_eq!(Remote(address).serve(request, Peer(None)).await.status(), StatusCode::BAD_GATEWAY);
    }
}
