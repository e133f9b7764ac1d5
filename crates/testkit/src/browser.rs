//! A browser without a screen: cookies, redirects, refreshes, forms.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails by a panic")]

mod html;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, header};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use serde_json::Value;

pub use self::html::{Button, Field, Form, Html};
use crate::world::{Answer, Params, request};

/// A browser at one server. Whatever leads away from that server's origin, it hands over instead of following it.
pub struct Browser {
    serve: Arc<dyn Serve>,
    origin: String,
    cookies: BTreeMap<String, String>,
    /// The `Set-Cookie` headers that came, newest last.
    pub set: Vec<String>,
    /// Method, path and status of every exchange of the last navigation.
    pub trail: Vec<(Method, String, u16)>,
}

/// Where a navigation ended.
#[derive(Debug)]
pub enum Arrived {
    /// At a page of the server.
    Page(Page),
    /// At an address elsewhere.
    Away(String),
}

impl Arrived {
    /// The page.
    ///
    /// # Panics
    ///
    /// If it led away.
    pub fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Away(url) => panic!("led away to {url}"),
        }
    }

    /// The address elsewhere.
    ///
    /// # Panics
    ///
    /// If it stayed.
    pub fn away(self) -> String {
        match self {
            Self::Away(url) => url,
            Self::Page(page) => panic!("stayed at {}: {}", page.path, page.answer.text()),
        }
    }

    /// The answer to an authorization request that the address elsewhere carries: its query, and the address without it.
    pub fn callback(self) -> (String, Params) {
        let url = self.away();
        let (address, query) = url.split_once('?').unwrap_or((&url, ""));
        (address.to_owned(), Params::parse(query))
    }
}

impl Browser {
    /// A browser at the origin of `issuer`, without cookies.
    #[must_use]
    pub fn new(serve: Arc<dyn Serve>, issuer: &Issuer) -> Self {
        Self {
            serve,
            origin: issuer.origin().to_owned(),
            cookies: BTreeMap::new(),
            set: Vec::new(),
            trail: Vec::new(),
        }
    }

    /// What the cookie of this name holds.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Keeps a cookie.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Follows a link to `url`, redirects and refreshes included.
    pub async fn open(&mut self, url: &str) -> Arrived {
        self.trail.clear();
        let Some(path) = self.own_path(url) else {
            return Arrived::Away(url.to_owned());
        };
        let answer =
            self.exchange(Method::GET, &path, &[("sec-fetch-site", "cross-site")], Bytes::new()).await;
        self.follow(path, answer).await
    }

    /// Presses the button with this label, in the form that has it.
    pub async fn press(&mut self, form: &Form, label: &str) -> Arrived {
        self.trail.clear();
        let path =
            self.own_path(&form.action).unwrap_or_else(|| panic!("a form that leads to {}", form.action));
        let answer = self.post_form(&path, &form.sent_by(label), &[]).await;
        self.follow(path, answer).await
    }

    /// Posts a form as a page of the server does, and does not follow the answer.
    pub async fn post_form(&mut self, path: &str, fields: &Params, headers: &[(&str, &str)]) -> Answer {
        let origin = self.origin.clone();
        let mut all = vec![(header::CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        let own = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        all.extend(own.into_iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name)));
        all.extend_from_slice(headers);
        self.exchange(Method::POST, path, &all, fields.to_query().into()).await
    }

    /// Posts JSON as a script of the server's origin does.
    pub async fn post_json(&mut self, path: &str, body: &Value) -> Answer {
        let origin = self.origin.clone();
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/json"),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        self.exchange(Method::POST, path, &headers, body.to_string().into()).await
    }

    /// One request with the cookies, and what came back.
    pub async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = request(method.clone(), path, headers, body);
        let host = self.origin.split("://").last().unwrap_or_default();
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let answer =
            Answer(self.serve.serve(request, Peer(Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7))))).await);
        for cookie in answer.headers("set-cookie") {
            self.keep(cookie);
        }
        self.trail.push((method, path.to_owned(), answer.status()));
        answer
    }

    fn keep(&mut self, cookie: &str) {
        self.set.push(cookie.to_owned());
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        let attribute =
            |wanted: &str| attributes.split(';').any(|one| one.trim().eq_ignore_ascii_case(wanted));
        if attribute("Secure") && !self.origin.starts_with("https://") {
            return;
        }
        if attribute("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.plant(name, value);
        }
    }

    async fn follow(&mut self, mut path: String, mut answer: Answer) -> Arrived {
        for _ in 0..20 {
            let html = Html::read(&answer.text());
            let location = answer.header("location").filter(|_| answer.0.status().is_redirection());
            let Some(next) = location.map(ToOwned::to_owned).or_else(|| html.refresh()) else {
                return Arrived::Page(Page { path, answer, html });
            };
            let Some(own) = self.own_path(&next) else {
                return Arrived::Away(next);
            };
            answer =
                self.exchange(Method::GET, &own, &[("sec-fetch-site", "same-origin")], Bytes::new()).await;
            path = own;
        }
        panic!("redirected in a circle: {:?}", self.trail);
    }

    fn own_path(&self, url: &str) -> Option<String> {
        if url.starts_with("//") || url.starts_with("/\\") {
            return None;
        }
        let path = url.strip_prefix(&self.origin).unwrap_or(url);
        match path.chars().next() {
            Some('/') => Some(path.to_owned()),
            None => Some("/".to_owned()),
            Some('?') if path.len() < url.len() => Some(format!("/{path}")),
            Some(_) => None,
        }
    }
}

/// A page that a browser shows.
#[derive(Debug)]
pub struct Page {
    /// Its path with the query.
    pub path: String,
    /// How it came.
    pub answer: Answer,
    /// What is in it.
    pub html: Html,
}

impl Page {
    /// Its main heading.
    #[must_use]
    pub fn heading(&self) -> String {
        self.html.texts("h1").join(" ")
    }

    /// The form with a button of this label.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn form(&self, label: &str) -> Form {
        let forms = self.html.forms();
        let found = forms.into_iter().find(|form| form.buttons.iter().any(|button| button.label == label));
        found.unwrap_or_else(|| panic!("no button {label:?} in {} {}", self.path, self.answer.text()))
    }
}
