//! Bodies that are read before anybody knows whether they go on, and what they may take of the memory.

use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory for bodies of one protection, by who sends them: one permit is one byte.
pub(super) struct ReadAhead {
    known: Arc<Semaphore>,
    /// Of its own: whoever shows no credentials must not keep those out who do.
    anonymous: Arc<Semaphore>,
}

/// Why there is no whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unhad {
    /// It is longer than the limit.
    TooLarge,
    /// It ends before its end: the client is gone, or what it sends is no body.
    BrokenOff,
    /// Other bodies take all the memory that there is.
    NoRoom,
}

/// A whole body, and the room that it takes until this is dropped.
pub(super) struct Whole {
    pub(super) body: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl ReadAhead {
    /// For bodies of up to `limit` bytes, of which one alone always has room.
    pub(super) fn new(limit: usize) -> Self {
        let room = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self { known: room(KNOWN.max(limit)), anonymous: room(ANONYMOUS) }
    }

    /// The whole of `body`, if it has `limit` bytes at most. It takes room as it comes, and not as it is announced: whoever sends nothing
    /// keeps nobody out.
    pub(super) async fn whole<B, E>(&self, is_known: bool, body: B, limit: usize) -> Result<Whole, Unhad>
    where
        B: Stream<Item = Result<Bytes, E>>,
    {
        let room = if is_known { &self.known } else { &self.anonymous };
        let mut body = pin!(body);
        let mut read = BytesMut::new();
        let mut held: Option<OwnedSemaphorePermit> = None;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| Unhad::BrokenOff)?;
            if piece.len() > limit.saturating_sub(read.len()) {
                return Err(Unhad::TooLarge);
            }
            let bytes = u32::try_from(piece.len()).map_err(|_| Unhad::NoRoom)?;
            let more = Arc::clone(room).try_acquire_many_owned(bytes).map_err(|_| Unhad::NoRoom)?;
            match &mut held {
                Some(held) => held.merge(more),
                None => held = Some(more),
            }
            // A copy: the piece may be a small part of a buffer that it would keep.
            read.extend_from_slice(&piece);
        }
        Ok(Whole { body: read.freeze(), _room: held })
    }
}

/// The longest body that is read of somebody anonymous, in bytes.
pub(super) const ANONYMOUS_BODY_LIMIT: usize = 64 * 1024;
/// Together with [`ANONYMOUS`] 64 MiB.
const KNOWN: usize = 48 * 1024 * 1024;
const ANONYMOUS: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn of(bytes: usize) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::iter([Ok(Bytes::from(vec![b' '; bytes]))])
    }

    #[tokio::test]
    async fn a_body_has_room_until_it_is_dropped_and_nobody_takes_that_of_somebody_known() {
        let ahead = ReadAhead::new(1);
        let mut held = Vec::new();
        while let Ok(whole) = ahead.whole(false, of(ANONYMOUS_BODY_LIMIT), ANONYMOUS_BODY_LIMIT).await {
            held.push(whole);
        }
        assert_eq!(held.len(), ANONYMOUS / ANONYMOUS_BODY_LIMIT);
        assert_eq!(ahead.whole(false, of(1), 1).await.err(), Some(Unhad::NoRoom));
        assert!(ahead.whole(false, of(0), 1).await.is_ok(), "nothing takes no room");
        assert!(ahead.whole(true, of(1), 1).await.is_ok());
        held.pop();
        assert!(ahead.whole(false, of(1), 1).await.is_ok());
    }

    #[tokio::test]
    async fn one_body_at_the_limit_always_has_room() {
        let limit = KNOWN + 1;
        let ahead = ReadAhead::new(limit);
        let whole = ahead.whole(true, of(limit), limit).await.ok().unwrap();
        assert_eq!(whole.body.len(), limit);
        assert_eq!(ahead.whole(true, of(1), limit).await.err(), Some(Unhad::NoRoom));
        assert_eq!(ahead.whole(true, of(limit + 1), limit).await.err(), Some(Unhad::TooLarge));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_gives_its_room_back() {
        let ahead = ReadAhead::new(1);
        for _ in 0..2 {
            let pieces = [Ok(Bytes::from(vec![b' '; KNOWN])), Err(())];
            let broken = ahead.whole(true, stream::iter(pieces), KNOWN).await;
            assert_eq!(broken.err(), Some(Unhad::BrokenOff));
        }
    }
}
