//! A connection, and the bytes on it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::server::BOUND;

/// Connects, and tries again for as long as everything may take: the queue of a listener may be full.
pub(crate) async fn connect(to: SocketAddr) -> TcpStream {
    let connected = timeout(BOUND, TcpStream::connect(to)).await;
    connected.unwrap_or_else(|_| panic!("nobody takes a connection")).unwrap()
}

/// What comes back for these bytes until the connection ends.
pub(crate) async fn answered(to: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = connect(to).await;
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes).await;
    parsed(&rest(&mut stream).await)
}

/// All that comes until the other end closes, or breaks off.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let ended = timeout(BOUND, stream.read_to_end(&mut all)).await;
    assert!(ended.is_ok(), "it is still open after {BOUND:?}, and said {:?}", String::from_utf8_lossy(&all));
    all
}

/// Says `first`, and then one byte after the other of `slowly`. What came back, and after how long it was over.
pub(crate) async fn drip(
    stream: impl AsyncRead + AsyncWrite,
    first: &[u8],
    slowly: &[u8],
    every: Duration,
) -> (Vec<u8>, Duration) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let began = Instant::now();
    let _ = writer.write_all(first).await;
    let writes = async {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for byte in slowly.iter().cycle() {
            ticks.tick().await;
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await
    };
    tokio::select! {
        all = rest(&mut reader) => (all, began.elapsed()),
        () = writes => (Vec::new(), began.elapsed()),
    }
}

/// Whether the other end has closed it.
pub(crate) fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header lines, in small letters.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The answers in these bytes, to requests other than HEAD, as far as they are whole.
pub(crate) fn parsed(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8(bytes[..end].to_ascii_lowercase()).unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {head}"));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        bytes = &bytes[end + 4..];
        let Some(body) = bytes.get(..length) else { break };
        bytes = &bytes[length..];
        answers.push(Answer { status, head, body: body.to_vec() });
    }
    answers
}

pub(crate) fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}
