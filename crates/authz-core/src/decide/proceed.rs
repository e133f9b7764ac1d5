//! The way back to the client, for whoever consented.

use oauth_types::Issuer;
use store::{Changes, Coded, Facts, Grant, GrantId, Stage};

use super::authorize::Redirectable;
use super::consent::belongs_to;
use super::{Drawn, Setting};
use crate::seam::Authentication;
use crate::{ClientRedirect, Refusal, Step};

/// Where a browser goes that asks for the code of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proceed {
    /// To the client, with the code.
    ToClient(ClientRedirect),
    /// To the consent page: nothing was answered yet.
    Ask(GrantId),
    /// Nowhere: the client has redeemed the code.
    Connected,
}

/// Gives the code to the session that consented: the same one while it lives, so that a page that loads twice breaks
/// nothing; after that, while the request lasts, the next one. At most one code of a grant can be redeemed at any time.
pub fn proceed(
    facts: &Facts,
    who: &Authentication,
    issuer: &Issuer,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Proceed> {
    let Some(found) = &facts.grant else {
        return Step::refuse(Refusal::RequestGone);
    };
    let grant = &found.record;
    if matches!(grant.stage, Stage::Ended(_)) {
        return Step::refuse(Refusal::RequestGone);
    }
    if !belongs_to(grant, who) {
        return Step::refuse(Refusal::RequestOfAnother);
    }
    match &grant.stage {
        Stage::Requested(_) => Step::answer(Proceed::Ask(grant.id)),
        Stage::Live(_) => Step::answer(Proceed::Connected),
        Stage::Ended(_) => Step::refuse(Refusal::RequestGone),
        Stage::Coded(coded) if setting.now < coded.expires => to_client(grant, coded, issuer, setting),
        Stage::Coded(coded) if setting.now < coded.until => {
            let Some(number) = coded.number.checked_add(1) else {
                return Step::refuse(Refusal::RequestGone);
            };
            let next = Coded {
                nonce: drawn.nonce,
                number,
                key: setting.keys.active(),
                expires: setting.now.plus(setting.policy.code.as_seconds()),
                ..coded.clone()
            };
            let answer = to_client(grant, &next, issuer, setting);
            answer.writing(Changes::replace(drawn.mark, found, &grant.at(Stage::Coded(next))))
        }
        Stage::Coded(_) => Step::refuse(Refusal::RequestGone),
    }
}

fn to_client(grant: &Grant, coded: &Coded, issuer: &Issuer, setting: Setting<'_>) -> Step<Proceed> {
    match setting.keys.code(coded.key, grant.id, coded.number, &coded.nonce) {
        Ok(code) => Step::answer(Proceed::ToClient(Redirectable::of(&coded.request, issuer).code(&code))),
        Err(_) => Step::refuse(Refusal::KeyUnknown),
    }
}
