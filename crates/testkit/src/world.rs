//! A running authorization server, seen from outside: what one sends to it, and what it answers.
//!
//! A world does not know how its server is composed, mounted or stored: that is the choice of whoever makes it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails by a panic")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::{ManualClock, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use serde_json::{Value, json};
use store::{
    Backend, Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, Page, Row, Seen,
    Store, StoreError,
};

use crate::browser::Browser;

/// A running authorization server.
pub struct World {
    /// What answers.
    pub serve: Arc<dyn Serve>,
    /// Its issuer identifier.
    pub issuer: Issuer,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// The key of its administration.
    pub admin_key: String,
    /// Its store, which can be told to fail.
    pub store: Arc<Switched>,
}

impl World {
    /// The path of one of its endpoints: the issuer's own path in front.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.path())
    }

    /// Sends a request as it is, from `192.0.2.1`.
    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        self.send_from(request, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))).await
    }

    /// Sends a request as it is, from another address.
    pub async fn send_from(&self, request: Request<Bytes>, peer: IpAddr) -> Answer {
        Answer(self.serve.serve(request, Peer(Some(peer))).await)
    }

    /// `GET`, of a path below the issuer's.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, &self.path(path), &[], Bytes::new())).await
    }

    /// Posts a form to a path below the issuer's, with more headers.
    pub async fn post(&self, path: &str, form: &Params, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![(header::CONTENT_TYPE.as_str(), FORM)];
        all.extend_from_slice(headers);
        self.send(request(Method::POST, &self.path(path), &all, form.to_query().into())).await
    }

    /// Posts JSON to a path below the issuer's.
    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        let headers = [(header::CONTENT_TYPE.as_str(), JSON)];
        self.send(request(Method::POST, &self.path(path), &headers, body.to_string().into())).await
    }

    /// Asks the administration.
    pub async fn administer(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let key = format!("Bearer {}", self.admin_key);
        let mut headers = vec![(header::AUTHORIZATION.as_str(), key.as_str())];
        headers.extend(body.is_some().then_some((header::CONTENT_TYPE.as_str(), JSON)));
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        self.send(request(method, &self.path(path), &headers, body)).await
    }

    /// A browser that has never been here.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(Arc::clone(&self.serve), &self.issuer)
    }

    /// The browser of somebody who has just signed up.
    pub async fn person(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let account = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
        let answer = browser.post_json(&self.path("/auth/signup"), &account).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        browser
    }
}

/// The password of every person here.
pub const PASSWORD: &str = "correct horse battery";

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A request whose target is a path, as a server reads it from a connection.
///
/// # Panics
///
/// If it is no request at all.
#[must_use]
pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Request<Bytes> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).expect("a request")
}

/// Parameters of a query or a form, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// These.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        pairs.iter().fold(Self::default(), |params, (name, value)| params.and(name, value))
    }

    /// Reads a query.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// One more, even if the name is there.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without those of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(one, _)| one != name);
        self
    }

    /// With this value in place of whatever has the name.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// The value of the only parameter of this name; `None` if there is none.
    ///
    /// # Panics
    ///
    /// If there are several.
    #[must_use]
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(one, _)| one == name).map(|(_, value)| value.as_str());
        let first = values.next();
        assert_eq!(values.next(), None, "{name} is there twice");
        first
    }

    /// As a query or a form.
    #[must_use]
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer(pub Response<Bytes>);

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// The value of a header that is there once at most.
    ///
    /// # Panics
    ///
    /// If it is there twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.headers(name);
        assert!(all.len() < 2, "{name} is there twice: {all:?}");
        all.first().copied()
    }

    /// All values of a header.
    #[must_use]
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.0.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// Its body.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.0.body()).into_owned()
    }

    /// Its body.
    ///
    /// # Panics
    ///
    /// If that is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_else(|error| unexpected(self, &error.to_string()))
    }

    /// A member of its JSON, as text.
    ///
    /// # Panics
    ///
    /// If it is not there.
    #[must_use]
    pub fn member(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| unexpected(self, name)).to_owned()
    }

    /// Status and `error` member: what a client sees of a refusal.
    #[must_use]
    pub fn refusal(&self) -> (u16, String) {
        (self.status(), self.member("error"))
    }
}

#[expect(clippy::panic, reason = "a test fails by a panic")]
fn unexpected<T>(answer: &Answer, what: &str) -> T {
    panic!("{what} in {} {:?} {}", answer.status(), answer.0.headers(), answer.text())
}

/// A store that can be switched off, as if the database were gone.
pub struct Switched {
    inner: Arc<dyn Backend>,
    off: AtomicBool,
}

impl Switched {
    /// Over `inner`, switched on.
    #[must_use]
    pub fn over(inner: Arc<dyn Backend>) -> Self {
        Self { inner, off: AtomicBool::new(false) }
    }

    /// From now on every call fails.
    pub fn off(&self) {
        self.off.store(true, Ordering::SeqCst);
    }

    /// From now on every call works.
    pub fn on(&self) {
        self.off.store(false, Ordering::SeqCst);
    }

    fn inner(&self) -> Result<&dyn Backend, StoreError> {
        if self.off.load(Ordering::SeqCst) {
            Err(StoreError::unavailable("switched off"))
        } else {
            Ok(&*self.inner)
        }
    }
}

#[async_trait]
impl Store for Switched {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        self.inner()?.read(key).await
    }

    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        self.inner()?.look(look).await
    }

    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        self.inner()?.commit(changes).await
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        self.inner()?.claim(claim).await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        self.inner()?.holder(kind, key).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        self.inner()?.release(kind, key, owner).await
    }

    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        self.inner()?.sweep(now, at_most).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner()?.ready().await
    }
}

#[async_trait]
impl Inspect for Switched {
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        self.inner()?.list(kind, filter, after, at_most).await
    }
}
