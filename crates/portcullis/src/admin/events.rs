//! What happened, as the audit trail has it, the newest first.

use ambient::Time;
use bytes::Bytes;
use http::Response;
use oauth_types::ClientId;
use store::{Entry, Filter, Found, GrantId, Kind, PersonId, ServerId, StoreError, Trail};

use super::lists::Events;
use super::problem::Problem;
use super::query::Query;
use super::shown::ShownEvent;
use super::{Admin, Call};

/// How many pieces of the trail are read at once.
const READ_TOGETHER: u32 = 100;
/// How many pieces are looked at for one page, whatever is shown of them.
const LOOKED_AT: usize = 2_000;
/// How long a span of time is read first, in seconds. The trail is read forwards, so going back is done in spans, which grow
/// while they are nearly empty.
const FIRST_SPAN: i64 = 60;
/// How long a piece may span, in seconds, so that its last entries are of a time that its id is not.
const PIECE: i64 = 60;

/// Which events are asked for.
struct Wanted {
    name: Option<String>,
    person: Option<PersonId>,
    client: Option<ClientId>,
    grant: Option<GrantId>,
    server: Option<ServerId>,
    since: Option<Time>,
    until: Option<Time>,
}

/// A place in the trail: all before the `at`th entry of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    piece: String,
    at: usize,
}

impl Admin {
    pub(super) async fn list_events(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let wanted = Wanted::read(&call.query)?;
        let before = call
            .query
            .read("cursor", "must be `next` of another page", |text| Place::parse(text).ok_or(()))?;
        let (events, next) = self.newest(&wanted, before, call.query.limit()? as usize).await?;
        let events = events.into_iter().map(ShownEvent::from).collect();
        let page = Events { events, next: next.map(|place| place.to_text()) };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    async fn newest(
        &self,
        wanted: &Wanted,
        before: Option<Place>,
        most: usize,
    ) -> Result<(Vec<Entry>, Option<Place>), StoreError> {
        let Some(oldest) = self.oldest().await? else { return Ok((Vec::new(), None)) };
        let oldest = wanted.since.map_or(oldest, |since| oldest.max(since.0.saturating_sub(PIECE)));
        // The clock of the process that wrote a piece may be ahead of ours.
        let now = self.clock.now().0.saturating_add(PIECE);
        let mut high = wanted.until.map_or(now, |until| until.0.min(now)).saturating_add(1);
        if let Some(before) = &before {
            high = high.min(before.seconds().saturating_add(1));
        }
        let (mut span, mut looked, mut events) = (FIRST_SPAN, 0, Vec::new());
        while high > oldest {
            let low = high.saturating_sub(span).max(0);
            let pieces = self.pieces(low, high).await?;
            for Trail { id, entries, .. } in pieces.iter().rev() {
                for (at, entry) in entries.iter().enumerate().rev() {
                    let passed = before.as_ref().is_some_and(|before| !before.is_after(id, at));
                    if passed || !wanted.is(entry) {
                        continue;
                    }
                    if events.len() == most {
                        return Ok((events, Some(Place { piece: id.clone(), at: at + 1 })));
                    }
                    events.push(entry.clone());
                }
            }
            looked += pieces.len();
            high = low;
            if looked >= LOOKED_AT && high > oldest {
                return Ok((events, Some(Place { piece: seconds(high), at: 0 })));
            }
            let sparse = pieces.len() < READ_TOGETHER as usize / 2;
            span = if sparse { span.saturating_mul(2) } else { (span / 2).max(1) };
        }
        Ok((events, None))
    }

    /// When the oldest piece that is kept was written.
    async fn oldest(&self) -> Result<Option<i64>, StoreError> {
        let first = self.store.list(Kind::Trail, Filter::All, None, 1).await?;
        Ok(first.rows.first().map(|row| of_id(&row.key.id)))
    }

    /// The pieces of a span of time, oldest first.
    async fn pieces(&self, low: i64, high: i64) -> Result<Vec<Trail>, StoreError> {
        let (mut after, end, mut pieces) = (seconds(low), seconds(high), Vec::new());
        loop {
            let page = self.store.list(Kind::Trail, Filter::All, Some(&after), READ_TOGETHER).await?;
            for row in page.rows.iter().take_while(|row| row.key.id < end) {
                pieces.push(Found::<Trail>::decode(row)?.record);
            }
            match page.rows.last() {
                Some(last) if page.more && last.key.id < end => after.clone_from(&last.key.id),
                Some(_) | None => return Ok(pieces),
            }
        }
    }
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Problem> {
        let seconds = "must be a time in seconds since 1970";
        Ok(Self {
            name: query.one("name").map(ToOwned::to_owned),
            person: query.read("user", "must be a user_id", PersonId::parse)?,
            client: query.read("client", "must be a client_id", ClientId::parse)?,
            grant: query.read("grant", "must be a grant_id", GrantId::parse)?,
            server: query.read("server", "must be a server_id", ServerId::parse)?,
            since: query.read("since", seconds, |text| text.parse().map(Time))?,
            until: query.read("until", seconds, |text| text.parse().map(Time))?,
        })
    }

    fn is(&self, entry: &Entry) -> bool {
        fn fits<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        fits(self.name.as_ref(), Some(&entry.name))
            && fits(self.person.as_ref(), entry.person.as_ref())
            && fits(self.client.as_ref(), entry.client.as_ref())
            && fits(self.grant.as_ref(), entry.grant.as_ref())
            && fits(self.server.as_ref(), entry.server.as_ref())
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at <= until)
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (piece, at) = text.rsplit_once('.')?;
        let plain = piece.len() >= 20 && piece.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let at = at.parse().ok()?;
        let numbered = piece.get(..20)?.parse::<i64>().is_ok();
        (plain && numbered).then(|| Self { piece: piece.to_owned(), at })
    }

    fn to_text(&self) -> String {
        format!("{}.{}", self.piece, self.at)
    }

    fn seconds(&self) -> i64 {
        of_id(&self.piece)
    }

    /// Whether an entry is of what this place is after.
    fn is_after(&self, piece: &str, at: usize) -> bool {
        (piece, at) < (self.piece.as_str(), self.at)
    }
}

/// Sorts before the ids of all pieces of this second.
fn seconds(at: i64) -> String {
    format!("{:020}", at.max(0))
}

fn of_id(id: &str) -> i64 {
    id.get(..20).and_then(|digits| digits.parse().ok()).unwrap_or_default()
}
