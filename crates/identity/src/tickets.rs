//! Links that were mailed, and invitations: whoever holds the text may do one thing, once.

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use authz_core::{Lifetime, Listed, TokenKind, TokenText};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Backend, Changes, Commit, Filter, Found, Kind, Mark, PersonId, Purpose, Store, StoreError, Ticket,
    TicketId,
};

/// Tickets in a store: the letter holds a random text, the record its digest.
pub struct Tickets {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// A ticket that was just made.
#[derive(Debug)]
pub struct Issued {
    /// Which.
    pub id: TicketId,
    /// What is mailed, and kept nowhere.
    pub text: SecretString,
}

/// What somebody holds who shows the text of a ticket.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// One that may be used.
    Good(Found<Ticket>),
    /// None.
    Lost(Lost),
}

/// Why a ticket is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// There is no such ticket, or it is so old that nothing is known of it.
    Unknown,
    /// It was used.
    Used,
    /// Its time is over.
    Late,
}

/// How long an address may be confirmed by a link.
pub(crate) const TO_VERIFY: Lifetime = Lifetime::days(1);
/// How long a password may be set by a link.
pub(crate) const TO_RESET: Lifetime = Lifetime::minutes(30);
/// How long a change to what opens an account may be taken back by a link.
pub(crate) const TO_TAKE_BACK: Lifetime = Lifetime::days(7);
/// How long an invitation may be taken.
pub(crate) const TO_JOIN: Lifetime = Lifetime::days(7);

/// So many tickets are read at once.
const ON_A_PAGE: u32 = 100;
/// So many times, to fill a page of those that are wanted.
const PAGES: u8 = 50;

