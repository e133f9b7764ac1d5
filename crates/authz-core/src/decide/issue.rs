//! Making the tokens of a generation.

use ambient::Time;
use oauth_types::{Scope, TokenResponse, TokenType};
use store::{Access, GrantId, Live, MOST_ACCESS_TOKENS};

use super::Setting;
use crate::keyring::{Seed, UnknownKey};
use crate::text::TokenText;

/// Tokens that a client gets.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The access token.
    pub access: TokenText,
    /// The refresh token, if the client may have one.
    pub refresh: Option<TokenText>,
    /// What the access token is good for.
    pub scope: Scope,
    /// For how many seconds more.
    pub expires_in: i64,
}

impl Issued {
    /// As the token endpoint answers it (RFC 6749 section 5.1).
    #[must_use]
    pub fn response(&self) -> TokenResponse {
        TokenResponse {
            access_token: self.access.expose(),
            token_type: TokenType::Bearer,
            expires_in: self.expires_in,
            refresh_token: self.refresh.as_ref().map(TokenText::expose),
            scope: self.scope.clone(),
        }
    }
}

/// The tokens of the generation that `live` is at: made for the first time, or again.
pub(crate) fn tokens(
    id: GrantId,
    live: &Live,
    seed: &Seed,
    access: &Access,
    setting: Setting<'_>,
) -> Result<Issued, UnknownKey> {
    let refresh = || setting.keys.refresh(live.key, id, live.number, seed);
    Ok(Issued {
        access: setting.keys.access(live.key, id, live.number, seed)?,
        refresh: live.refreshable.then(refresh).transpose()?,
        scope: access.scope.clone(),
        expires_in: access.expires.since(setting.now),
    })
}

/// Lists a new access token of the current generation, and drops those that have expired.
///
/// Answers whether a living one had to go because there were too many: the one that ends first.
pub(crate) fn enlist(live: &mut Live, new: Access, now: Time) -> bool {
    live.access.retain(|access| access.expires > now);
    let crowded = live.access.len() >= MOST_ACCESS_TOKENS;
    if crowded && let Some(first) = (0..live.access.len()).min_by_key(|&n| live.access[n].expires) {
        live.access.remove(first);
    }
    live.access.push(new);
    crowded
}
