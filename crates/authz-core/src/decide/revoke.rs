//! Revocation by the client that holds a token (RFC 7009).

use store::{Changes, Facts, Lasting, Live, Stage, Why};

use super::client::Authenticated;
use super::{Drawn, Setting};
use crate::keyring::{Genuine, seed_digest};
use crate::text::{TokenKind, TokenText};
use crate::{Event, NamedGrant, Step};

/// Revokes a token, if it is one and the client's own; otherwise there is nothing to do, and the answer is the same:
/// "invalid tokens do not cause an error response" (section 2.2).
///
/// An access token ends itself. A genuine refresh token of whatever generation ends the grant, whoever writes to it at the
/// time.
pub fn revoke(
    text: &TokenText,
    genuine: Option<&Genuine>,
    client: Authenticated<'_>,
    facts: &Facts,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<()> {
    let own = |grant: &store::Grant| grant.client == client.client().id;
    let Some(found) = facts.grant.as_ref().filter(|found| own(&found.record)) else {
        return Step::answer(());
    };
    let grant = &found.record;
    let Stage::Live(live) = &grant.stage else {
        return Step::answer(());
    };
    match (text.kind, genuine) {
        (TokenKind::Access, _) => {
            let digest = text.digest();
            let Some(listed) = live.access.iter().position(|access| access.digest.is(&digest)) else {
                return Step::answer(());
            };
            let mut access = live.access.clone();
            access.remove(listed);
            let live = Live { access, ..(**live).clone() };
            let without = grant.at(Stage::Live(Box::new(live)));
            Step::answer(())
                .writing(Changes::replace(drawn.mark, found, &without))
                .telling(Event::AccessTokenRevoked(NamedGrant::of(grant)))
        }
        (TokenKind::Refresh, Some(genuine)) if seed_digest(genuine.seed()).is(&live.seed) => Step::answer(())
            .writing(Changes::end(drawn.mark, found, Why::Lasting(Lasting::Revoked), setting.now))
            .telling(Event::GrantRevoked(NamedGrant::of(grant))),
        (
            TokenKind::Refresh
            | TokenKind::Code
            | TokenKind::ServerKey
            | TokenKind::AdminKey
            | TokenKind::Session
            | TokenKind::ClientSecret
            | TokenKind::Ticket,
            _,
        ) => Step::answer(()),
    }
}
