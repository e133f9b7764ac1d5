//! Introspection and userinfo.

use oauth_types::{IntrospectionResponse, UserInfo};
use secrecy::{ExposeSecret as _, SecretString};
use store::{GrantId, ServerId, Use};

use super::{Engine, Unavailable};
use crate::Refusal;
use crate::decide::bearer::{authenticate_server, introspect, user_info, username, valid};
use crate::seam::{Profile, Wanted};
use crate::text::TokenText;

/// What a resource server learns about a token.
pub(crate) async fn introspection(
    engine: &Engine,
    key: &TokenText,
    token: &SecretString,
) -> Result<Result<IntrospectionResponse, Refusal>, Unavailable> {
    let text = TokenText::parse(token.expose_secret()).ok();
    let grant = text.as_ref().map(|text| GrantId::new(text.id));
    let server = ServerId::new(key.id);
    let facts = engine.facts(Use { grant: grant.as_ref(), client: None, server: Some(&server) }).await?;
    let now = engine.clock.now();
    let server = match authenticate_server(key, facts.server.as_ref().map(|found| &found.record), now) {
        Ok(server) => server,
        Err(refusal) => return Ok(Err(refusal)),
    };
    engine.uses.note(engine.store(), key.digest(), now).await;
    let valid = text.and_then(|text| valid(&text, &facts, now));
    let mut response = introspect(valid, server, &engine.issuer);
    if let Some(valid) = valid.filter(|_| response.active)
        && let Some(person) = valid.person()
    {
        let profile = engine.people.profile(person).await?;
        response.username = username(valid, server, profile.as_ref());
    }
    Ok(Ok(response))
}

/// What the holder of an access token learns about its person.
pub(crate) async fn userinfo(
    engine: &Engine,
    token: &SecretString,
) -> Result<Result<UserInfo, Refusal>, Unavailable> {
    let Ok(text) = TokenText::parse(token.expose_secret()) else {
        return Ok(Err(Refusal::TokenInvalid));
    };
    let grant = GrantId::new(text.id);
    let facts = engine.facts(Use { grant: Some(&grant), ..Use::default() }).await?;
    let Some(valid) = valid(&text, &facts, engine.clock.now()) else {
        return Ok(Err(Refusal::TokenInvalid));
    };
    let Some(server) = engine.resources.find(&Wanted::Registered(valid.server())).await? else {
        return Ok(Err(Refusal::TokenInvalid));
    };
    let profile: Option<Profile> = match valid.person() {
        Some(person) => engine.people.profile(person).await?,
        None => None,
    };
    Ok(Ok(user_info(valid, &server, profile.as_ref())))
}
