//! Records that need not be decoded again.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ages::{Ages, Most};
use crate::{Client, Found, Grant, Mark, Record, Row, Server, Stage, StoreError};

/// Of grants and servers, which only people who are known can make. Decoded, they take about as much again.
const KNOWN: Most = Most { entries: 4000, bytes: 4 * 1024 * 1024 };
/// Of clients, which strangers register. What one says of itself can be made so that it takes thirty times as much when it is decoded.
const STRANGERS: Most = Most { entries: 1000, bytes: 512 * 1024 };
/// The longest body that is remembered: a grant with as many tokens as may live is shorter.
const LONGEST: usize = 8 * 1024;

/// The grants, clients and servers that were decoded last: an access token is asked about many times between two refreshes.
///
/// A row is decoded again unless it is the same, byte for byte: what was read decides, and this saves nothing but work. So whatever
/// store a row comes from, and whatever became of that store, the answer is that of [`Found::decode`]. What is read
/// once and never again, as a grant is that a client refreshes, is not kept, nor is a grant that is not alive.
pub struct Decoded {
    grants: Memory<Grant>,
    clients: Memory<Client>,
    servers: Memory<Server>,
}

type Memory<R> = Mutex<Ages<String, Known<R>>>;

enum Known<R> {
    /// It was read once.
    Seen(Mark),
    Whole(Arc<Whole<R>>),
}

struct Whole<R> {
    body: String,
    found: Arc<Found<R>>,
}

impl<R> Clone for Known<R> {
    fn clone(&self) -> Self {
        match self {
            Self::Seen(mark) => Self::Seen(*mark),
            Self::Whole(whole) => Self::Whole(Arc::clone(whole)),
        }
    }
}

impl Default for Decoded {
    fn default() -> Self {
        Self {
            grants: Mutex::new(Ages::of(KNOWN)),
            clients: Mutex::new(Ages::of(STRANGERS)),
            servers: Mutex::new(Ages::of(KNOWN)),
        }
    }
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

impl Decoded {
    pub(crate) fn grant(&self, row: &Row) -> Result<Arc<Found<Grant>>, StoreError> {
        decode(&self.grants, row, |grant| matches!(grant.stage, Stage::Live(_)))
    }

    pub(crate) fn client(&self, row: &Row) -> Result<Arc<Found<Client>>, StoreError> {
        decode(&self.clients, row, |_| true)
    }

