//! Any request to the bare server.

use std::sync::Arc;

use authz_core::Policy;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_io::{Peer, Serve as _};
use oauth_types::{Challenge, ClientInformation, Form, OAuthError};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{GrantId, Memory};

use crate::bare::{Bare, CALLBACK};

/// A request as HTTP/1.1 writes it: method and target, headers, an empty line, a body. Never a panic, never a 5xx, always a
/// well-formed answer; and what is sent to the client goes to where it is registered.
///
/// In it `{access}`, `{refresh}`, `{code}`, `{grant}` (of a request that waits), `{coded}` (of one that was consented to), `{server}`,
/// `{key}`, `{confidential}` and `{secret}` stand for what the server has given to somebody.
pub fn http_any(bytes: &[u8]) {
    super::now(async {
        let bare = Bare::new(Arc::new(Memory::new()), |store| store, Policy::default(), true).await;
        let (bytes, secrets) = filled(&bare, bytes).await;
        let Some(request) = request(&bytes) else {
            return;
        };
        let asked = (request.method().clone(), request.uri().clone());
        let response = bare.server.serve(request, Peer::default()).await;
        well_formed(&asked.0, &asked.1, &response, &bare);
        // What a registration is refused for may be shown to whoever sent it.
        if response.status().is_client_error() && bare.server.endpoint(asked.1.path()) != Some("register") {
            let shown = [format!("{:?}", response.headers()).as_bytes(), response.body()].concat();
            assert!(
                !secrets.iter().any(|secret| contains(&shown, secret.as_bytes())),
                "an error tells a secret"
            );
        }
    });
}

