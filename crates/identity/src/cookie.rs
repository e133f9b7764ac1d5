//! The cookies: who is logged in, the token of the forms before that, and the first of two steps of a log-in.
//!
//! A browser keeps cookies by host, not by port and not for a path alone, so several issuers of one host share them: servers
//! on other ports of this machine, tenants that differ by path. Each reads and writes names of its own and leaves the others
//! logged in. That is order, not protection: a host sees all of its cookies, and a page of one path may send forms to
//! another. Tenants on one host must trust each other; those who do not need hosts of their own.

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};
use oauth_types::Issuer;
use secrecy::{ExposeSecret as _, SecretString};
use store::Digest;

use crate::csrf::CsrfToken;

/// Names and attributes of the cookies of one issuer.
///
/// Over https all carry the `__Host-` prefix (RFC 6265bis section 4.1.3.2): no other host and no plain http connection can
/// set them. On http, which an issuer can only be on this machine, browsers refuse the prefix, so the names do without. All
/// end in eight characters that stand for the exact text of the issuer.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    secure: bool,
    session: String,
    form: String,
    step: String,
}

impl Cookies {
    pub(crate) fn of(issuer: &Issuer) -> Self {
        let prefix = if issuer.is_https() { "__Host-" } else { "" };
        let digest: String = Digest::of(issuer.as_str().as_bytes()).to_string().chars().take(8).collect();
        Self {
            secure: issuer.is_https(),
            session: format!("{prefix}portcullis-{digest}"),
            form: format!("{prefix}portcullis-form-{digest}"),
            step: format!("{prefix}portcullis-step-{digest}"),
        }
    }

    /// The session text that the browser sent.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Option<SecretString> {
        read(headers, &self.session).map(SecretString::from)
    }

    /// Keeps a session text for so many seconds.
    pub(crate) fn keep_session(&self, text: &SecretString, seconds: i64) -> HeaderValue {
        self.write(&self.session, text.expose_secret(), seconds)
    }

    /// Forgets the session text.
    pub(crate) fn forget_session(&self) -> HeaderValue {
        self.write(&self.session, "", 0)
    }

    /// The token for forms before log-in that the browser sent.
    pub(crate) fn form_token(&self, headers: &HeaderMap) -> Option<CsrfToken> {
        read(headers, &self.form).and_then(|text| CsrfToken::parse(&text))
    }

    /// Keeps a token for forms before log-in.
    pub(crate) fn keep_form_token(&self, token: CsrfToken) -> HeaderValue {
        self.write(&self.form, &token.to_string(), FORM_SECONDS)
    }

    /// The first step of a log-in that the browser sent.
    pub(crate) fn first_step(&self, headers: &HeaderMap) -> Option<String> {
        read(headers, &self.step)
    }

    /// Keeps the first step of a log-in. It says itself how long it is good for.
    pub(crate) fn keep_first_step(&self, text: &str) -> HeaderValue {
        self.write(&self.step, text, FORM_SECONDS)
    }

    /// Forgets the first step of a log-in.
    pub(crate) fn forget_first_step(&self) -> HeaderValue {
        self.write(&self.step, "", 0)
    }

    /// `Lax`: the way from a client to the consent page is a link from another site, and must bring the session along.
    fn write(&self, name: &str, value: &str, seconds: i64) -> HeaderValue {
        let cookie = Cookie::build((name, value))
            .path("/")
            .secure(self.secure)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(Duration::seconds(seconds));
        // A value is base64url with a prefix, or empty: always legal in a header.
        let mut header =
            HeaderValue::try_from(cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

/// How long a log-in page may stay open.
const FORM_SECONDS: i64 = 3600;

/// Each cookie is read by itself: one of another program on this host, in whatever bytes, must not take ours with it.
fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter();
    let pairs = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let readable = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
    let mut cookies = readable.filter_map(|pair| Cookie::parse(pair.trim()).ok());
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use ambient::SeededEntropy;

    use super::*;

    fn cookies(issuer: &str) -> Cookies {
        Cookies::of(&Issuer::parse(issuer).unwrap())
    }

    fn sent(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::COOKIE, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_that_cannot_be_read_takes_no_other_with_it() {
        let mut headers = HeaderMap::new();
        let value = b"other=\xe9\xff; portcullis=ses_x;=; x";
        headers.insert(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        assert_eq!(read(&headers, "portcullis").as_deref(), Some("ses_x"));
    }

    #[test]
    fn over_https_both_cookies_are_bound_to_the_host() {
        let https = cookies("https://as.example/tenant1");
        let kept = https.keep_session(&"ses_x".into(), 60);
        assert_eq!(
            kept,
            "__Host-portcullis-SZRr-bAQ=ses_x; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60"
        );
        assert!(kept.is_sensitive());
        let token = CsrfToken::drawn(&SeededEntropy::new(1));
        let kept = https.keep_form_token(token);
        let expected = format!(
            "__Host-portcullis-form-SZRr-bAQ={token}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
        );
        assert_eq!(kept, expected.as_str());
    }

    #[test]
    fn on_http_loopback_the_names_are_plain() {
        let http = cookies("http://127.0.0.1:8414");
        let kept = http.keep_session(&"ses_x".into(), 60);
        assert_eq!(kept, "portcullis-qIDoU387=ses_x; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
        assert_eq!(http.forget_session(), "portcullis-qIDoU387=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn another_issuer_of_the_same_host_has_names_of_its_own() {
        for (one, other) in [
            ("http://127.0.0.1:8414", "http://127.0.0.1:8415"),
            ("https://as.example/a", "https://as.example/b"),
        ] {
            let (one, other) = (cookies(one), cookies(other));
            let kept = one.keep_session(&"ses_x".into(), 60);
            let pair = kept.to_str().unwrap().split(';').next().unwrap().to_owned();
            assert!(
                one.session(&sent(&[&pair])).is_some() && other.session(&sent(&[&pair])).is_none(),
                "{pair}"
            );
            assert_ne!(one.form, other.form);
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let https = cookies("https://as.example");
        let headers =
            sent(&["a=b; portcullis-k-IPvZ2U=plain", "broken; __Host-portcullis-k-IPvZ2U=ses_x; c=d"]);
        assert_eq!(
            https.session(&headers).map(|text| text.expose_secret().to_owned()).as_deref(),
            Some("ses_x")
        );
        assert!(
            https
                .session(&sent(&["portcullis-k-IPvZ2U=ses_x", "__Host-portcullis-form-k-IPvZ2U=y"]))
                .is_none()
        );
    }

    #[test]
    fn a_form_token_that_is_none_is_absent() {
        let https = cookies("https://as.example");
        let token = CsrfToken::drawn(&SeededEntropy::new(1));
        assert_eq!(
            https.form_token(&sent(&[&format!("__Host-portcullis-form-k-IPvZ2U={token}")])),
            Some(token)
        );
        assert_eq!(https.form_token(&sent(&["__Host-portcullis-form-k-IPvZ2U=1"])), None);
    }
}
