//! Sending beside the request.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use authz_core::{AccountEvent, Context, Event, Events};
use store::PersonId;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Letter, Mail, MailError};

/// Takes letters from requests and sends them when those have been answered: who gets one, and whether the mail server is well, is
/// not to be told from the time that an answer takes.
///
/// What waits is lost when the process ends; whoever misses a letter asks for another.
pub(crate) struct Post {
    mail: Arc<dyn Mail>,
    sending: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    counts: Counts,
}

/// How many letters there were since the process began.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
}

/// Letters that are sent at once.
const AT_ONCE: usize = 4;
/// Letters and errands that wait. Beyond it a new one is dropped: it is a flood, or the mail server is gone.
const WAITING: usize = 1000;
/// How long a mail server may take for one letter.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before each next try.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

impl Post {
    pub(crate) fn new(mail: Arc<dyn Mail>) -> Self {
        Self {
            mail,
            sending: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            counts: Counts::default(),
        }
    }

    /// Letters that went out, and those that did not, since the process began.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts.sent.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }

    /// Does an errand that ends in a letter, or in none, when the request has been answered; tells `events` of a letter that does not
    /// go out.
    pub(crate) fn later(
        self: &Arc<Self>,
        events: Arc<dyn Events>,
        errand: impl Future<Output = Option<Outgoing>> + Send + 'static,
    ) {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!("too many letters wait; one is dropped");
            return;
        };
        let post = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(outgoing) = errand.await {
                post.send(&outgoing, &*events).await;
            }
            drop(place);
        });
    }

    /// Waits until nothing is under way.
    pub(crate) async fn all_done(&self) {
        let all = u32::try_from(WAITING).unwrap_or(u32::MAX);
        let _all = self.waiting.acquire_many(all).await;
    }

    async fn send(&self, outgoing: &Outgoing, events: &dyn Events) {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.try_once(&outgoing.letter).await {
                Ok(()) => {
                    self.counts.sent.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) => error,
            };
            match (&error, pauses.next()) {
                (MailError::Unreachable(_), Some(pause)) => {
                    tracing::warn!(%error, "a letter is tried again in a while");
                    sleep(*pause).await;
                }
                (MailError::Unreachable(_) | MailError::Refused(_), _) => {
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "a letter could not be sent");
                    let event = AccountEvent::MailFailed { person: outgoing.person.clone() };
                    events.tell_with(&Event::from(event), &outgoing.context);
                    return;
                }
            }
        }
    }

    async fn try_once(&self, letter: &Letter) -> Result<(), MailError> {
        // Never closed.
        let _turn = self.sending.acquire().await;
        timeout(PATIENCE, self.mail.send(letter))
            .await
            .unwrap_or_else(|elapsed| Err(MailError::Unreachable(Box::new(elapsed))))
    }
}

/// A letter, and for the audit trail whom it was for.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) letter: Letter,
    pub(crate) person: Option<PersonId>,
    pub(crate) context: Context,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("counts", &self.counts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;
    use crate::email::Email;

    /// A mail server that answers so many times that it is away, and tells of each try.
    struct Moody {
        away: Mutex<u32>,
        tried: UnboundedSender<()>,
    }

    #[async_trait]
    impl Mail for Moody {
        async fn send(&self, _: &Letter) -> Result<(), MailError> {
            let mut away = self.away.lock().unwrap();
            let _listening = self.tried.send(());
            if *away == 0 {
                return Ok(());
            }
            *away -= 1;
            Err(MailError::Unreachable("away".into()))
        }
    }

    struct Told(UnboundedSender<Event>);

    impl Events for Told {
        fn tell(&self, event: &Event) {
            let _listening = self.0.send(event.clone());
        }
    }

    fn outgoing() -> Option<Outgoing> {
        let to = Email::parse("ada@example.com").unwrap();
        let letter = Letter { to, subject: "Hello".to_owned(), text: "A line.\n".to_owned() };
        Some(Outgoing { letter, person: None, context: Context::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_is_tried_again_while_the_server_is_away() {
        for (away, tries, counts) in [(0, 1, (1, 0)), (2, 3, (1, 0)), (9, 3, (0, 1))] {
            let ((tried, mut tries_seen), (told, mut events)) = (unbounded_channel(), unbounded_channel());
            let moody = Moody { away: Mutex::new(away), tried };
            let post = Arc::new(Post::new(Arc::new(moody)));
            post.later(Arc::new(Told(told)), async { outgoing() });
            for _ in 0..tries {
                tries_seen.recv().await.unwrap();
            }
            if counts.1 == 1 {
                let event = events.recv().await.unwrap();
                assert_eq!(event, Event::from(AccountEvent::MailFailed { person: None }));
            }
            // The task gives its place back when all is done.
            let _all = post.waiting.acquire_many(u32::try_from(WAITING).unwrap()).await.unwrap();
            assert_eq!(post.counts(), counts);
            assert!(tries_seen.try_recv().is_err());
        }
    }

    #[tokio::test]
    async fn beyond_what_may_wait_letters_are_dropped() {
        let (tried, mut tries) = unbounded_channel();
        let (told, _) = unbounded_channel();
        let moody = Moody { away: Mutex::new(0), tried };
        let (post, told) = (Arc::new(Post::new(Arc::new(moody))), Arc::new(Told(told)));
        let all = post.waiting.clone().acquire_many_owned(u32::try_from(WAITING).unwrap()).await.unwrap();
        post.later(told.clone(), async { outgoing() });
        assert_eq!(post.counts(), (0, 1));
        drop(all);
        post.later(told, async { outgoing() });
        tries.recv().await.unwrap();
    }
}
