//! How long a client is waited for.

use std::future::Future as _;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::HttpBody;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// How long a client is waited for. What takes longer ends its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The handshake of TLS with the head of the first request; the head of a request; its body; each piece of an answer that
    /// is taken.
    pub client: Duration,
    /// From an answer to the next request.
    pub idle: Duration,
}

impl Default for Patience {
    /// 30 seconds; 150 between requests, which is longer than most proxies keep a connection that they may use again.
    fn default() -> Self {
        Self { client: Duration::from_secs(30), idle: Duration::from_secs(150) }
    }
}

/// A body that must be here in time.
pub(super) struct Hurried {
    body: Incoming,
    late: Pin<Box<Sleep>>,
}

impl Hurried {
    pub(super) fn new(body: Incoming, patience: Patience) -> Self {
        Self { body, late: Box::pin(sleep(patience.client)) }
    }
}

impl HttpBody for Hurried {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // First the time: one who sends a byte whenever it is looked for would never be late.
        if self.late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(timed_out()))));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map(|frame| frame.map(|frame| frame.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pub(super) fn timed_out() -> io::Error {
    io::Error::from(ErrorKind::TimedOut)
}
