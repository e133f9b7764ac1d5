//! Who is logged in with which browser: one cookie, and a table of what it opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use authz_core::Authentication;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};
use oauth_types::Issuer;
use parking_lot::Mutex;
use store::{Digest, PersonId, SessionId};

/// How long a log-in lasts, in seconds.
const LASTS: i64 = 12 * 60 * 60;

/// The sessions of this process. The cookie holds a random text; only its digest is kept.
pub(crate) struct Sessions {
    https: bool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    logged_in: Mutex<BTreeMap<Digest, Authentication>>,
}

impl Sessions {
    pub(crate) fn new(issuer: &Issuer, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { https: issuer.is_https(), clock, entropy, logged_in: Mutex::default() }
    }

    /// Who is logged in with the browser that sent these headers.
    pub(crate) fn who(&self, headers: &HeaderMap) -> Option<Authentication> {
        let digest = Digest::of(self.text(headers)?.as_bytes());
        let who = self.logged_in.lock().get(&digest).cloned();
        who.filter(|who| self.age(who) < LASTS)
    }

    /// How long ago they proved who they are, in seconds.
    pub(crate) fn age(&self, who: &Authentication) -> i64 {
        self.clock.now().since(who.auth_time)
    }

    /// Begins the session of somebody who has just proved who they are. The text is always a new one: whoever planted
    /// or saw the one before has nothing (session fixation).
    pub(crate) fn begin(&self, headers: &HeaderMap, person: PersonId) -> HeaderValue {
        let session = SessionId::new(self.entropy.draw());
        let who = Authentication::new(person, session, self.clock.now());
        let text = self.new_text();
        let mut logged_in = self.logged_in.lock();
        if let Some(before) = self.text(headers) {
            logged_in.remove(&Digest::of(before.as_bytes()));
        }
        logged_in.retain(|_, who| self.age(who) < LASTS);
        logged_in.insert(Digest::of(text.as_bytes()), who);
        self.cookie(text)
    }

    /// The token for a form, and the cookie that must go with it if the browser has none: a log-in form is forged to log
    /// somebody in as the forger, so it needs a token before there is a session.
    pub(crate) fn form_token(&self, headers: &HeaderMap) -> (Digest, Option<HeaderValue>) {
        match self.text(headers) {
            Some(text) => (token_of(&text), None),
            None => {
                let text = self.new_text();
                (token_of(&text), Some(self.cookie(text)))
            }
        }
    }

    /// Whether a form that was sent with these headers is one that this browser was given. In constant time.
    pub(crate) fn gave(&self, headers: &HeaderMap, token: &str) -> bool {
        let expected = self.text(headers).map(|text| token_of(&text));
        expected.zip(Digest::parse(token).ok()).is_some_and(|(expected, given)| expected.is(&given))
    }

    /// Over https the prefix keeps other hosts and plain http from setting the cookie; on http, which an issuer can be on
    /// this machine alone, browsers refuse it.
    const fn name(&self) -> &'static str {
        if self.https { "__Host-own-login" } else { "own-login" }
    }

    fn text(&self, headers: &HeaderMap) -> Option<String> {
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = values.flat_map(Cookie::split_parse).flatten();
        cookies.find(|cookie| cookie.name() == self.name()).map(|cookie| cookie.value().to_owned())
    }

    fn new_text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.entropy.draw::<32>())
    }

    /// `Lax`, not `Strict`: people come from the client's site, and must be known when they arrive.
    fn cookie(&self, text: String) -> HeaderValue {
        let cookie = Cookie::build((self.name(), text))
            .path("/")
            .secure(self.https)
            .http_only(true)
            .same_site(SameSite::Lax)
            .build();
        let mut value =
            HeaderValue::try_from(cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

/// What a form of ours repeats and a page of somebody else cannot know.
fn token_of(text: &str) -> Digest {
    Digest::of(format!("own-login form {text}").as_bytes())
}
