//! The `WWW-Authenticate` header (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9728 section 5.1).

use std::fmt;

use crate::authorization::is_token68_byte;
use crate::error::described;
use crate::{Acr, ErrorCode, Scope};

/// One challenge: a scheme, and parameters or one token68.
///
/// `Display` writes a legal field value whatever the fields hold: parameters are quoted, and what has no place in a
/// header (line breaks above all) is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme, in the case it came.
    pub scheme: String,
    /// What some schemes have instead of parameters.
    pub token68: Option<String>,
    /// Names and values, in order, unquoted.
    pub params: Vec<(String, String)>,
}

/// A header value that does not follow RFC 9110 section 11.6.1, has a parameter twice, or is longer than 16 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of challenges")]
pub struct MalformedChallenge;

impl Challenge {
    /// A Bearer challenge without parameters: what somebody without credentials gets (RFC 6750 section 3.1).
    #[must_use]
    pub fn bearer() -> Self {
        Self { scheme: "Bearer".to_owned(), ..Self::default() }
    }

    /// A Basic challenge (RFC 7617 section 2).
    #[must_use]
    pub fn basic(realm: &str) -> Self {
        Self { scheme: "Basic".to_owned(), ..Self::default() }.with("realm", realm)
    }

    /// Adds a parameter, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.params.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(&name)) {
            Some((_, own)) => *own = value,
            None => self.params.push((name, value)),
        }
        self
    }

    /// Adds `error`.
    #[must_use]
    pub fn error(self, error: ErrorCode) -> Self {
        self.with("error", error.as_str())
    }

    /// Adds `error_description`, in the characters of RFC 6750 section 3; nothing if none of them is left.
    #[must_use]
    pub fn description(self, text: impl AsRef<str>) -> Self {
        match described(text.as_ref()) {
            Some(text) => self.with("error_description", text),
            None => self,
        }
    }

    /// Adds `scope`; nothing if it is empty, for the attribute has at least one token (RFC 6750 section 3).
    #[must_use]
    pub fn scope(self, scope: &Scope) -> Self {
        if scope.is_empty() { self } else { self.with("scope", scope.as_str()) }
    }

    /// Adds `acr_values`, any of which will do; nothing if there are none (RFC 9470 section 3).
    #[must_use]
    pub fn acr_values(self, any: &[Acr]) -> Self {
        if any.is_empty() { self } else { self.with("acr_values", Acr::join(any)) }
    }

    /// Adds `max_age`, in seconds (RFC 9470 section 3).
    #[must_use]
    pub fn max_age(self, seconds: u64) -> Self {
        self.with("max_age", seconds.to_string())
    }

    /// Adds `resource_metadata`, the URL of the protected resource's metadata (RFC 9728 section 5.1).
    #[must_use]
    pub fn resource_metadata(self, url: &str) -> Self {
        self.with("resource_metadata", url)
    }

    /// The value of a parameter; names are compared without regard to case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Reads all challenges of one header value.
    ///
    /// # Errors
    /// [`MalformedChallenge`] if any of them is malformed: half a header is not trusted.
    pub fn parse_all(value: &str) -> Result<Vec<Self>, MalformedChallenge> {
        if value.len() > LONGEST {
            return Err(MalformedChallenge);
        }
        let mut rest = Rest(value);
        let mut challenges: Vec<Self> = Vec::new();
        while rest.next_element() {
            let name = rest.token()?;
            let spaces = rest.spaces();
            match challenges.last_mut() {
                Some(current) if current.token68.is_none() && rest.0.starts_with('=') => {
                    current.push(name, rest.after_equals()?)?;
                }
                Some(_) | None => {
                    let mut new = Self { scheme: name.to_owned(), ..Self::default() };
                    if !rest.at_border() {
                        if spaces == 0 {
                            return Err(MalformedChallenge);
                        }
                        match rest.token68() {
                            Some(token68) => new.token68 = Some(token68.to_owned()),
                            None => {
                                let name = rest.token()?;
                                rest.blanks();
                                new.push(name, rest.after_equals()?)?;
                            }
                        }
                    }
                    challenges.push(new);
                }
            }
            rest.blanks();
            if !rest.at_border() {
                return Err(MalformedChallenge);
            }
        }
        if challenges.is_empty() { Err(MalformedChallenge) } else { Ok(challenges) }
    }

    /// RFC 9110 section 11.2: a name occurs once per challenge.
    fn push(&mut self, name: &str, value: String) -> Result<(), MalformedChallenge> {
        if self.param(name).is_some() {
            return Err(MalformedChallenge);
        }
        self.params.push((name.to_owned(), value));
        Ok(())
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = |text: &str| text.chars().filter(|c| is_token_char(*c)).collect::<String>();
        f.write_str(&token(&self.scheme))?;
        if let Some(token68) = &self.token68 {
            let legal = |c: &char| u8::try_from(*c).is_ok_and(|byte| is_token68_byte(byte) || byte == b'=');
            return write!(f, " {}", token68.chars().filter(legal).collect::<String>());
        }
        let named = self.params.iter().map(|(name, value)| (token(name), value));
        for (at, (name, value)) in named.filter(|(name, _)| !name.is_empty()).enumerate() {
            write!(f, "{} {name}=\"", if at == 0 { "" } else { "," })?;
            for c in value.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    ' '..='~' => write!(f, "{c}")?,
                    _ => f.write_str("?")?,
                }
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Skips what may stand between two elements of a list; false at the end.
    fn next_element(&mut self) -> bool {
        self.0 = self.0.trim_start_matches([',', ' ', '\t']);
        !self.0.is_empty()
    }

    fn at_border(&self) -> bool {
        self.0.is_empty() || self.0.starts_with(',')
    }

    fn spaces(&mut self) -> usize {
        let before = self.0.len();
        self.blanks();
        before - self.0.len()
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn token(&mut self) -> Result<&'a str, MalformedChallenge> {
        let end = self.0.find(|c| !is_token_char(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        if token.is_empty() { Err(MalformedChallenge) } else { Ok(token) }
    }

    /// Reads a token68 only if the element ends behind it: `a=b` is a parameter.
    fn token68(&mut self) -> Option<&'a str> {
        let body = self.0.find(|c: char| !u8::try_from(c).is_ok_and(is_token68_byte)).unwrap_or(self.0.len());
        let padding = self.0[body..].find(|c| c != '=').unwrap_or(self.0.len() - body);
        let (token68, rest) = self.0.split_at(body + padding);
        let mut after = Self(rest);
        after.blanks();
        if body == 0 || !after.at_border() {
            return None;
        }
        self.0 = rest;
        Some(token68)
    }

    fn after_equals(&mut self) -> Result<String, MalformedChallenge> {
        self.0 = self.0.strip_prefix('=').ok_or(MalformedChallenge)?;
        self.blanks();
        match self.0.strip_prefix('"') {
            Some(rest) => {
                self.0 = rest;
                self.quoted()
            }
            None => self.token().map(str::to_owned),
        }
    }

    /// RFC 9110 section 5.6.4, behind the opening quote.
    fn quoted(&mut self) -> Result<String, MalformedChallenge> {
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            let c = match chars.next() {
                Some('"') => break,
                Some('\\') => chars.next(),
                next => next,
            };
            match c {
                Some(c) if c == '\t' || !c.is_control() => value.push(c),
                Some(_) | None => return Err(MalformedChallenge),
            }
        }
        self.0 = chars.as_str();
        Ok(value)
    }
}

