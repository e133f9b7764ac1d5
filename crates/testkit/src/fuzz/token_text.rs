//! The text of a token, code or key.

use authz_core::TokenText;
use secrecy::ExposeSecret as _;
use store::Digest;

/// One value, one text.
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