/// The bytes with the real thing in each of the places that are kept for one, and what of it nobody may tell.
async fn filled(bare: &Bare, bytes: &[u8]) -> (Vec<u8>, Vec<String>) {
    let mut all = bytes.to_vec();
    let mut secrets = Vec::new();
    let wanted = |names: &[&str]| names.iter().any(|name| contains(bytes, name.as_bytes()));
    if wanted(&["{access}", "{refresh}"]) {
        let (_, tokens) = bare.live().await;
        let refresh = tokens.refresh.unwrap();
        all = replaced(&replaced(&all, "{access}", &tokens.access), "{refresh}", &refresh);
        secrets.extend([tokens.access, refresh]);
    }
    if wanted(&["{code}", "{coded}"]) {
        let (grant, code) = bare.coded().await;
        all = replaced(&replaced(&all, "{code}", &code), "{coded}", &grant.to_string());
        secrets.push(code);
    }
    if wanted(&["{grant}"]) {
        all = replaced(&all, "{grant}", &bare.requested().await.to_string());
    }
    if wanted(&["{server}", "{key}"]) {
        let (server, key) = &bare.resources[0];
        all = replaced(&replaced(&all, "{server}", &server.id.to_string()), "{key}", key);
        secrets.push(key.clone());
    }
    if wanted(&["{confidential}", "{secret}"]) {
        let metadata = json!({ "redirect_uris": [CALLBACK] }).to_string();
        let request = Request::post("/oauth/register").header("content-type", "application/json");
        let answer = bare.server.serve(request.body(metadata.into()).unwrap(), Peer::default()).await;
        let client = ClientInformation::from_json(answer.body()).unwrap();
        let secret = client.client_secret.unwrap().expose_secret().to_owned();
        all = replaced(&replaced(&all, "{confidential}", client.client_id.as_str()), "{secret}", &secret);
        secrets.push(secret);
    }
    (all, secrets)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn replaced(bytes: &[u8], place: &str, text: &str) -> Vec<u8> {
    let (mut rest, mut replaced) = (bytes, Vec::new());
    while let Some(at) = rest.windows(place.len()).position(|window| window == place.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(text.as_bytes());
        rest = &rest[at + place.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// `None` for what is no request, which the library that reads connections refuses.
fn request(bytes: &[u8]) -> Option<Request<Bytes>> {
    let split = bytes.windows(2).position(|window| window == b"\n\n");
    let (head, body) = split.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::from_bytes(&first[..space]).ok()?;
    *request.uri_mut() = Uri::try_from(&first[space + 1..]).ok()?;
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

fn well_formed(method: &Method, uri: &Uri, response: &Response<Bytes>, bare: &Bare) {
    let (status, headers, body) = (response.status(), response.headers(), response.body());
    assert!(!status.is_server_error() && !status.is_informational(), "{method} {uri}: {status}");
    let endpoint = bare.server.endpoint(uri.path());
    assert!(endpoint.is_some() || status == StatusCode::NOT_FOUND, "{uri}: {status}");
    for value in headers.values() {
        assert!(value.to_str().is_ok(), "{value:?}");
    }
    let of_people = matches!(endpoint, Some("authorize" | "continue"));
    // OAuth 2.1 section 3.1: scripts may call what programs call, and nothing that people open.
    assert_eq!(
        headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        endpoint.is_some() && !of_people,
        "{uri} {status}"
    );
    // What is made for somebody is kept by nobody.
    let document = status == StatusCode::OK && matches!(endpoint, Some("metadata" | "protected_resource"));
    let kept = if document { "public, max-age=3600" } else { "no-store" };
    let kept = Some(kept).filter(|_| status != StatusCode::NO_CONTENT);
    assert_eq!(one(headers, &header::CACHE_CONTROL), kept, "{uri} {status}");
    match status {
        StatusCode::SEE_OTHER => to_the_client(headers, body),
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = one(headers, &header::ALLOW).unwrap();
            assert!(!allowed.split(", ").any(|one| one == method.as_str()), "{method} of {allowed}");
            refused(endpoint, status, headers, body);
        }
        StatusCode::NO_CONTENT => assert!(*method == Method::OPTIONS && body.is_empty()),
        _ if method == Method::HEAD && endpoint.is_some() => assert!(body.is_empty()),
        _ if of_people => shown(status, headers, body),
        StatusCode::OK | StatusCode::CREATED => told(endpoint, status, headers, body),
        _ => refused(endpoint, status, headers, body),
    }
}

/// The one place that a browser is sent to: never anywhere but to the redirect URI (RFC 9700 section 4.11), with `iss`.
fn to_the_client(headers: &HeaderMap, body: &Bytes) {
    let location = one(headers, &header::LOCATION).unwrap();
    let query = location.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?'));
    let query = Form::parse(query.unwrap_or_else(|| panic!("sent to {location}")).as_bytes()).unwrap();
    assert_eq!(query.one("iss"), Ok(Some("https://as.example")));
    assert!(query.one("code").unwrap().is_some() != query.one("error").unwrap().is_some(), "{location}");
    assert_eq!(query.repeated(), None);
    assert!(body.is_empty());
}

/// A page, as [`Bare`] makes them: it asks for consent to a grant, or says in a title and a sentence what there is to say.
fn shown(status: StatusCode, headers: &HeaderMap, body: &Bytes) {
    assert!(status == StatusCode::OK || status.is_client_error(), "a page with {status}");
    assert_eq!(one(headers, &header::CONTENT_TYPE), Some("text/plain; charset=utf-8"));
    let page = std::str::from_utf8(body).unwrap();
    let asks = status == StatusCode::OK && GrantId::parse(page).is_ok();
    let says = page.split_once(": ").is_some_and(|(title, advice)| !title.is_empty() && !advice.is_empty());
    assert!(asks || says, "{status}: {page:?}");
}

fn told(endpoint: Option<&str>, status: StatusCode, headers: &HeaderMap, body: &Bytes) {
    if endpoint == Some("revoke") {
        assert!(body.is_empty());
        return;
    }
    let told: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(one(headers, &header::CONTENT_TYPE), Some("application/json"));
    assert_eq!(status == StatusCode::CREATED, endpoint == Some("register"));
    match endpoint {
        Some("token") => assert!(told["access_token"].is_string() && told["token_type"] == "Bearer"),
        Some("introspect") => {
            assert!(told["active"].is_boolean());
            assert!(told["active"] == true || told.as_object().unwrap().len() == 1);
        }
        Some("register") => assert!(told["client_id"].is_string()),
        Some("userinfo") => assert!(told["sub"].is_string()),
        Some("metadata") => assert_eq!(told["issuer"], "https://as.example"),
        Some("protected_resource") => assert!(told["resource"].is_string()),
        other => panic!("{other:?} told {told}"),
    }
}

/// RFC 6749 section 5.2: JSON, a code that is registered, a sentence in ASCII.
fn refused(endpoint: Option<&str>, status: StatusCode, headers: &HeaderMap, body: &Bytes) {
    assert_eq!(one(headers, &header::CONTENT_TYPE), Some("application/json"), "{status}");
    let told: Value = serde_json::from_slice(body).unwrap();
    let described = told["error_description"].as_str().unwrap();
    assert!(
        described.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)),
        "{described}"
    );
    if status != StatusCode::NOT_FOUND {
        let _: OAuthError = serde_json::from_value(told).unwrap();
    }
    let challenge = one(headers, &header::WWW_AUTHENTICATE).map(|value| Challenge::parse_all(value).unwrap());
    // RFC 9110 section 15.5.2; the token endpoint names a scheme only to a client that tried the header.
    let must = matches!(endpoint, Some("userinfo" | "introspect")) && status == StatusCode::UNAUTHORIZED;
    assert!(challenge.is_some() || !must);
    assert!(challenge.is_none() || status == StatusCode::UNAUTHORIZED);
}

/// The value of a header that is there once at most.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    assert!(values.next().is_none(), "{name} is there twice");
    first.map(|value| value.to_str().unwrap())
}
