//! One authorization, for its whole life.

use ambient::Time;
use oauth_types::{Acr, ClientId, RedirectUri, Resource, Scope};
use pkce::Challenge;
use serde::{Deserialize, Serialize};

use crate::{Device, Digest, Epoch, GrantId, Kind, Links, Nonce, PersonId, Record, ServerId, SessionId};

/// How long a record outlives what it is needed for, in seconds: clocks differ, and a late visitor deserves a page.
const KEPT: i64 = 600;

/// The access tokens of a grant that may live at once. Of more, the one that ends first is dropped.
pub const MOST_ACCESS_TOKENS: usize = 32;

/// One authorization: who may do what, for whom, and what of it has been handed out.
///
/// Its stages may be skipped, never revisited. Because everything of it is one record, *at most once* is one guarded write,
/// and ending it ends its code, its refresh tokens and its access tokens together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Part of the text of every token of the grant.
    pub id: GrantId,
    /// Who acts.
    pub client: ClientId,
    /// When it was asked for.
    pub born: Time,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a grant has come, and exactly what is known there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A person who is logged in is being asked.
    Requested(Requested),
    /// Consent was given; a code may be fetched and redeemed.
    Coded(Coded),
    /// Tokens are out.
    Live(Box<Live>),
    /// Over. For people to read; no rule depends on what it says, and an absent grant is as ended as this one.
    Ended(Ended),
}

/// The authorization request, validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Where the answer goes: matched against the registered ones, kept as the request had it.
    pub redirect_uri: RedirectUri,
    /// What the code verifier must answer (RFC 7636).
    pub challenge: Challenge,
    /// What is asked for, resolved: defaults filled in, what the resource does not know left out.
    pub scope: Scope,
    /// What it is asked for at.
    pub target: Target,
    /// Echoed byte for byte (RFC 6749 section 4.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `acr_values`, for whoever takes the place of the person who is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<Acr>,
    /// `max_age`, in seconds, for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i64>,
}

/// The protected resource that a grant is for (RFC 8707): one grant, one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The registered server.
    pub server: ServerId,
    /// Its identifier as registered: what is printed as `aud`.
    pub resource: Resource,
    /// The identifier as the client wrote it, where it wrote one: an alias of the registered one, accepted again later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Resource>,
}

impl Target {
    /// Whether a later request that names `resource` means this one.
    #[must_use]
    pub fn is_named_by(&self, resource: &Resource) -> bool {
        self.resource.names_same(resource) || self.named.as_ref() == Some(resource)
    }
}

/// On whose behalf the client acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A person.
    Person(PersonId),
    /// Nobody: the client acts for itself.
    Machine,
}

/// Who stands behind a grant, and the epochs that were current when it learned of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// On whose behalf.
    pub subject: Subject,
    /// The person's epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_epoch: Option<Epoch>,
    /// The client's epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_epoch: Option<Epoch>,
    /// The browser session in which the person was asked.
    pub session: SessionId,
    /// When the person last proved who they are.
    pub auth_time: Time,
    /// How they did (`acr`), if whoever asked them says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Acr>,
}

/// See [`Stage::Requested`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// What is asked for.
    pub request: Request,
    /// Who is being asked.
    pub party: Party,
    /// Until when they may answer.
    pub until: Time,
}

/// See [`Stage::Coded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coded {
    /// What was asked for.
    pub request: Request,
    /// Who consented.
    pub party: Party,
    /// What the code is made of, together with the token key.
    pub nonce: Nonce,
    /// The number of the code: only the newest one of a grant can be redeemed.
    pub number: u32,
    /// The token key that made the code.
    pub key: u16,
    /// Until when the code may be redeemed.
    pub expires: Time,
    /// Until when a new code may be fetched.
    pub until: Time,
    /// What stood in for asking: the id of a remembered [`Consent`](crate::Consent), or of the one that there is not, if
    /// [`waived`](Self::waived).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<String>,
    /// Whether it was the operator who stood in for asking, which counts as long as the person has not said otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// See [`Stage::Live`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Who stands behind it.
    pub party: Party,
    /// What it is for.
    pub target: Target,
    /// What may be done there. An access token may carry less, never more.
    pub scope: Scope,
    /// The number of the current generation of tokens.
    pub number: u32,
    /// The token key that tagged it.
    pub key: u16,
    /// The digest of the seed that is part of every refresh token of the grant.
    pub seed: Digest,
    /// When the current generation was made.
    pub rotated: Time,
    /// Whether refresh tokens are handed out.
    pub refreshable: bool,
    /// The code that was redeemed, so that its replay is recognised.
    pub code: SpentCode,
    /// The access tokens that live, oldest first.
    pub access: Vec<Access>,
    /// Until when the current refresh token may be used (sliding).
    pub idle_end: Time,
    /// Until when any may be used (absolute).
    pub final_end: Time,
    /// The device that the tokens went to last.
    #[serde(default, skip_serializing_if = "Device::is_unknown")]
    pub device: Device,
}

