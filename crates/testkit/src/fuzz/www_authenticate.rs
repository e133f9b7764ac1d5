//! The `WWW-Authenticate` header.

use http::HeaderValue;
use oauth_types::{Challenge, ErrorCode};

/// A header is printed and read back; and whatever is said in a challenge of ours, it is one challenge.
pub fn www_authenticate(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(challenges) = Challenge::parse_all(text) {
        read(&challenges);
    }
    told(text);
}

fn read(challenges: &[Challenge]) {
    assert!(!challenges.is_empty());
    let printed = header(challenges);
    let again = Challenge::parse_all(&printed).unwrap();
    assert_eq!(header(&again), printed);
    let ascii = |challenge: &Challenge| {
        challenge.params.iter().all(|(_, value)| value.chars().all(|c| matches!(c, ' '..='~')))
    };
    if challenges.iter().all(ascii) {
        assert_eq!(again, challenges);
    }
    assert_eq!(again.len(), challenges.len());
    for challenge in challenges {
        assert!(challenge.token68.is_none() || challenge.params.is_empty());
        for (at, (name, value)) in challenge.params.iter().enumerate() {
            assert_eq!(challenge.param(&name.to_ascii_uppercase()), Some(value.as_str()));
            assert!(challenge.params[..at].iter().all(|(other, _)| !other.eq_ignore_ascii_case(name)));
        }
    }
}

/// A stranger's text in each place that takes one.
fn told(text: &str) {
    let bearer = Challenge::bearer()
        .error(ErrorCode::InvalidToken)
        .description(text)
        .with("realm", text)
        .with("x", text);
    let basic = Challenge::basic(text);
    let strange = Challenge { scheme: text.to_owned(), ..Challenge::bearer() }.with(text, text);
    let [bearer, basic, strange] = [bearer, basic, strange].map(|challenge| challenge.to_string());
    for printed in [&bearer, &basic, &strange] {
        // No line break, nothing beyond ASCII: a header, and one only.
        assert!(printed.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        HeaderValue::from_str(printed).unwrap();
    }
    if text.len() > 2000 {
        return;
    }
    let [read] = <[Challenge; 1]>::try_from(Challenge::parse_all(&bearer).unwrap()).unwrap();
    assert_eq!((read.scheme.as_str(), read.param("error")), ("Bearer", Some("invalid_token")));
    let shown: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    assert_eq!((read.param("realm"), read.param("x")), (Some(shown.as_str()), Some(shown.as_str())));
    // RFC 6750 section 3.
    let legal = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    assert!(read.param("error_description").is_none_or(|text| !text.is_empty() && text.bytes().all(legal)));
    let [read] = <[Challenge; 1]>::try_from(Challenge::parse_all(&basic).unwrap()).unwrap();
    assert_eq!(read.param("realm"), Some(shown.as_str()));
}

fn header(challenges: &[Challenge]) -> String {
    challenges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
