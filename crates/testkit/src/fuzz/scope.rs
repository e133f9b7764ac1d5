//! Scopes.

use std::collections::BTreeSet;

use oauth_types::{Scope, ScopeError};

/// Two scopes, with a line break between them: each is a sorted set, and the algebra is that of sets.
pub fn scope(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (one, other) = text.split_once('\n').unwrap_or((text, ""));
    let (Some((one, ones)), Some((other, others))) = (read(one), read(other)) else {
        return;
    };
    let set = |scope: &Scope| scope.iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(set(&one.union(&other)), &ones | &others);
    assert_eq!(set(&one.intersection(&other)), &ones & &others);
    assert_eq!(set(&one.difference(&other)), &ones - &others);
    assert_eq!(one.is_subset_of(&other), ones.is_subset(&others));
    assert_eq!(one == other, ones == others);
    for token in ones.iter().chain(&others) {
        assert_eq!(one.contains(token), ones.contains(token));
    }
    // A union may be longer than what can be asked for, and survives being stored.
    for made in [one.union(&other), one.difference(&other)] {
        let stored = serde_json::to_vec(&made).unwrap();
        assert_eq!(serde_json::from_slice::<Scope>(&stored).unwrap(), made);
    }
}

/// The scope, and the same as the RFC has it (RFC 6749 section 3.3).
fn read(text: &str) -> Option<(Scope, BTreeSet<String>)> {
    let tokens: BTreeSet<String> =
        text.split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect();
    let legal = |c: char| matches!(c, '\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E');
    let expected = if text.len() > 4096 {
        Err(ScopeError::TooLong)
    } else if tokens.iter().all(|token| token.chars().all(legal)) {
        Ok(tokens.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    } else {
        Err(ScopeError::Character)
    };
    let scope = Scope::parse(text);
    assert_eq!(scope.clone().map(|scope| scope.to_string()), expected);
    let scope = scope.ok()?;
    assert_eq!(Scope::parse(scope.as_str()).unwrap(), scope);
    assert_eq!(serde_json::from_value::<Scope>(text.into()).unwrap(), scope);
    assert_eq!(scope.is_empty(), tokens.is_empty());
    Some((scope, tokens))
}
