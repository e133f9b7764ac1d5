//! What happened, as the audit trail has it, the newest first.
//!
//! The store lists forwards, so going back is done in spans, each a page of the store at the most: one that has more is read
//! again in smaller ones. What is looked at for a page of events is bounded, whatever is shown of it.

use std::net::IpAddr;

use ambient::Time;
use bytes::Bytes;
use http::Response;
use oauth_types::ClientId;
use store::{
    Entry, Filter, Found, GrantId, Kind, Outcome, PersonId, ServerId, StoreError, Trail, TrailPlace,
};
use tokio::task::yield_now;

use super::lists::Events;
use super::problem::{Problem, Rule};
use super::query::Query;
use super::shown::ShownEvent;
use super::{Admin, Call};
use crate::audit::of_outcome;

/// How many pieces of the trail are read at once, and how many of them are in memory.
const READ_TOGETHER: u32 = 50;
/// How many times pieces are read for one page of events.
const READ_AT_MOST: usize = 40;
/// How long a span of time is read first.
const FIRST_SPAN: u128 = 30 * TrailPlace::SECOND;
/// How far the clock of the process that wrote a piece may be from ours, in seconds.
const APART: i64 = 60;
/// How long after it happened something is looked for that is asked for by time, in seconds: the store may have been away.
const WRITTEN_LATE: i64 = 3_600;

/// Which events are asked for.
struct Wanted {
    name: Option<String>,
    actor: Option<String>,
    outcome: Option<Outcome>,
    from: Option<IpAddr>,
    person: Option<PersonId>,
    client: Option<ClientId>,
    grant: Option<GrantId>,
    server: Option<ServerId>,
    since: Option<Time>,
    until: Option<Time>,
    written_since: Option<Time>,
}

/// An entry, and which of which piece it is.
pub(super) struct Kept {
    pub(super) piece: TrailPlace,
    pub(super) at: usize,
    pub(super) entry: Entry,
}

/// A place in the trail: all before the `at`th entry of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    piece: TrailPlace,
    at: usize,
}

/// What a span has.
enum Span {
    /// All of it, oldest first.
    Whole(Vec<(TrailPlace, Trail)>),
    /// More than is read at once; up to here, at least.
    TooMuch(TrailPlace),
}

