//! What a person has agreed to.

use ambient::Time;
use oauth_types::{ClientId, RedirectUri, Scope};
use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, Links, PersonId, Record, ServerId};

/// How long a consent is remembered that nobody gave again, in seconds: 400 days. Whoever comes later is asked once more.
const KEPT: i64 = 400 * 86_400;

/// A remembered consent: this person lets this client do this at this resource.
///
/// Forgetting writes [`withdrawn`](Self::withdrawn) and never deletes: a code born from the consent looks here once more
/// before it is redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who agreed.
    pub person: PersonId,
    /// To whom.
    pub client: ClientId,
    /// Where.
    pub server: ServerId,
    /// To what.
    pub agreed: Vec<Agreed>,
    /// When last.
    pub given: Time,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Time>,
}

/// What was agreed to for one way back to the client.
///
/// A client registers many addresses, and a person is shown the one that the answer goes to: what they agree to for it is not agreed
/// to for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// Where the answer went.
    pub redirect_uri: RedirectUri,
    /// What the client may do.
    pub scope: Scope,
}

impl Consent {
    /// The id of the consent of `person` to `client` at `server`.
    #[must_use]
    pub fn id_of(person: &PersonId, client: &ClientId, server: &ServerId) -> String {
        // None of the three contains a line break.
        Digest::of(format!("{person}\n{client}\n{server}").as_bytes()).to_string()
    }

    /// Whether it stands in for asking about `scope`, with the answer to `redirect_uri`.
    #[must_use]
    pub fn covers(&self, scope: &Scope, redirect_uri: &RedirectUri) -> bool {
        let agreed = self.agreed.iter().find(|agreed| agreed.redirect_uri == *redirect_uri);
        self.withdrawn.is_none() && agreed.is_some_and(|agreed| scope.is_subset_of(&agreed.scope))
    }
}

impl Record for Consent {
    const KIND: Kind = Kind::Consent;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        Self::id_of(&self.person, &self.client, &self.server)
    }

    fn sweep(&self) -> Option<Time> {
        Some(self.given.plus(KEPT))
    }

    fn links(&self) -> Links {
        Links {
            client: Some(self.client.to_string()),
            person: Some(self.person.to_string()),
            consent: None,
            server: Some(self.server.to_string()),
        }
    }
}
