//! The check of whatever credential comes: who is to be asked about it, and what it says.

pub(crate) mod asking;
mod builder;
pub(crate) mod discovery;
pub(crate) mod notices;
pub(crate) mod renewed;
mod watch;

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Time};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use oauth_types::{Issuer, Resource};
use secrecy::{ExposeSecret as _, SecretString};

pub use builder::VerifierBuilder;

use crate::jwt::Trusted;
use crate::opaque::{Digest, Remembered, Source};
use crate::{Holder, Invalid, Rejection, Unavailable, Verified, Verify};
use notices::Notices;

/// Checks the tokens that this server is sent. A clone is the same verifier.
///
/// Who is asked about a token depends on the token alone, in this order:
///
/// 1. one's own [`credential`](VerifierBuilder::credential) whose prefix it starts with;
/// 2. if it has the shape of a JWT: the [`Jwt`](crate::Jwt) of the issuer that it names, else the source without a prefix, if that is
///    of this issuer or none is named;
/// 3. the [`Introspection`](crate::Introspection) whose prefix it starts with;
/// 4. the source without a prefix: an introspection, or userinfo.
///
/// There is no next try: what the one that is asked says, counts. So a token is never shown to a server that it is not from.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    resource: Resource,
    own: Vec<Own>,
    trusted: Vec<Trusted>,
    sources: Vec<Arc<Source>>,
    remembered: Arc<Remembered>,
    clock: Arc<dyn Clock>,
    notices: Arc<Notices>,
}

/// A credential of one's own.
struct Own {
    prefix: String,
    check: Check,
    /// Who vouches for it, unless the check names somebody.
    issuer: Issuer,
}

type Check = Box<dyn Fn(SecretString) -> BoxFuture<'static, Result<Holder, Rejection>> + Send + Sync>;

impl Verifier {
    /// A verifier for the server at `resource`: the exact URL of the MCP endpoint, as clients know it. Whatever is wrong with it is
    /// said by [`build`](VerifierBuilder::build).
    #[must_use]
    pub fn builder(resource: &str) -> VerifierBuilder {
        VerifierBuilder::new(resource)
    }

    /// Fetches what is needed to check tokens, now and before it is old, for as long as it is polled: it never ends. While that
    /// fails, it tries again after 1 second, doubling to 60; the first failure is logged as an error, with what to check.
    ///
    /// A server spawns it, on a tokio runtime with time. Without it everything is fetched when it is needed, and
    /// [`ready`](Verify::ready) says so until then.
    pub fn keep_ready(&self) -> impl Future<Output = ()> + Send + 'static {
        watch::keep_ready(Arc::clone(&self.0))
    }
}

