//! The configuration of a server for any OpenID Connect provider, by three variables of the environment.

use std::env::{self, VarError};

use oauth_types::{Issuer, IssuerError, Resource, ResourceError};

use crate::{Jwt, Verifier, VerifierBuilder};

/// What the environment says: which issuer is trusted, and for which audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `OAUTH_ISSUER_URL`
    pub issuer: Issuer,
    /// `OAUTH_AUDIENCE`. Without it tokens are for `PUBLIC_URL`, and one final slash more or less is forgiven where that is a whole origin.
    pub audience: Option<String>,
    /// `PUBLIC_URL`
    pub public_url: Resource,
    /// `OAUTH_DANGEROUSLY_UNTYPED_TOKENS`
    pub dangerously_untyped_tokens: bool,
}

/// A variable of the environment that [`Environment`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub meaning: &'static str,
    /// What a good value looks like.
    pub example: &'static str,
    /// Whether a server does not start without it.
    pub required: bool,
}

const ISSUER: Variable = Variable {
    name: "OAUTH_ISSUER_URL",
    meaning: "The issuer, as its discovery document says it; one final slash more or less is forgiven",
    example: "https://tenant.eu.auth0.com/",
    required: true,
};
const AUDIENCE: Variable = Variable {
    name: "OAUTH_AUDIENCE",
    meaning: "What `aud` of the tokens must have; by default PUBLIC_URL",
    example: "https://mcp.example.com/mcp",
    required: false,
};
const PUBLIC_URL: Variable = Variable {
    name: "PUBLIC_URL",
    meaning: "The URL of the MCP endpoint, exactly as people type it into their clients",
    example: "https://mcp.example.com/mcp",
    required: true,
};
const UNTYPED: Variable = Variable {
    name: "OAUTH_DANGEROUSLY_UNTYPED_TOKENS",
    meaning: "Whether to take tokens that do not say that they are access tokens (`at+jwt`), from a provider that cannot say it; by default false",
    example: "true",
    required: false,
};

impl Environment {
    /// The variables, for `--help`.
    pub const VARIABLES: [Variable; 4] = [ISSUER, PUBLIC_URL, AUDIENCE, UNTYPED];

    /// What the environment of this process says.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] names the variable, and what a good value looks like.
    pub fn from_process() -> Result<Self, EnvironmentError> {
        Self::read(|variable| match env::var(variable.name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(EnvironmentError::NotText { name: variable.name, example: variable.example })
            }
        })
    }

    /// The same from whatever `lookup` finds by the name of a variable.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] names the variable, and what a good value looks like.
    pub fn from_lookup(mut lookup: impl FnMut(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        Self::read(|variable| Ok(lookup(variable.name)))
    }

    /// A verifier of the signed tokens of the issuer, for the audience.
    #[must_use]
    pub fn verifier(&self) -> VerifierBuilder {
        let jwt = Jwt::issued_by(self.issuer.as_str());
        let jwt = self.audience.iter().fold(jwt, |jwt, audience| jwt.audience(audience));
        let jwt = if self.dangerously_untyped_tokens { jwt.dangerously_untyped() } else { jwt };
        Verifier::builder(self.public_url.as_str()).jwt(jwt)
    }

    fn read(
        mut lookup: impl FnMut(&Variable) -> Result<Option<String>, EnvironmentError>,
    ) -> Result<Self, EnvironmentError> {
        // A line break at the end is what files of secrets and shells leave behind.
        let mut value = |variable: Variable| -> Result<Option<String>, EnvironmentError> {
            let Some(value) = lookup(&variable)? else { return Ok(None) };
            let value = value.trim();
            if value.is_empty() {
                return Err(EnvironmentError::Empty { name: variable.name, example: variable.example });
            }
            Ok(Some(value.to_owned()))
        };
        let mut required = |variable: Variable| {
            value(variable)?
                .ok_or(EnvironmentError::Missing { name: variable.name, example: variable.example })
        };
        let issuer = required(ISSUER)?;
        let issuer =
            Issuer::parse(&issuer).map_err(|fault| EnvironmentError::Issuer { value: issuer, fault })?;
        let public_url = required(PUBLIC_URL)?;
        let public_url = Resource::parse(&public_url)
            .map_err(|fault| EnvironmentError::PublicUrl { value: public_url, fault })?;
        let audience = value(AUDIENCE)?;
        let dangerously_untyped_tokens = match value(UNTYPED)?.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(EnvironmentError::NotBool { name: UNTYPED.name, value: other.to_owned() });
            }
        };
        Ok(Self { issuer, audience, public_url, dangerously_untyped_tokens })
    }
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, meaning, example, required } = self;
        write!(f, "{name}  {meaning}{}. Like {example}", if *required { "; required" } else { "" })
    }
}

/// Why the environment does not say enough.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A variable that is needed is not set.
    #[error("{name} is not set. Set it to something like {example}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What a good value looks like.
        example: &'static str,
    },
    /// A variable is set to nothing. That is never what was meant: an audience that is not checked lets in tokens for anybody else.
    #[error(
        "{name} is empty. Set it to something like {example}, or do not set it at all where it has a default"
    )]
    Empty {
        /// The variable.
        name: &'static str,
        /// What a good value looks like.
        example: &'static str,
    },
    /// A value that is not UTF-8.
    #[error("{name} is not text in UTF-8. Set it to something like {example}")]
    NotText {
        /// The variable.
        name: &'static str,
        /// What a good value looks like.
        example: &'static str,
    },
    /// No issuer.
    #[error(
        "OAUTH_ISSUER_URL is {value:?}, which cannot be used: {fault}. Set it to something like https://tenant.eu.auth0.com/"
    )]
    Issuer {
        /// What it is set to.
        value: String,
        /// What is wrong with it.
        fault: IssuerError,
    },
    /// No URL of a server.
    #[error(
        "PUBLIC_URL is {value:?}, which cannot be used: {fault}. Set it to the URL of the MCP endpoint, like https://mcp.example.com/mcp"
    )]
    PublicUrl {
        /// What it is set to.
        value: String,
        /// What is wrong with it.
        fault: ResourceError,
    },
    /// Neither `true` nor `false`.
    #[error("{name} is {value:?}. Set it to true or false")]
    NotBool {
        /// The variable.
        name: &'static str,
        /// What it is set to.
        value: String,
    },
}

/// The sentence: `main` shows an error that it returns in this form.
impl std::fmt::Debug for EnvironmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
