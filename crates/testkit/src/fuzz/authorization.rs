//! The `Authorization` header, and what comes to the authorization endpoint and goes back from it.

use authz_core::ReturnTo;
use oauth_types::{
    Acr, Authorization, AuthorizationRequest, AuthorizationResponse, Form, Issuer, RedirectUri, basic_header,
    bearer_header,
};
use secrecy::ExposeSecret as _;

/// A header, a request, an answer, and the way back that a log-in page carries: the same bytes may be each of them.
pub fn authorization(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        header(text);
        return_to(text);
        acr(text);
    }
    if let Ok(form) = Form::parse(bytes) {
        request(&form);
        response(&form);
    }
}

fn header(text: &str) {
    let Ok(read) = Authorization::parse(text) else {
        return;
    };
    match &read {
        Authorization::Bearer(token) => {
            let text = token.expose_secret();
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            let body = text.trim_end_matches('=');
            assert!(!body.is_empty() && body.bytes().all(legal), "{text:?}");
            let Ok(Authorization::Bearer(again)) = Authorization::parse(&bearer_header(token)) else {
                panic!("{text:?}")
            };
            assert_eq!(again.expose_secret(), text);
        }
        Authorization::Basic { id, secret } => {
            assert!(!id.chars().chain(secret.expose_secret().chars()).any(char::is_control));
            let printed = basic_header(id, secret);
            let Ok(Authorization::Basic { id: again, secret: hidden }) = Authorization::parse(&printed)
            else {
                panic!("{printed}")
            };
            assert_eq!((&again, hidden.expose_secret()), (id, secret.expose_secret()));
        }
        Authorization::Other => {
            let scheme = text.trim_matches([' ', '\t']).split(' ').next().unwrap();
            assert!(!["bearer", "basic"].contains(&scheme.to_ascii_lowercase().as_str()));
        }
    }
}

fn request(form: &Form) {
    let request = AuthorizationRequest::from_form(form);
    let query = request.to_query();
    let again = Form::parse(query.as_bytes()).unwrap();
    assert_eq!(AuthorizationRequest::from_form(&again), request);
    assert!(again.repeated().is_none());
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic()));
}

/// What a client reads of an answer is what is written of it, in the query of its redirect URI.
fn response(form: &Form) {
    let Ok(response) = AuthorizationResponse::from_query(form) else {
        return;
    };
    for callback in [
        "https://app.example/callback",
        "https://app.example/cb?x=1",
        "cursor://app/cb",
        "http://127.0.0.1:1/",
    ] {
        let uri = response.to_uri(&RedirectUri::parse(callback).unwrap());
        assert!(uri.starts_with(callback) && uri.bytes().all(|byte| byte.is_ascii_graphic()));
        let query = Form::parse(uri.split_once('?').unwrap().1.as_bytes()).unwrap();
        let again = AuthorizationResponse::from_query(&query).unwrap();
        assert_eq!((again.iss(), again.state()), (response.iss(), response.state()));
        match (&again, &response) {
            (AuthorizationResponse::Code { code: again, .. }, AuthorizationResponse::Code { code, .. }) => {
                assert_eq!(again.expose_secret(), code.expose_secret());
            }
            (
                AuthorizationResponse::Error { error: again, .. },
                AuthorizationResponse::Error { error, .. },
            ) => {
                assert_eq!(again, error);
            }
            (AuthorizationResponse::Code { .. } | AuthorizationResponse::Error { .. }, _) => panic!("{uri}"),
        }
    }
}

/// Wherever it leads a browser, it is below the issuer (OAuth 2.1 section 7.12).
fn return_to(text: &str) {
    for issuer in ["https://as.example", "https://as.example/tenant"] {
        let issuer = Issuer::parse(issuer).unwrap();
        let Ok(way) = ReturnTo::parse(text, &issuer) else {
            continue;
        };
        assert_eq!(way.as_str(), text);
        let page = url::Url::parse(&issuer.endpoint("/auth/login")).unwrap();
        let led = page.join(text).unwrap();
        assert_eq!(led.origin(), page.origin(), "{text}");
        assert!(issuer.strip(led.path()).is_some(), "{text}");
        assert!(led.username().is_empty() && led.password().is_none(), "{text}");
    }
}

fn acr(text: &str) {
    if let Ok(all) = Acr::parse_all(text) {
        assert_eq!(Acr::parse_all(&Acr::join(&all)).unwrap(), all);
    }
}