#[async_trait]
impl Verify for Verifier {
    async fn verify(&self, token: &SecretString) -> Result<Arc<Verified>, Rejection> {
        let inner = &*self.0;
        let now = inner.clock.now();
        match inner.chosen(token, now) {
            Chosen::Known(answer) => answer,
            // Boxed: the future of what is known would be as large as theirs.
            Chosen::Own(own) => Box::pin(inner.own(own, token)).await,
            Chosen::Trusted(trusted) => Box::pin(trusted.verify(token)).await.map(Arc::new),
            Chosen::Source(source, digest) => Box::pin(inner.ask(source, digest, token)).await,
        }
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn issuers(&self) -> Vec<Issuer> {
        let trusted = self.0.trusted.iter().map(Trusted::issuer);
        let mut issuers: Vec<Issuer> = Vec::new();
        for issuer in trusted.chain(self.0.sources.iter().map(|source| source.issuer())) {
            if !issuers.contains(&issuer) {
                issuers.push(issuer);
            }
        }
        issuers
    }

    fn ready(&self) -> Result<(), Unavailable> {
        for trusted in &self.0.trusted {
            trusted.keys().at_hand()?;
        }
        self.0.sources.iter().try_for_each(|source| source.ready())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("resource", &self.0.resource).finish_non_exhaustive()
    }
}

/// Who says whether a token is good.
enum Chosen<'a> {
    /// What is known already.
    Known(Result<Arc<Verified>, Rejection>),
    Own(&'a Own),
    Trusted(&'a Trusted),
    Source(&'a Arc<Source>, Digest),
}

impl Inner {
    fn chosen(&self, token: &SecretString, now: Time) -> Chosen<'_> {
        let text = token.expose_secret();
        if let Some(own) = self.own.iter().find(|own| text.starts_with(&own.prefix)) {
            return Chosen::Own(own);
        }
        if text.len() > LONGEST {
            return refused(jose::TokenError::Malformed);
        }
        if has_two_dots(text)
            && let Some(chosen) = self.chosen_for_signed(token, now)
        {
            return chosen;
        }
        let of_prefix =
            || self.sources.iter().find(|one| !one.prefix().is_empty() && text.starts_with(one.prefix()));
        match of_prefix().or_else(|| self.prefixless()) {
            Some(source) => self.remembered(source, token, now),
            None if self.sources.is_empty() && !self.trusted.is_empty() => {
                let issuers: Vec<String> = self.trusted.iter().map(|one| one.issuer().to_string()).collect();
                self.notices.not_jwt(&issuers, self.resource.as_str(), now);
                refused(Invalid::NotJwt)
            }
            None => refused(Invalid::Unrecognised),
        }
    }

    /// `None` if it only looks like a JWT.
    fn chosen_for_signed(&self, token: &SecretString, now: Time) -> Option<Chosen<'_>> {
        // The only issuer is not searched for: its keys tell its tokens, and only what they do not is looked into.
        if let [only] = &*self.trusted
            && let Some(Ok(verified)) = only.verify_now(token, now)
        {
            return Some(Chosen::Known(Ok(Arc::new(verified))));
        }
        let peeked = jose::peek(token)?;
        let named = peeked.issuer.as_deref();
        if let Some(trusted) = self.trusted.iter().find(|one| named.is_some_and(|iss| one.is_named(iss))) {
            return Some(Chosen::Trusted(trusted));
        }
        let its_own = |source: &&Arc<Source>| named.is_none_or(|iss| source.is_named(iss));
        Some(match (self.prefixless().filter(its_own), named) {
            (Some(source), _) => self.remembered(source, token, now),
            (None, Some(_)) => refused(Invalid::UntrustedIssuer),
            (None, None) => refused(jose::TokenError::ClaimMissing { claim: "iss" }),
        })
    }

    fn prefixless(&self) -> Option<&Arc<Source>> {
        self.sources.iter().find(|source| source.prefix().is_empty())
    }

    fn remembered<'a>(&self, source: &'a Arc<Source>, token: &SecretString, now: Time) -> Chosen<'a> {
        if !source.may_have_issued(token.expose_secret()) {
            return refused(Invalid::Unrecognised);
        }
        let digest = Digest::of(token);
        match self.remembered.answer(&digest, now) {
            Some(answer) => Chosen::Known(answer),
            None => Chosen::Source(source, digest),
        }
    }

    async fn ask(
        &self,
        source: &Arc<Source>,
        digest: Digest,
        token: &SecretString,
    ) -> Result<Arc<Verified>, Rejection> {
        self.remembered.or_ask(digest, source, token).await
    }

    async fn own(&self, own: &Own, token: &SecretString) -> Result<Arc<Verified>, Rejection> {
        let checked = (own.check)(token.clone()).await;
        let holder = checked.inspect_err(|rejection| match rejection {
            Rejection::Unavailable(why) => self.notices.unavailable(why, self.clock.now()),
            Rejection::Invalid(_) => {}
        })?;
        if holder.expires_at.is_some_and(|at| self.clock.now() >= at) {
            return Err(jose::TokenError::Expired.into());
        }
        Ok(Arc::new(holder.verified(&own.issuer, self.resource.clone())))
    }
}

fn refused<'a>(invalid: impl Into<Invalid>) -> Chosen<'a> {
    Chosen::Known(Err(Rejection::Invalid(invalid.into())))
}

/// As a JWT has. Without an early end, so that many bytes are looked at at once.
fn has_two_dots(text: &str) -> bool {
    let dots = |piece: &[u8]| piece.iter().fold(0_u8, |dots, byte| dots + u8::from(*byte == b'.'));
    text.as_bytes().chunks(128).map(|piece| usize::from(dots(piece))).sum::<usize>() == 2
}

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 16 * 1024;