/// RFC 9110 section 5.6.2.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn params(challenge: &Challenge) -> Vec<(&str, &str)> {
        challenge.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// RS-6, RS-7.
    #[test]
    fn a_challenge_without_credentials_has_no_error() {
        let challenge = Challenge::bearer()
            .resource_metadata("https://mcp.example.com/.well-known/oauth-protected-resource/mcp")
            .scope(&Scope::parse("files:read").unwrap());
        assert_eq!(
            challenge.to_string(),
            "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", \
             scope=\"files:read\""
        );
        assert_eq!(Challenge::bearer().scope(&Scope::empty()).to_string(), "Bearer");
    }

    /// RS-8.
    #[test]
    fn a_challenge_for_more_scope_names_it() {
        let challenge = Challenge::bearer()
            .error(ErrorCode::InsufficientScope)
            .description("needs \"files:write\"")
            .scope(&Scope::parse("files:write files:read").unwrap());
        assert_eq!(
            challenge.to_string(),
            "Bearer error=\"insufficient_scope\", error_description=\"needs 'files:write'\", \
             scope=\"files:read files:write\""
        );
        assert_eq!(Challenge::basic("a \"b\" \\").to_string(), r#"Basic realm="a \"b\" \\""#);
    }

    #[test]
    fn a_parameter_occurs_once_and_a_line_break_never() {
        let challenge = Challenge::bearer().with("realm", "one").with("Realm", "two\r\nSet-Cookie: a=b");
        assert_eq!(challenge.to_string(), r#"Bearer realm="two??Set-Cookie: a=b""#);
        let hostile = Challenge { scheme: "Be\r\narer".to_owned(), ..Challenge::default() }.with("\r\n", "x");
        assert_eq!(hostile.to_string(), "Bearer");
    }

    /// RFC 9110 section 11.6.1, the example.
    #[test]
    fn several_challenges_are_read_from_one_header() {
        let value = r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"""#;
        let challenges = Challenge::parse_all(value).unwrap();
        assert_eq!(challenges.len(), 2);
        assert_eq!(
            (challenges[0].scheme.as_str(), params(&challenges[0])),
            ("Basic", vec![("realm", "simple")])
        );
        assert_eq!(challenges[1].scheme, "Newauth");
        assert_eq!(
            params(&challenges[1]),
            [("realm", "apps"), ("type", "1"), ("title", "Login to \"apps\"")]
        );
        assert_eq!(challenges[1].param("TITLE"), Some("Login to \"apps\""));
    }

    #[test]
    fn a_token68_and_bare_schemes_are_read() {
        let challenges = Challenge::parse_all("Negotiate YWJj==, , Bearer ,NTLM, Basic realm = x").unwrap();
        let schemes: Vec<_> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
        assert_eq!(schemes, ["Negotiate", "Bearer", "NTLM", "Basic"]);
        assert_eq!(challenges[0].token68.as_deref(), Some("YWJj=="));
        assert_eq!(challenges[3].param("realm"), Some("x"));
        assert_eq!(challenges[0].to_string(), "Negotiate YWJj==");
        for last in ["YWJj", "YWI=", "YQ=="] {
            let challenges = Challenge::parse_all(&format!("Bearer, Negotiate {last}")).unwrap();
            assert_eq!(challenges[1].token68.as_deref(), Some(last));
        }
    }

    #[test]
    fn half_a_header_is_not_trusted() {
        for value in [
            "",
            " , ",
            "=",
            "Bearer a=1, realm=",
            "Bearer realm=\"x",
            "Bearer realm=\"x\\",
            "Bearer realm=\"x\" scope=\"y\"",
            "Bearer realm=\"x\", realm=\"y\"",
            "Bearer a=1, A=2",
            "Bearer/1",
            "Bearer a b",
            "Bearer realm=\"a\u{7}b\"",
            "Negotiate YWJj, a=1",
        ] {
            assert_eq!(Challenge::parse_all(value), Err(MalformedChallenge), "{value:?}");
        }
        let long = |length: usize| format!("Bearer a=\"{}\"", "x".repeat(length - "Bearer a=\"\"".len()));
        assert_eq!(Challenge::parse_all(&long(16_385)), Err(MalformedChallenge));
        assert!(Challenge::parse_all(&long(16_384)).is_ok());
    }

    /// RFC 9470 section 3.
    #[test]
    fn a_challenge_for_another_log_in_says_how_and_how_lately() {
        let classes = Acr::parse_all("phr mfa").unwrap();
        let challenge = Challenge::bearer().acr_values(&classes).max_age(300);
        assert_eq!(challenge.to_string(), r#"Bearer acr_values="phr mfa", max_age="300""#);
        assert_eq!(Challenge::bearer().acr_values(&[]), Challenge::bearer());
    }

    /// RFC 9110 section 5.6.4: a tab has a place in a quoted text, and blanks around what follows an equals sign or a token68 do not matter.
    #[test]
    fn tabs_are_blanks() {
        let challenges =
            Challenge::parse_all("Basic realm\t=\t\"a\tb\"\t,\tNegotiate\tYWJj\t,Bearer").unwrap();
        assert_eq!(challenges[0].param("realm"), Some("a\tb"));
        assert_eq!(challenges[1].token68.as_deref(), Some("YWJj"));
        assert_eq!(challenges[2], Challenge::bearer());
    }
}
