//! A code for tokens (OAuth 2.1 section 4.1.3).

use oauth_types::CodeRequest;
use pkce::Verifier;
use secrecy::ExposeSecret as _;
use store::{Access, Changes, Coded, Facts, Found, Grant, Lasting, Live, SpentCode, Stage, Why};

use super::client::Authenticated;
use super::issue::{Issued, enlist, tokens};
use super::{Drawn, Setting, target};
use crate::keyring::seed_digest;
use crate::text::{TokenKind, TokenText};
use crate::{Event, NamedGrant, Refusal, Step};

/// Redeems a code.
///
/// | code | answer |
/// |---|---|
/// | expired, superseded, forged; person or client blocked; remembered consent withdrawn | refused, nothing changes |
/// | unused; another client, `redirect_uri` or `resource`, or no verifier | refused, nothing changes: a stranger must not be able to kill a log-in |
/// | unused; the right client, a wrong verifier | refused, the grant ends: the code has leaked |
/// | used; its client with the right verifier | denied, the grant ends (RFC 6749 section 4.1.2), also for the losers of a race |
/// | used; anything else | denied, nothing changes: a leaked used code is no kill switch |
pub fn redeem(
    request: &CodeRequest,
    client: Authenticated<'_>,
    facts: &Facts,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Issued> {
    let Ok(text) = TokenText::parse(request.code.expose_secret()) else {
        return Step::refuse(Refusal::CodeUnknown);
    };
    let Some(found) = facts.grant.as_ref().filter(|_| text.kind == TokenKind::Code) else {
        return Step::refuse(Refusal::CodeUnknown);
    };
    match &found.record.stage {
        Stage::Coded(coded) => unused(request, &text, client, (found, coded), facts, setting, drawn),
        Stage::Live(live) => used(request, &text, client, (found, live), setting, drawn),
        Stage::Requested(_) | Stage::Ended(_) => Step::refuse(Refusal::CodeUnknown),
    }
}

fn unused(
    request: &CodeRequest,
    text: &TokenText,
    client: Authenticated<'_>,
    (found, coded): (&Found<Grant>, &Coded),
    facts: &Facts,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Issued> {
    let grant = &found.record;
    let Ok(expected) = setting.keys.code(coded.key, grant.id, coded.number, &coded.nonce) else {
        return Step::refuse(Refusal::KeyUnknown);
    };
    // I11: a text whose secret does not check out changes nothing. An older number of this grant is such a text, too.
    if !text.is(&expected) {
        return Step::refuse(Refusal::CodeUnknown);
    }
    if let Err(refusal) = may_redeem(request, client, (grant, coded), facts, setting) {
        return Step::refuse(refusal);
    }
    let Some(verifier) = &request.verifier else {
        return Step::refuse(Refusal::VerifierMissing);
    };
    let answered = Verifier::parse(verifier.expose_secret())
        .is_ok_and(|verifier| coded.request.challenge.is_answered_by(&verifier));
    if !answered {
        return Step::refuse(Refusal::VerifierMismatch)
            .writing(Changes::end(drawn.mark, found, Why::VerifierMismatch, setting.now))
            .telling(Event::VerifierMismatched(NamedGrant::of(grant)));
    }
    come_alive(text, client, (found, coded), setting, drawn)
}

/// The checks of an unused code that nobody but its rightful client in its rightful moment passes. None of them writes.
fn may_redeem(
    request: &CodeRequest,
    client: Authenticated<'_>,
    (grant, coded): (&Grant, &Coded),
    facts: &Facts,
    setting: Setting<'_>,
) -> Result<(), Refusal> {
    if setting.now >= coded.expires {
        return Err(Refusal::CodeExpired);
    }
    if client.client().id != grant.client {
        return Err(Refusal::CodeOfAnotherClient);
    }
    let party = &coded.party;
    let upheld =
        client.client().standing.upholds(party.client_epoch) && facts.person.upholds(party.person_epoch);
    if !upheld || target::is_gone(facts) {
        return Err(Refusal::CodeOver);
    }
    let store::Request { scope, redirect_uri, .. } = &coded.request;
    let stands = match &facts.consent {
        Some(consent) => consent.record.covers(scope, redirect_uri),
        None => coded.waived,
    };
    if coded.remembered.is_some() && !stands {
        return Err(Refusal::ConsentWithdrawn);
    }
    // OAuth 2.1 section 10.2: clients of OAuth 2.0 send it, later ones do not; if sent it must be the same.
    if request.redirect_uri.as_deref().is_some_and(|sent| sent != coded.request.redirect_uri.as_str()) {
        return Err(Refusal::RedirectUriMismatch);
    }
    if target::named(&request.resource)?.is_some_and(|named| !coded.request.target.is_named_by(&named)) {
        return Err(Refusal::TargetMismatch);
    }
    Ok(())
}

fn come_alive(
    text: &TokenText,
    client: Authenticated<'_>,
    (found, coded): (&Found<Grant>, &Coded),
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Issued> {
    let (grant, now, policy) = (&found.record, setting.now, setting.policy);
    let final_end = now.plus(policy.refresh_total.as_seconds());
    let mut live = Live {
        party: coded.party.clone(),
        target: coded.request.target.clone(),
        scope: coded.request.scope.clone(),
        number: 1,
        key: setting.keys.active(),
        seed: seed_digest(&drawn.seed),
        rotated: now,
        refreshable: client.client().refresh,
        code: SpentCode { digest: text.digest(), challenge: coded.request.challenge.clone() },
        access: Vec::new(),
        idle_end: now.plus(policy.refresh_idle.as_seconds()).min(final_end),
        final_end,
        device: setting.caller.device().clone(),
    };
    let mut access = Access {
        digest: live.seed,
        number: live.number,
        issued: now,
        expires: now.plus(policy.access.as_seconds()),
        scope: live.scope.clone(),
    };
    let Ok(issued) = tokens(grant.id, &live, &drawn.seed, &access, setting) else {
        return Step::refuse(Refusal::KeyUnknown);
    };
    access.digest = issued.access.digest();
    enlist(&mut live, access, now);
    let alive = grant.at(Stage::Live(Box::new(live)));
    Step::answer(issued)
        .writing(Changes::replace(drawn.mark, found, &alive))
        .telling(Event::CodeRedeemed(NamedGrant::of(grant)))
}

fn used(
    request: &CodeRequest,
    text: &TokenText,
    client: Authenticated<'_>,
    (found, live): (&Found<Grant>, &Live),
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Issued> {
    let grant = &found.record;
    let verifier = request.verifier.as_ref().and_then(|text| Verifier::parse(text.expose_secret()).ok());
    let replayed = live.code.digest.is(&text.digest())
        && client.client().id == grant.client
        && verifier.is_some_and(|verifier| live.code.challenge.is_answered_by(&verifier));
    if !replayed {
        return Step::refuse(Refusal::CodeUnknown);
    }
    Step::refuse(Refusal::CodeReplayed)
        .writing(Changes::end(drawn.mark, found, Why::Lasting(Lasting::CodeReplayed), setting.now))
        .telling(Event::CodeReplayed(NamedGrant::of(grant)))
}
