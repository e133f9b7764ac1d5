//! `application/x-www-form-urlencoded`, read strictly (RFC 6749 appendix B).

use std::fmt;

/// The parameters of a body or a query, in order.
///
/// `Debug` shows the names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

/// Why bytes are no form; on the wire all of it is `invalid_request`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// A percent sign without two hexadecimal digits.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    /// A name or a value that is not UTF-8.
    #[error("a parameter is not UTF-8")]
    NotUtf8,
    /// A NUL character.
    #[error("a parameter contains a NUL")]
    Nul,
    /// More than 64 parameters.
    #[error("more than 64 parameters")]
    TooMany,
}

/// A parameter that occurs twice (RFC 6749 sections 3.1 and 3.2 forbid it). It holds the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} occurs more than once")]
pub struct Repeated(pub String);

impl Form {
    /// Reads a body or a query without its question mark. No bytes are the empty form.
    ///
    /// # Errors
    /// [`FormError`]: a lenient reader and a strict one would see two different requests.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormError> {
        let mut pairs = Vec::new();
        for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST {
                return Err(FormError::TooMany);
            }
            let split = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = split.map_or((pair, &[][..]), |at| (&pair[..at], &pair[at + 1..]));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`; an empty one is absent (RFC 6749 section 3.1).
    ///
    /// # Errors
    /// [`Repeated`] if the name occurs twice, empty or not.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.values(name);
        let value = values.next();
        if values.next().is_some() {
            return Err(Repeated(name.to_owned()));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// All values of `name`, empty ones dropped.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.values(name).filter(|value| !value.is_empty())
    }

    /// The first name that occurs twice. `resource` may (RFC 8707 section 2).
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let mut rest = self.0.as_slice();
        while let [(name, _), after @ ..] = rest {
            if name != "resource" && after.iter().any(|(other, _)| other == name) {
                return Some(name);
            }
            rest = after;
        }
        None
    }

    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form")?;
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// One name or value: plus is a space, `%XX` a byte, and the whole is UTF-8 without NUL.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        let (read, after) = match (byte, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, after @ ..]) => (hex(*high)? << 4 | hex(*low)?, after),
            (b'%', _) => return Err(FormError::Escape),
            (byte, _) => (*byte, after),
        };
        decoded.push(read);
        rest = after;
    }
    if decoded.contains(&0) {
        return Err(FormError::Nul);
    }
    String::from_utf8(decoded).map_err(|_| FormError::NotUtf8)
}

fn hex(digit: u8) -> Result<u8, FormError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(FormError::Escape),
    }
}

const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn plus_and_percent_are_decoded_in_names_and_values() {
        let form = form("a+b=c%2Bd+e&%63=%C3%A9&&d");
        assert_eq!(form.one("a b"), Ok(Some("c+d e")));
        assert_eq!(form.one("c"), Ok(Some("\u{e9}")));
        assert_eq!(form.one("d"), Ok(None));
        assert_eq!(form.one("absent"), Ok(None));
    }

    /// RFC 3986 section 2.1: a digit means the same in either case.
    #[test]
    fn each_hexadecimal_digit_is_read_in_either_case() {
        for digits in ["0123456789abcdef", "0123456789ABCDEF"] {
            for (value, digit) in digits.bytes().enumerate() {
                assert_eq!(usize::from(hex(digit).unwrap()), value, "{digit}");
            }
        }
        assert_eq!(decode(b"%e2%82%ac%C3%BF%6b"), Ok("\u{20ac}\u{ff}k".to_owned()));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_an_error() {
        for (text, error) in [
            (&b"a=%"[..], FormError::Escape),
            (b"a=%4", FormError::Escape),
            (b"a=%zz", FormError::Escape),
            (b"%+1=a", FormError::Escape),
            (b"a=%ff", FormError::NotUtf8),
            (b"a=\xff", FormError::NotUtf8),
            (b"a=%00", FormError::Nul),
            (b"a\0=b", FormError::Nul),
        ] {
            assert_eq!(Form::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn at_most_64_parameters_are_read() {
        assert!(Form::parse("a=1&".repeat(64).as_bytes()).is_ok());
        assert_eq!(Form::parse("a=1&".repeat(65).as_bytes()).unwrap_err(), FormError::TooMany);
    }

    /// AS-10, AS-29.
    #[test]
    fn a_repeated_parameter_is_an_error_even_if_it_is_empty() {
        for text in ["a=1&a=2", "a=1&b=2&a=1", "a=&a=1", "a=1&%61"] {
            assert_eq!(form(text).one("a"), Err(Repeated("a".to_owned())), "{text}");
            assert_eq!(form(text).repeated(), Some("a"), "{text}");
        }
        assert_eq!(form("a=1&b=2").repeated(), None);
    }

    /// AS-10, RFC 8707 section 2.
    #[test]
    fn resource_may_repeat_and_empty_values_are_absent() {
        let form = form("resource=x&resource=&resource=y");
        assert_eq!(form.repeated(), None);
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", form("client_secret=hush&code=hush")), r#"Form["client_secret", "code"]"#);
    }
}