/// The code that a grant came alive by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentCode {
    /// The digest of its text.
    pub digest: Digest,
    /// What its verifier answered: only who knows it can replay the code to any effect.
    pub challenge: Challenge,
}

/// An access token that was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The digest of its text.
    pub digest: Digest,
    /// The generation that it belongs to.
    pub number: u32,
    /// When it was made.
    pub issued: Time,
    /// Until when it is valid.
    pub expires: Time,
    /// What may be done with it.
    pub scope: Scope,
}

/// See [`Stage::Ended`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub why: Why,
    /// When.
    pub when: Time,
    /// When the last token that it issued would have expired.
    pub last: Time,
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The person said no. A rival's write can make it untrue.
    Denied,
    /// The right client presented the unused code with a wrong verifier: the code has leaked. A rival's write can make it untrue.
    VerifierMismatch,
    /// A reason that stays true whatever a rival wrote meanwhile.
    Lasting(Lasting),
}

/// A reason to end a grant that no concurrent write can make untrue: it writes over whatever is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lasting {
    /// Somebody who may asked for it.
    Revoked,
    /// A used code came again, with the right verifier.
    CodeReplayed,
    /// A refresh token of an older generation came again.
    RefreshReplayed,
}

impl Grant {
    /// The same grant at another stage.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Self {
        Self { id: self.id, client: self.client.clone(), born: self.born, stage }
    }

    /// When the last token, code or request of the grant expires.
    #[must_use]
    pub fn last_expiry(&self) -> Time {
        match &self.stage {
            Stage::Requested(requested) => requested.until,
            Stage::Coded(coded) => coded.until.max(coded.expires),
            Stage::Live(live) => live.last_expiry(),
            Stage::Ended(ended) => ended.last,
        }
    }

    /// Who stands behind it; nobody once it has ended.
    #[must_use]
    pub fn party(&self) -> Option<&Party> {
        match &self.stage {
            Stage::Requested(requested) => Some(&requested.party),
            Stage::Coded(coded) => Some(&coded.party),
            Stage::Live(live) => Some(&live.party),
            Stage::Ended(_) => None,
        }
    }

    /// What it is for; nothing once it has ended.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match &self.stage {
            Stage::Requested(requested) => Some(&requested.request.target),
            Stage::Coded(coded) => Some(&coded.request.target),
            Stage::Live(live) => Some(&live.target),
            Stage::Ended(_) => None,
        }
    }
}

impl Live {
    fn last_expiry(&self) -> Time {
        let access = self.access.iter().map(|access| access.expires).max().unwrap_or(self.rotated);
        if self.refreshable { access.max(self.idle_end.min(self.final_end)) } else { access }
    }
}

impl Record for Grant {
    const KIND: Kind = Kind::Grant;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn sweep(&self) -> Option<Time> {
        Some(self.last_expiry().plus(KEPT))
    }

    fn links(&self) -> Links {
        let person = self.party().and_then(|party| match &party.subject {
            Subject::Person(person) => Some(person.to_string()),
            Subject::Machine => None,
        });
        let consent = match &self.stage {
            Stage::Coded(coded) => coded.remembered.clone(),
            Stage::Requested(_) | Stage::Live(_) | Stage::Ended(_) => None,
        };
        let server = self.target().map(|target| target.server.to_string());
        Links { client: Some(self.client.to_string()), person, consent, server }
    }

    fn is_final(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }
}