    pub(crate) fn server(&self, row: &Row) -> Result<Arc<Found<Server>>, StoreError> {
        decode(&self.servers, row, |_| true)
    }
}

fn decode<R: Record>(
    memory: &Memory<R>,
    row: &Row,
    lasts: impl Fn(&R) -> bool,
) -> Result<Arc<Found<R>>, StoreError> {
    let mark = row.marks.newest();
    let known = memory.lock().find(&*row.key.id);
    let seen = match known {
        Some(Known::Whole(whole)) if whole.found.mark == mark && whole.body == row.body => {
            return Ok(Arc::clone(&whole.found));
        }
        Some(Known::Seen(before)) => before == mark,
        Some(Known::Whole(_)) | None => false,
    };
    let found = Arc::new(Found::decode(row)?);
    if !lasts(&found.record) || row.body.len() > LONGEST {
        memory.lock().forget(&*row.key.id);
    } else if seen {
        let whole = Whole { body: row.body.clone(), found: Arc::clone(&found) };
        let bytes = row.key.id.len() + row.body.len();
        memory.lock().keep(row.key.id.clone(), Known::Whole(Arc::new(whole)), bytes);
    } else {
        memory.lock().keep(row.key.id.clone(), Known::Seen(mark), row.key.id.len());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ambient::Time;
    use oauth_types::{ClientId, ClientMetadata, RedirectUri, Resource, Scope};
    use pkce::Challenge;

    use super::*;
    use crate::{
        Changes, ClientAuth, Device, Digest, Ended, GrantId, Live, Party, Provenance, Request, Requested,
        ServerId, SessionId, SpentCode, Standing, Status, Subject, Target, Why,
    };

    fn row(mark: u8, status: Status) -> Row {
        let client = Client {
            id: ClientId::parse("c").unwrap(),
            auth: ClientAuth::Public,
            redirect_uris: Vec::new(),
            refresh: true,
            provenance: Provenance::Dynamic,
            first_party: false,
            server: None,
            registered: Time(0),
            kept_until: None,
            standing: Standing { status, epoch: None },
            metadata: ClientMetadata::default(),
        };
        Changes::create(Mark::new([mark; 16]), &client).row(None)
    }

    #[test]
    fn only_the_same_bytes_under_the_same_mark_are_not_decoded_again() {
        let decoded = Decoded::default();
        let client = |row: &Row| decoded.client(row).unwrap();
        let (once, first) = (client(&row(1, Status::Active)), client(&row(1, Status::Active)));
        assert!(!Arc::ptr_eq(&once, &first), "what is read once is not kept");
        assert!(Arc::ptr_eq(&first, &client(&row(1, Status::Active))));
        assert_eq!(client(&row(2, Status::Active)).mark, Mark::new([2; 16]));
        assert_eq!(client(&row(2, Status::Blocked)).record.standing.status, Status::Blocked);
    }

    /// Rows of two stores, of one that was put back to what it was, and under a mark that came twice.
    #[test]
    fn whatever_was_read_before_a_row_says_what_it_says() {
        let decoded = Decoded::default();
        let mut drawn: u32 = 1;
        let mut draw = |of: u32| {
            drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (drawn >> 16) % of
        };
        for _ in 0..5000 {
            let status = [Status::Active, Status::Blocked, Status::Deleted][draw(3) as usize];
            let mut row = row(u8::try_from(draw(2)).unwrap(), status);
            row.key.id = ["c", "d"][draw(2) as usize].to_owned();
            if draw(20) == 0 {
                row.body.truncate(9);
                assert!(matches!(decoded.client(&row), Err(StoreError::Damaged { .. })));
                continue;
            }
            assert_eq!(*decoded.client(&row).unwrap(), Found::decode(&row).unwrap());
        }
    }

    /// A request that waits for consent, and a code, are not kept in the memory of the process.
    #[test]
    fn only_grants_that_live_are_kept() {
        for (stage, kept) in [(requested(), false), (ended(), false), (live(), true)] {
            let decoded = Decoded::default();
            let row = Changes::create(Mark::new([1; 16]), &grant(stage)).row(None);
            let [_, second, third] = [(); 3].map(|()| decoded.grant(&row).unwrap());
            assert_eq!(Arc::ptr_eq(&second, &third), kept, "{:?}", second.record.stage);
            assert_eq!(decoded.grants.lock().find(&*row.key.id).is_some(), kept);
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let decoded = Decoded::default();
        let mut long = row(1, Status::Active);
        long.body.push_str(&" ".repeat(LONGEST));
        let [_, second, third] = [(); 3].map(|()| decoded.client(&long).unwrap());
        assert!(!Arc::ptr_eq(&second, &third));
    }

    fn grant(stage: Stage) -> Grant {
        Grant { id: GrantId::new([1; 16]), client: ClientId::parse("c").unwrap(), born: Time(0), stage }
    }

    fn requested() -> Stage {
        Stage::Requested(Requested { request: request(), party: party(), until: Time(1) })
    }

    fn live() -> Stage {
        let Request { target, scope, challenge, .. } = request();
        Stage::Live(Box::new(Live {
            party: party(),
            target,
            scope,
            number: 1,
            key: 1,
            seed: Digest::of(b"seed"),
            rotated: Time(0),
            refreshable: true,
            code: SpentCode { digest: Digest::of(b"code"), challenge },
            access: Vec::new(),
            idle_end: Time(1),
            final_end: Time(1),
            device: Device::default(),
        }))
    }

    fn ended() -> Stage {
        Stage::Ended(Ended { why: Why::Denied, when: Time(1), last: Time(1) })
    }

    fn request() -> Request {
        Request {
            redirect_uri: RedirectUri::parse("https://app.example/callback").unwrap(),
            challenge: Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap(),
            scope: Scope::parse("read").unwrap(),
            target: Target {
                server: ServerId::new([1; 16]),
                resource: Resource::parse("https://mcp.example/mcp").unwrap(),
                named: None,
            },
            state: Some("xyz".to_owned()),
            acr_values: Vec::new(),
            max_age: None,
        }
    }

    fn party() -> Party {
        Party {
            subject: Subject::Machine,
            person_epoch: None,
            client_epoch: None,
            session: SessionId::new([1; 16]),
            auth_time: Time(0),
            acr: None,
        }
    }
}