impl Admin {
    pub(super) async fn list_events(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let wanted = Wanted::read(&call.query)?;
        let before = call.query.found("cursor", Rule::Cursor, Place::parse)?;
        let (events, next) = self.newest(&wanted, before, call.query.limit()? as usize).await?;
        let events = events.into_iter().map(ShownEvent::from).collect();
        let page = Events { events, next: next.map(Place::to_text) };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    async fn newest(
        &self,
        wanted: &Wanted,
        before: Option<Place>,
        most: usize,
    ) -> Result<(Vec<Kept>, Option<Place>), StoreError> {
        let Some(oldest) = self.oldest().await? else { return Ok((Vec::new(), None)) };
        let oldest = oldest.max(wanted.written_after());
        let mut high = wanted.written_before(self.clock.now());
        if let Some(before) = before {
            high = high.min(before.behind());
        }
        let (mut span, mut passed, mut events) = (FIRST_SPAN, false, Vec::new());
        for read in 0.. {
            if high <= oldest {
                break;
            }
            // One span is passed in any case, or a page could end where it began.
            if read >= READ_AT_MOST && passed {
                return Ok((events, Some(Place { piece: high, at: 0 })));
            }
            let low = high.before(span).max(oldest);
            match self.span(low, high).await? {
                Span::TooMuch(up_to) => span = (span / 2).min(up_to.since(low)).max(1),
                Span::Whole(pieces) => {
                    let sparse = pieces.len() < READ_TOGETHER as usize / 2;
                    for (piece, trail) in pieces.into_iter().rev() {
                        for (at, entry) in trail.entries.into_iter().enumerate().rev() {
                            let shown = before.is_some_and(|before| Place { piece, at } >= before);
                            if shown || !wanted.is(&entry) {
                                continue;
                            }
                            if events.len() == most {
                                return Ok((events, Some(Place { piece, at: at + 1 })));
                            }
                            events.push(Kept { piece, at, entry });
                        }
                    }
                    (high, passed) = (low, true);
                    span = if sparse { span.saturating_mul(2) } else { span };
                }
            }
            yield_now().await;
        }
        Ok((events, None))
    }

    /// The oldest piece that is kept.
    async fn oldest(&self) -> Result<Option<TrailPlace>, StoreError> {
        let first = self.store.list(Kind::Trail, Filter::All, None, 1).await?;
        Ok(first.rows.first().map(|row| TrailPlace::of(&row.key.id).unwrap_or(TrailPlace::FIRST)))
    }

    /// The pieces from `low` on and before `high`, if they are not too many.
    async fn span(&self, low: TrailPlace, high: TrailPlace) -> Result<Span, StoreError> {
        let after = (low > TrailPlace::FIRST).then(|| low.before(1).to_string());
        let page = self.store.list(Kind::Trail, Filter::All, after.as_deref(), READ_TOGETHER).await?;
        let mut pieces = Vec::new();
        for row in &page.rows {
            // A name that is none of ours is nobody's piece.
            let Some(place) = TrailPlace::of(&row.key.id) else { continue };
            if place >= high {
                return Ok(Span::Whole(pieces));
            }
            pieces.push((place, Found::<Trail>::decode(row)?.record));
        }
        match pieces.last() {
            Some((last, _)) if page.more => Ok(Span::TooMuch(*last)),
            Some(_) | None => Ok(Span::Whole(pieces)),
        }
    }
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            name: query.one("name").map(ToOwned::to_owned),
            actor: query.one("actor").map(ToOwned::to_owned),
            outcome: query.found("outcome", Rule::Outcome, |text| {
                let all = [Outcome::Done, Outcome::Refused, Outcome::Failed];
                all.into_iter().find(|outcome| of_outcome(*outcome) == text)
            })?,
            from: query.read("from", Rule::Address, str::parse)?,
            person: query.read("user", Rule::UserId, PersonId::parse)?,
            client: query.read("client", Rule::ClientId, ClientId::parse)?,
            grant: query.read("grant", Rule::GrantId, GrantId::parse)?,
            server: query.read("server", Rule::ServerId, ServerId::parse)?,
            since: query.read("since", Rule::Seconds, |text| text.parse().map(Time))?,
            until: query.read("until", Rule::Seconds, |text| text.parse().map(Time))?,
            written_since: query.read("written_since", Rule::Seconds, |text| text.parse().map(Time))?,
        })
    }

    /// No piece before this place is asked for.
    fn written_after(&self) -> TrailPlace {
        let since = self.since.map(|since| since.plus(-APART)).max(self.written_since);
        since.map_or(TrailPlace::FIRST, TrailPlace::first_of)
    }

    /// No piece from this place on is asked for.
    fn written_before(&self, now: Time) -> TrailPlace {
        let now = now.plus(APART);
        let until = self.until.map_or(now, |until| until.plus(WRITTEN_LATE).min(now));
        TrailPlace::first_of(until.plus(1))
    }

    fn is(&self, entry: &Entry) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        fits(self.name.as_ref(), Some(&entry.name))
            && fits(self.actor.as_ref(), entry.actor.as_ref())
            && fits(self.outcome.as_ref(), Some(&entry.outcome))
            && fits(self.from.as_ref(), entry.from.as_ref())
            && fits(self.person.as_ref(), entry.person.as_ref())
            && fits(self.client.as_ref(), entry.client.as_ref())
            && fits(self.grant.as_ref(), entry.grant.as_ref())
            && fits(self.server.as_ref(), entry.server.as_ref())
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at <= until)
    }
}

impl Kept {
    /// The same for good, and no other entry's.
    pub(super) fn id(&self) -> String {
        Place { piece: self.piece, at: self.at }.to_text()
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (piece, at) = text.rsplit_once('.')?;
        Some(Self { piece: TrailPlace::of(piece)?, at: at.parse().ok()? })
    }

    fn to_text(self) -> String {
        format!("{}.{}", self.piece, self.at)
    }

    /// Before this all that is before the place is.
    fn behind(self) -> TrailPlace {
        if self.at == 0 { self.piece } else { self.piece.next() }
    }
}
