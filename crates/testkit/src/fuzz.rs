//! The bodies of the fuzz targets: parse, print, parse again. They panic when what was read is not what was written.
//!
//! `fuzz/` calls them with what a fuzzer makes up, `tests/` with the seeds that are kept there. Each takes any bytes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a body fails by a panic")]

use std::collections::BTreeSet;

use authz_core::TokenText;
use oauth_types::{AuthorizationRequest, Form, RedirectKind, RedirectUri, RevocationRequest, TokenRequest};
use secrecy::ExposeSecret as _;
use store::Digest;

/// A target by name, which is a folder of seeds and a file of `fuzz/`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 3] = [("form", form), ("redirect_uri", redirect_uri), ("token_text", token_text)];

/// A query or a body: what our strict reader takes, a lenient one reads the same; and every request that is read of it is
/// printed and read back.
pub fn form(bytes: &[u8]) {
    let Ok(form) = Form::parse(bytes) else {
        return;
    };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
    assert!(pairs.len() <= 64);
    for (name, value) in &pairs {
        assert!(!name.contains('\0') && !value.contains('\0'));
        let values: Vec<&str> =
            pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(form.one(name).is_err(), values.len() > 1);
        let present: Vec<&str> = values.into_iter().filter(|value| !value.is_empty()).collect();
        assert_eq!(form.all(name).collect::<Vec<_>>(), present);
    }
    let names: Vec<&str> =
        pairs.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "resource").collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(form.repeated().is_some(), distinct.len() < names.len());

    let printed = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let again = Form::parse(printed.as_bytes()).unwrap();
    for (name, _) in &pairs {
        assert!(again.all(name).eq(form.all(name)));
    }
    let request = AuthorizationRequest::from_form(&form);
    let query = Form::parse(request.to_query().as_bytes()).unwrap();
    assert_eq!(AuthorizationRequest::from_form(&query), request);

    // A repeated parameter is an error wherever it counts (RFC 6749 section 3.2).
    if form.repeated().is_some() {
        assert!(TokenRequest::from_form(&form).is_err() && RevocationRequest::from_form(&form).is_err());
    }
}

/// A redirect URI: kept byte for byte, matched by itself, and what is added to its query is read back.
pub fn redirect_uri(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(uri) = RedirectUri::parse(text) else {
        return;
    };
    assert_eq!(uri.as_str(), text);
    let printed = format!("{uri}");
    assert_eq!(RedirectUri::parse(&printed), Ok(uri.clone()));
    assert!(uri.matches(&uri));
    assert!(text.is_ascii() && text.len() <= 2048 && !text.contains(['#', ' ', '\\', '"', '<']));
    let scheme = text.split(':').next().unwrap().to_ascii_lowercase();
    assert!(!["javascript", "data", "file", "vbscript", "blob", "about"].contains(&scheme.as_str()));
    match uri.kind() {
        RedirectKind::Https => assert!(scheme == "https" && uri.host().is_some()),
        RedirectKind::Loopback => {
            assert!(scheme == "http");
            let host = uri.host().unwrap().to_ascii_lowercase();
            assert!(["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str()));
        }
        RedirectKind::PrivateUse => assert!(scheme != "http" && scheme != "https"),
    }
    let answered = uri.with_query(&[("code", "a b&c=d#e"), ("state", "\u{e9}")]);
    assert!(answered.starts_with(text));
    if answered.len() <= 2048 {
        assert_eq!(RedirectUri::parse(&answered).unwrap().kind(), uri.kind());
    }
    let query = answered.split_once('?').unwrap().1;
    let last: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let [.., code, state] = last.as_slice() else { panic!("{answered}") };
    assert_eq!((&*code.1, &*state.1), ("a b&c=d#e", "\u{e9}"));

    // G9: one byte more is another URI, unless it is a digit more of a loopback port.
    let longer = format!("{text}x");
    assert!(
        RedirectUri::parse(&longer).map_or(true, |longer| !longer.matches(&uri) && !uri.matches(&longer))
    );
}

/// A text of a token: one value, one text.
pub fn token_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(token) = TokenText::parse(text) else {
        return;
    };
    let printed = token.expose();
    assert_eq!(printed.expose_secret(), text);
    assert_eq!(text.len(), token.kind.prefix().len() + 72);
    assert!(TokenText::parse(printed.expose_secret()).unwrap().is(&token));
    assert!(token.digest().is(&Digest::of(bytes)));
    for other in
        [format!("{text}="), format!("{text}A"), text[..text.len() - 1].to_owned(), text.to_uppercase()]
    {
        assert!(TokenText::parse(&other).map_or(true, |other| !other.is(&token)));
    }
}
