//! The rules of OAuth: plain functions from facts to a decision.
//!
//! Nothing here waits, reads a clock, draws a byte or knows a store. Records, request, time and pre-drawn random values come
//! in; a [`Step`](crate::Step), a request or a refusal comes out.
//!
//! | rule | source | module |
//! |---|---|---|
//! | client authentication | RFC 6749 2.3, OAuth 2.1 2.4 | [`client`] |
//! | authorization request, redirect URI, PKCE | OAuth 2.1 4.1, RFC 9207 | [`authorize`] |
//! | scopes and resources | RFC 6749 3.3, RFC 8707 | [`scope`], [`target`] |
//! | consent, denial, the way back | OAuth 2.1 4.1.2 | [`consent`], [`proceed`] |
//! | code for tokens | OAuth 2.1 4.1.3, RFC 7636 4.6 | [`redeem`] |
//! | refresh | OAuth 2.1 4.3 | [`mod@refresh`] |
//! | revocation | RFC 7009 | [`mod@revoke`] |
//! | use of an access token | RFC 7662, OpenID Connect Core 5.3 | [`bearer`] |
//! | registration | RFC 7591 | [`register`] |
//! | what people and administrators do about grants, clients and servers | – | [`oversee`] |
//! | documents | RFC 8414, RFC 9728 | [`metadata`] |

pub mod authorize;
pub mod bearer;
pub mod client;
pub mod consent;
pub mod issue;
pub mod metadata;
pub mod oversee;
pub mod proceed;
pub mod redeem;
pub mod refresh;
pub mod register;
pub mod revoke;
pub mod scope;
pub mod target;
#[cfg(test)]
mod tests;

use ambient::Time;
use store::{GrantId, Mark, Nonce};
use zeroize::Zeroizing;

use crate::{Context, Keyring, Policy};

/// What a rule may know besides the facts.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The token keys.
    pub keys: &'a Keyring,
    /// What the operator chose.
    pub policy: &'a Policy,
    /// The time.
    pub now: Time,
    /// What the request tells of where it came from. For people: no rule depends on it.
    pub caller: &'a Context,
}

/// Random values, drawn anew for each attempt at a decision. A rule uses each at most once.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The version of what is written.
    pub mark: Mark,
    /// The id of a grant that is born.
    pub grant: GrantId,
    /// What a new code is made of.
    pub nonce: Nonce,
    /// What a new grant's tokens are made of.
    pub seed: Zeroizing<[u8; 16]>,
}
