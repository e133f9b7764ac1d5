//! The bytes of a connection, whose other end must go on: say the whole of a request, and take the answer.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::guests::Seat;
use super::patience::{Patience, timed_out};

/// A connection of somebody who is seated.
pub(super) struct Line<C> {
    connection: C,
    seat: Arc<Seat>,
    patience: Patience,
    // Runs while the rest of a head is missing.
    late: Option<Pin<Box<Sleep>>>,
    // Runs while nothing can be written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<C> Line<C> {
    pub(super) const fn new(connection: C, seat: Arc<Seat>, patience: Patience) -> Self {
        Self { connection, seat, patience, late: None, stuck: None }
    }

    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience.client;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        stuck.as_mut().poll(context).map(|()| Err(timed_out()))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Line<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.connection).poll_read(context, buffer);
        let length = buffer.filled().len() - before;
        if length > 0 {
            if self.seat.says(length)? {
                self.late = None;
            }
            return read;
        }
        if read.is_ready() || !self.seat.owes_a_head() {
            return read;
        }
        let patience = self.patience.client;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(patience)));
        late.as_mut().poll(context).map(|()| Err(timed_out()))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Line<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.connection).poll_flush(context);
        self.in_time(context, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.connection).poll_shutdown(context);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, bytes);
        self.in_time(context, written)
    }
}