impl Tickets {
    /// Tickets in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Backend>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Makes a ticket that is good for `purpose` within `lifetime`.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn issue(&self, purpose: Purpose, lifetime: Lifetime) -> Result<Issued, StoreError> {
        let (id, now) = (self.entropy.draw(), self.clock.now());
        let text = TokenText::random(TokenKind::Ticket, id, self.entropy.draw());
        let until = now.plus(lifetime.as_seconds());
        let ticket =
            Ticket { id: TicketId::new(id), digest: text.digest(), purpose, made: now, until, used: None };
        match self.store.commit(&Changes::create(self.mark(), &ticket)).await? {
            Commit::Done => Ok(Issued { id: ticket.id, text: text.expose() }),
            Commit::Stale => Err(StoreError::unavailable("the id of a new ticket is taken")),
        }
    }

    /// What the holder of this text has. A text whose secret does not check out is unknown, whatever became of its ticket.
    pub(crate) async fn held(&self, text: &str) -> Result<Held, StoreError> {
        let Ok(token) = TokenText::parse(text) else { return Ok(Held::Lost(Lost::Unknown)) };
        if token.kind != TokenKind::Ticket {
            return Ok(Held::Lost(Lost::Unknown));
        }
        let store: &dyn Store = &*self.store;
        let Some(found) = store.find::<Ticket>(TicketId::new(token.id)).await? else {
            return Ok(Held::Lost(Lost::Unknown));
        };
        Ok(match &found.record {
            ticket if !ticket.digest.is_of(token.expose().expose_secret().as_bytes()) => {
                Held::Lost(Lost::Unknown)
            }
            ticket if ticket.used.is_some() => Held::Lost(Lost::Used),
            ticket if ticket.until <= self.clock.now() => Held::Lost(Lost::Late),
            _ => Held::Good(found),
        })
    }

    /// A ticket that nobody has used, in time or not.
    pub(crate) async fn unused(&self, id: TicketId) -> Result<Option<Found<Ticket>>, StoreError> {
        let store: &dyn Store = &*self.store;
        Ok(store.find::<Ticket>(id).await?.filter(|found| found.record.used.is_none()))
    }

    /// Uses a ticket. Of two who do so at once, one is told `true`; what a ticket is good for happens after that.
    pub(crate) async fn spend(&self, found: &Found<Ticket>) -> Result<bool, StoreError> {
        let spent = found.record.used_at(self.clock.now());
        Ok(self.store.commit(&Changes::replace(self.mark(), found, &spent)).await? == Commit::Done)
    }

    /// Makes void what was mailed to a person before: their password or their address has changed since. A new password takes nothing
    /// back that was added to the account, so the links that do stay good.
    pub(crate) async fn void(&self, person: &PersonId) -> Result<(), StoreError> {
        self.void_but_for(person, |purpose| matches!(purpose, Purpose::TakeBack { .. })).await
    }

    /// Makes void what was mailed to a person before, but for links that take back what was changed before `since`: whoever made one change
    /// may have made others, and each is told of by a letter of its own.
    pub(crate) async fn void_since(&self, person: &PersonId, since: Time) -> Result<(), StoreError> {
        let takes_back_more = |purpose: &Purpose| matches!(purpose, Purpose::TakeBack { since: earlier, .. } if *earlier < since);
        self.void_but_for(person, takes_back_more).await
    }

    /// The tickets that nobody has used and that are good still, and of which `as_wanted` makes something: a page of them, and what to
    /// ask for next. Strangers make tickets, too: behind very many of theirs a page is short.
    pub(crate) async fn open<T: Send>(
        &self,
        after: Option<&str>,
        at_most: u32,
        as_wanted: impl Fn(&Ticket) -> Option<T> + Send + Sync,
    ) -> Result<Listed<T>, StoreError> {
        let (now, wanted) = (self.clock.now(), usize::try_from(at_most).unwrap_or(usize::MAX));
        let (mut items, mut after) = (Vec::new(), after.map(ToOwned::to_owned));
        for _ in 0..PAGES {
            let page = self.store.list(Kind::Ticket, Filter::All, after.as_deref(), ON_A_PAGE).await?;
            let rows = page.rows.len();
            for (index, row) in page.rows.iter().enumerate() {
                let ticket = Found::<Ticket>::decode(row)?.record;
                if ticket.used.is_none() && ticket.until > now {
                    items.extend(as_wanted(&ticket));
                }
                if items.len() == wanted {
                    let next = (page.more || index + 1 < rows).then(|| row.key.id.clone());
                    return Ok(Listed { items, next });
                }
            }
            after = match page.rows.last() {
                Some(last) if page.more => Some(last.key.id.clone()),
                Some(_) | None => return Ok(Listed { items, next: None }),
            };
        }
        Ok(Listed { items, next: after })
    }

    async fn void_but_for(
        &self,
        person: &PersonId,
        kept: impl Fn(&Purpose) -> bool + Send,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let all = Filter::OfPerson(person.as_str());
            let page = self.store.list(Kind::Ticket, all, after.as_deref(), ON_A_PAGE).await?;
            for row in &page.rows {
                let found = Found::<Ticket>::decode(row)?;
                if found.record.used.is_none() && !kept(&found.record.purpose) {
                    // Somebody else writes: it is being used, or made void by another request.
                    let _used: bool = self.spend(&found).await?;
                }
            }
            after = match page.rows.last() {
                Some(last) if page.more => Some(last.key.id.clone()),
                Some(_) | None => return Ok(()),
            };
        }
    }

    fn mark(&self) -> Mark {
        Mark::new(self.entropy.draw())
    }

    /// The ticket with this text.
    #[cfg(test)]
    pub(crate) async fn find(&self, text: &str) -> Ticket {
        match self.held(text).await.unwrap() {
            Held::Good(found) => found.record,
            Held::Lost(lost) => panic!("{lost:?}"),
        }
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use ambient::{ManualClock, SeededEntropy};
    use store::Memory;

    use super::*;

    fn world() -> (Arc<ManualClock>, Tickets) {
        let clock = Arc::new(ManualClock::at(Time(1_000_000)));
        let tickets = Tickets::new(Arc::new(Memory::new()), clock.clone(), Arc::new(SeededEntropy::new(5)));
        (clock, tickets)
    }

    fn reset(person: &str) -> Purpose {
        let (person, email) = (PersonId::parse(person).unwrap(), Some("ada@example.com".to_owned()));
        Purpose::ResetPassword { person, email, resets: 0, shown: false }
    }

    async fn good(tickets: &Tickets, text: &SecretString) -> Found<Ticket> {
        match tickets.held(text.expose_secret()).await.unwrap() {
            Held::Good(found) => found,
            Held::Lost(lost) => panic!("{lost:?}"),
        }
    }

    async fn lost(tickets: &Tickets, text: &str) -> Lost {
        match tickets.held(text).await.unwrap() {
            Held::Good(found) => panic!("{found:?}"),
            Held::Lost(lost) => lost,
        }
    }

    #[tokio::test]
    async fn a_ticket_is_good_once_and_not_too_late() {
        let (clock, tickets) = world();
        let first = tickets.issue(reset("usr_ada"), TO_RESET).await.unwrap().text;
        let second = tickets.issue(reset("usr_ada"), TO_RESET).await.unwrap().text;
        let found = good(&tickets, &first).await;
        assert_eq!(found.record.purpose, reset("usr_ada"));
        assert!(tickets.spend(&found).await.unwrap());
        assert!(!tickets.spend(&found).await.unwrap(), "the one who comes second has nothing");
        assert_eq!(lost(&tickets, first.expose_secret()).await, Lost::Used);
        clock.advance(1799);
        good(&tickets, &second).await;
        clock.advance(1);
        assert_eq!(lost(&tickets, second.expose_secret()).await, Lost::Late);
    }

    #[tokio::test]
    async fn a_text_that_was_not_mailed_is_unknown() {
        let (_, tickets) = world();
        let text = tickets.issue(reset("usr_ada"), TO_RESET).await.unwrap().text;
        let id = TokenText::parse(text.expose_secret()).unwrap().id;
        let forged = TokenText::random(TokenKind::Ticket, id, [0; 32]).expose();
        let session = text.expose_secret().replacen("tkt_", "ses_", 1);
        for text in ["", "tkt_", "x", forged.expose_secret(), &session] {
            assert_eq!(lost(&tickets, text).await, Lost::Unknown, "{text}");
        }
    }

    #[tokio::test]
    async fn what_was_mailed_before_is_void() {
        let (_, tickets) = world();
        let adas = tickets.issue(reset("usr_ada"), TO_RESET).await.unwrap().text;
        let bos = tickets.issue(reset("usr_bo"), TO_RESET).await.unwrap().text;
        tickets.void(&PersonId::parse("usr_ada").unwrap()).await.unwrap();
        assert_eq!(lost(&tickets, adas.expose_secret()).await, Lost::Used);
        good(&tickets, &bos).await;
    }

    /// The attack: more letters than are looked at.
    #[tokio::test]
    async fn all_that_was_mailed_before_is_void_however_much_it_is() {
        let (_, tickets) = world();
        let mut mailed = Vec::new();
        for _ in 0..=2 * ON_A_PAGE {
            mailed.push(tickets.issue(reset("usr_ada"), TO_RESET).await.unwrap().text);
        }
        tickets.void(&PersonId::parse("usr_ada").unwrap()).await.unwrap();
        for text in &mailed {
            assert_eq!(lost(&tickets, text.expose_secret()).await, Lost::Used);
        }
    }
}
