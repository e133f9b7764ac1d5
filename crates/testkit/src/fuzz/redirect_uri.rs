//! A redirect URI.

use oauth_types::{RedirectKind, RedirectUri};

/// It is kept byte for byte and matched by itself alone, and what is added to its query is read back.
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
        RedirectKind::Https => assert!(scheme == "https" && !of_this_machine(uri.host().unwrap()), "{text}"),
        RedirectKind::Loopback => {
            let host = uri.host().unwrap().to_ascii_lowercase();
            if scheme == "http" {
                assert!(["127.0.0.1", "[::1]", "localhost"].contains(&host.as_str()));
            } else {
                assert!(scheme == "https" && of_this_machine(&host), "{text}");
            }
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

/// By the reading of the library that resolves what browsers open.
fn of_this_machine(host: &str) -> bool {
    match url::Host::parse(host).unwrap() {
        url::Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
        url::Host::Ipv6(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        url::Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}
