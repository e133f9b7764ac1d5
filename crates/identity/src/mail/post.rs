//! Sending beside the request.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use authz_core::{AccountEvent, Context, Event, Events};
use store::PersonId;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Letter, Mail, MailError};

/// Takes letters from requests and sends them when those have been answered: who gets one, and whether the mail server is well, is
/// not to be told from the time that an answer takes.
///
/// What waits when the process ends has [some time](Self::all_done) left, and is lost then.
pub(crate) struct Post {
    mail: Arc<dyn Mail>,
    anybodys: Lane,
    forgotten: Lane,
    owners: Lane,
    counts: Counts,
    // Closed when there is no time left to wait in.
    patience: Semaphore,
}

/// Who asks for a letter. A flood of one kind takes no place, and no turn, of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Strangers: sign-ups, and addresses that are to be confirmed.
    Anybodys,
    /// Strangers, too, as far as anybody knows: links to a new password.
    Forgotten,
    /// Nobody: owners are told what happened to their accounts. And administrators.
    Owners,
}

/// A queue, with places of its own.
struct Lane {
    sending: Semaphore,
    waiting: Arc<Semaphore>,
}

impl Lane {
    fn new() -> Self {
        Self { sending: Semaphore::new(AT_ONCE), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

/// How many letters there were since the process began.
#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
}

/// Letters of a queue that are sent at once.
const AT_ONCE: usize = 4;
/// Letters and errands that wait in a queue. Beyond it a new one is dropped: it is a flood, or the mail server is gone.
const WAITING: usize = 1000;
/// How long an errand waits, so that the answer is out before the work begins that only some addresses are worth.
const A_MOMENT: Duration = Duration::from_millis(50);
/// How long a mail server may take for one letter.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before each next try.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];

impl Post {
    pub(crate) fn new(mail: Arc<dyn Mail>) -> Self {
        Self {
            mail,
            anybodys: Lane::new(),
            forgotten: Lane::new(),
            owners: Lane::new(),
            counts: Counts::default(),
            patience: Semaphore::new(0),
        }
    }

    /// Letters that went out, and those that did not, since the process began.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts.sent.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }

    /// Does an errand that ends in a letter, or in none, when the request has been answered; tells `teller` of a letter that does not
    /// go out.
    pub(crate) fn later(
        self: &Arc<Self>,
        queue: Queue,
        teller: Teller,
        errand: impl Future<Output = Option<Outgoing>> + Send + 'static,
    ) {
        let Ok(place) = Arc::clone(&self.lane(queue).waiting).try_acquire_owned() else {
            tracing::error!("too many letters wait; one is dropped");
            self.failed(&teller);
            return;
        };
        let post = Arc::clone(self);
        tokio::spawn(async move {
            let _closed = timeout(A_MOMENT, post.patience.acquire()).await;
            if let Some(Outgoing { letter, person }) = errand.await {
                let person = person.or_else(|| teller.person.clone());
                post.send(queue, &letter, &Teller { person, ..teller }).await;
            }
            drop(place);
        });
    }

    /// Sends a letter now, and tries once. Answers whether it went out.
    pub(crate) async fn now(&self, queue: Queue, letter: &Letter, teller: &Teller) -> bool {
        match self.try_once(queue, letter).await {
            Ok(()) => {
                self.counts.sent.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(error) => {
                tracing::error!(%error, "a letter could not be sent");
                self.failed(teller);
                false
            }
        }
    }

    /// Waits until nothing is under way. What is between two tries is tried at once.
    pub(crate) async fn all_done(&self) {
        self.patience.close();
        let all = u32::try_from(WAITING).unwrap_or(u32::MAX);
        for lane in [&self.anybodys, &self.forgotten, &self.owners] {
            let _all = lane.waiting.acquire_many(all).await;
        }
    }

    fn lane(&self, queue: Queue) -> &Lane {
        match queue {
            Queue::Anybodys => &self.anybodys,
            Queue::Forgotten => &self.forgotten,
            Queue::Owners => &self.owners,
        }
    }

    fn failed(&self, Teller { events, context, person }: &Teller) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let event = AccountEvent::MailFailed { person: person.clone() };
        events.tell_with(&Event::from(event), context);
    }

    async fn send(&self, queue: Queue, letter: &Letter, teller: &Teller) {
        let mut pauses = PAUSES.iter();
        loop {
            let error = match self.try_once(queue, letter).await {
                Ok(()) => {
                    self.counts.sent.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Err(error) => error,
            };
            match (&error, pauses.next()) {
                (MailError::Unreachable(_), Some(pause)) => {
                    tracing::warn!(%error, "a letter is tried again in a while");
                    let _closed = timeout(*pause, self.patience.acquire()).await;
                }
                (MailError::Unreachable(_) | MailError::Refused(_), _) => {
                    tracing::error!(%error, "a letter could not be sent");
                    self.failed(teller);
                    return;
                }
            }
        }
    }

    async fn try_once(&self, queue: Queue, letter: &Letter) -> Result<(), MailError> {
        // Never closed.
        let _turn = self.lane(queue).sending.acquire().await;
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
}

/// Who hears of a letter that does not go out, and of whose.
pub(crate) struct Teller {
    pub(crate) events: Arc<dyn Events>,
    pub(crate) context: Context,
    /// Whose account it is about, as far as that is known.
    pub(crate) person: Option<PersonId>,
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

    struct Sending(UnboundedSender<Event>);

    impl Events for Sending {
        fn tell(&self, event: &Event) {
            let _listening = self.0.send(event.clone());
        }
    }

    fn outgoing() -> Option<Outgoing> {
        let to = Email::parse("ada@example.com").unwrap();
        let letter = Letter { to, subject: "Hello".to_owned(), text: "A line.\n".to_owned() };
        Some(Outgoing { letter, person: None })
    }

    fn teller(events: &Arc<Sending>, person: Option<PersonId>) -> Teller {
        Teller { events: Arc::clone(events) as Arc<dyn Events>, context: Context::default(), person }
    }

    #[tokio::test(start_paused = true)]
    async fn an_errand_begins_when_the_answer_is_out() {
        let ((tried, _), (told, _)) = (unbounded_channel(), unbounded_channel());
        let post = Arc::new(Post::new(Arc::new(Moody { away: Mutex::new(0), tried })));
        let (begins, mut begun) = unbounded_channel();
        let asked = tokio::time::Instant::now();
        post.later(Queue::Owners, teller(&Arc::new(Sending(told)), None), async move {
            begins.send(tokio::time::Instant::now()).unwrap();
            None
        });
        assert!(begun.recv().await.unwrap() - asked >= A_MOMENT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_letter_is_tried_again_while_the_server_is_away() {
        for (away, tries, counts) in [(0, 1, (1, 0)), (2, 3, (1, 0)), (9, 3, (0, 1))] {
            let ((tried, mut tries_seen), (told, mut events)) = (unbounded_channel(), unbounded_channel());
            let moody = Moody { away: Mutex::new(away), tried };
            let post = Arc::new(Post::new(Arc::new(moody)));
            post.later(Queue::Owners, teller(&Arc::new(Sending(told)), None), async { outgoing() });
            for _ in 0..tries {
                tries_seen.recv().await.unwrap();
            }
            if counts.1 == 1 {
                let event = events.recv().await.unwrap();
                assert_eq!(event, Event::from(AccountEvent::MailFailed { person: None }));
            }
            // The task gives its place back when all is done.
            post.all_done().await;
            assert_eq!(post.counts(), counts);
            assert!(tries_seen.try_recv().is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_ends_waits_for_no_next_try() {
        let ((tried, mut tries), (told, _)) = (unbounded_channel(), unbounded_channel());
        let post = Arc::new(Post::new(Arc::new(Moody { away: Mutex::new(1), tried })));
        post.later(Queue::Owners, teller(&Arc::new(Sending(told)), None), async { outgoing() });
        tries.recv().await.unwrap();
        timeout(PAUSES[0] / 2, post.all_done()).await.unwrap();
        assert_eq!(post.counts(), (1, 0));
    }

    /// The attack: a flood of sign-ups, so that nobody is told of a new password.
    #[tokio::test]
    async fn beyond_what_may_wait_letters_are_dropped_with_an_event_and_those_to_owners_go_out_all_the_same()
    {
        let (tried, mut tries) = unbounded_channel();
        let (told, mut events) = unbounded_channel();
        let moody = Moody { away: Mutex::new(0), tried };
        let (post, told) = (Arc::new(Post::new(Arc::new(moody))), Arc::new(Sending(told)));
        let person = PersonId::parse("usr_ada").ok();
        let places = Arc::clone(&post.anybodys.waiting);
        let flood = places.acquire_many_owned(u32::try_from(WAITING).unwrap()).await.unwrap();
        post.later(Queue::Anybodys, teller(&told, person.clone()), async { outgoing() });
        assert_eq!(post.counts(), (0, 1));
        assert_eq!(events.recv().await.unwrap(), Event::from(AccountEvent::MailFailed { person }));
        post.later(Queue::Owners, teller(&told, None), async { outgoing() });
        tries.recv().await.unwrap();
        drop(flood);
        post.later(Queue::Anybodys, teller(&told, None), async { outgoing() });
        tries.recv().await.unwrap();
    }

    /// A mail server that answers nobody.
    struct Silent(UnboundedSender<()>);

    #[async_trait]
    impl Mail for Silent {
        async fn send(&self, letter: &Letter) -> Result<(), MailError> {
            if letter.subject == "Hello" {
                std::future::pending::<()>().await;
            }
            let _listening = self.0.send(());
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn letters_to_owners_wait_behind_nobody_elses() {
        let (sent, mut all_sent) = unbounded_channel();
        let (told, _) = unbounded_channel();
        let (post, told) = (Arc::new(Post::new(Arc::new(Silent(sent)))), Arc::new(Sending(told)));
        for _ in 0..2 * AT_ONCE {
            post.later(Queue::Anybodys, teller(&told, None), async { outgoing() });
        }
        let urgent = || {
            let Outgoing { letter, person } = outgoing()?;
            Some(Outgoing { letter: Letter { subject: "Changed".to_owned(), ..letter }, person })
        };
        post.later(Queue::Owners, teller(&told, None), async move { urgent() });
        timeout(PATIENCE / 2, all_sent.recv()).await.unwrap().unwrap();
    }
}
