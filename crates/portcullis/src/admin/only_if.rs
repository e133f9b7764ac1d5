//! Changes of what the caller has seen, and of nothing else (RFC 9110 section 13.1.1).
//!
//! The entity tag of a thing stands for what is written of it, and not for when it was used last. It is read before the thing is, so
//! that a change in between is noticed, and the store compares once more when it writes: of two who change a thing at once, the one who is
//! late is told so. Only the end of a grant does not lose to a token that is renewed meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, Response};
use parking_lot::Mutex;
use store::{Backend, Changes, Commit, Digest, Front, Guard, Key, Kind, Mark, StoreError};
use thiserror::Error;

use super::problem::Problem;
use super::routes::{Operation, Route};
use super::{Admin, Call};

impl Admin {
    /// Does what is asked, if what it is asked of is what `If-Match` says.
    pub(super) async fn act_if_it_matches(&self, mut call: Call<'_>) -> Result<Response<Bytes>, Problem> {
        let route = call.route;
        let version = Version::of(&*self.store, route, &call.id).await?;
        if route.method == "GET" {
            let mut shown = self.act(&call).await?;
            if let Some(version) = version {
                shown.headers_mut().insert(ETAG, version.tag);
            }
            return Ok(shown);
        }
        let (true, true) = (route.may_be_conditional(), call.headers.contains_key(IF_MATCH)) else {
            return self.act(&call).await;
        };
        let Some(version) = version else { return self.act(&call).await };
        if !version.is_meant_by(call.headers) {
            // Of what was deleted, that is what there is to say.
            self.is_there(&call).await?;
            return Err(Problem::Changed);
        }
        let only = Arc::new(OnlyIf {
            store: self.store.clone(),
            key: version.key,
            state: Mutex::new(State { now: version.mark, changed: false }),
        });
        call.oversight = self.oversight.through(only.clone());
        match self.act(&call).await {
            Err(Problem::Unavailable(_)) if only.state.lock().changed => Err(Problem::Changed),
            answered => answered,
        }
    }
}

impl Admin {
    async fn is_there(&self, call: &Call<'_>) -> Result<(), Problem> {
        match call.route.tagged() {
            Some(Tagged::Server) => self.server_of(&call.id).await.map(drop),
            Some(Tagged::Client) => self.client_of(&call.id).await.map(drop),
            Some(Tagged::User) => self.user_of(&call.id).await.map(drop),
            Some(Tagged::Grant) => self.show_grant(call).await.map(drop),
            None => Ok(()),
        }
    }
}

/// What has an entity tag.
#[derive(Clone, Copy)]
enum Tagged {
    Server,
    Client,
    Grant,
    User,
}

impl Route {
    /// Whether it changes something that has an entity tag.
    pub(super) fn may_be_conditional(&self) -> bool {
        self.method != "GET" && !matches!(self.operation, Operation::Create(_)) && self.tagged().is_some()
    }

    /// Whether it shows something that has an entity tag.
    pub(super) fn shows_a_tag(&self) -> bool {
        self.method == "GET" && self.tagged().is_some()
    }

    /// What the id in its path is of, if that has an entity tag.
    fn tagged(&self) -> Option<Tagged> {
        match self.id_name()? {
            "server" => Some(Tagged::Server),
            "client" => Some(Tagged::Client),
            "grant" => Some(Tagged::Grant),
            "user" => Some(Tagged::User),
            _ => None,
        }
    }
}

/// A thing as it is written now.
struct Version {
    key: Key,
    mark: Option<Mark>,
    tag: HeaderValue,
}

impl Version {
    async fn of(store: &dyn Backend, route: &Route, id: &str) -> Result<Option<Self>, StoreError> {
        let Some(tagged) = route.tagged() else { return Ok(None) };
        let (kind, beside) = match tagged {
            Tagged::Server => (Kind::Server, None),
            Tagged::Client => (Kind::Client, None),
            Tagged::Grant => (Kind::Grant, None),
            // What is held against them is what is changed.
            Tagged::User => (Kind::Person, Some(Kind::Account)),
        };
        let key = Key::new(kind, id);
        let found = store.read(&key).await?.map(|row| row.marks.newest());
        let account = match beside {
            Some(kind) => store.read(&Key::new(kind, id)).await?.map(|row| row.marks.newest()),
            None => None,
        };
        let marks: Vec<u8> =
            [found, account].iter().flatten().flat_map(|mark| mark.as_bytes().iter().copied()).collect();
        let tag = HeaderValue::from_str(&format!("\"{}\"", Digest::of(&marks)));
        Ok(tag.ok().filter(|_| !marks.is_empty()).map(|tag| Self { key, mark: found, tag }))
    }

    /// Whether the header names it: `*`, or a list of tags, of which weak ones never match (RFC 9110 section 8.8.3.2).
    fn is_meant_by(&self, headers: &HeaderMap) -> bool {
        let named =
            headers.get_all(IF_MATCH).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        named.map(<[u8]>::trim_ascii).any(|named| named == b"*" || named == self.tag.as_bytes())
    }
}

/// A store that writes one record only as it was seen, and then as it was written.
struct OnlyIf {
    store: Arc<dyn Backend>,
    key: Key,
    state: Mutex<State>,
}

struct State {
    now: Option<Mark>,
    changed: bool,
}

#[derive(Debug, Error)]
#[error("somebody else has changed it meanwhile")]
struct ChangedMeanwhile;

#[async_trait]
impl Front for OnlyIf {
    fn behind(&self) -> &dyn Backend {
        &*self.store
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        if *changes.key() != self.key {
            return self.store.commit(changes).await;
        }
        {
            let mut state = self.state.lock();
            let as_seen = match changes.guard() {
                Guard::Absent => state.now.is_none(),
                Guard::This(mark) => state.now == Some(mark),
                Guard::Any => true,
            };
            if !as_seen {
                state.changed = true;
                return Err(StoreError::unavailable(ChangedMeanwhile));
            }
        }
        let committed = self.store.commit(changes).await?;
        if committed == Commit::Done {
            self.state.lock().now = Some(changes.mark());
        }
        Ok(committed)
    }
}
