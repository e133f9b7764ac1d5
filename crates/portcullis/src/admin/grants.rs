//! Grants, and the consents that are remembered beside them.

use authz_core::Whose;
use bytes::Bytes;
use http::Response;
use oauth_types::ClientId;
use store::{GrantId, PersonId, ServerId};

use super::lists::{Consents, Grants};
use super::made::Revoked;
use super::problem::{Invalid, Problem, Rule, Thing};
use super::query::Query;
use super::shown::{ShownConsent, ShownGrant};
use super::{Admin, Call, gone, shown};

/// Whose grants a query names.
struct Owners {
    person: Option<PersonId>,
    client: Option<ClientId>,
    server: Option<ServerId>,
}

impl Owners {
    fn read(query: &Query) -> Result<Self, Problem> {
        Ok(Self {
            person: query.read("user", Rule::UserId, PersonId::parse)?,
            client: query.read("client", Rule::ClientId, ClientId::parse)?,
            server: query.read("server", Rule::ServerId, ServerId::parse)?,
        })
    }

    fn whose(&self) -> Whose<'_> {
        Whose { person: self.person.as_ref(), client: self.client.as_ref(), server: self.server.as_ref() }
    }
}

impl Admin {
    pub(super) async fn list_grants(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let named = Owners::read(&call.query)?;
        let after = call.query.read("cursor", Rule::Cursor, GrantId::parse)?;
        let after = after.map(|after| after.to_string());
        let (after, limit) = (after.as_deref(), call.query.limit()?);
        let listed = match call.query.one("state") {
            None => self.oversight.grants(named.whose(), after, limit).await?,
            Some("connected") => self.oversight.connections(named.whose(), after, limit).await?,
            Some(_) => {
                return Err(Invalid::Parameter { name: "state", rule: Rule::State }.into());
            }
        };
        let grants = listed.items.iter().map(ShownGrant::from).collect();
        let page = Grants { grants, next: listed.next };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    pub(super) async fn show_grant(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let grant = self.oversight.grant(&grant_id(&call.id)?, &call.by).await?;
        Ok(shown(&ShownGrant::from(&grant.ok_or(Problem::Unknown(Thing::Grant))?)))
    }

    pub(super) async fn revoke_grant(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        match call.oversight.revoke(&grant_id(&call.id)?, &call.by).await? {
            true => Ok(gone()),
            false => Err(Problem::Unknown(Thing::Grant)),
        }
    }

    pub(super) async fn revoke_grants(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let named = Owners::read(&call.query)?;
        if named.person.is_none() && named.client.is_none() && named.server.is_none() {
            // A forgotten parameter must not end everything.
            return Err(Invalid::Parameter { name: "user", rule: Rule::AnyOwner }.into());
        }
        let revoked = self.oversight.revoke_all(named.whose(), &call.by).await?;
        Ok(shown(&Revoked { revoked }))
    }

    pub(super) async fn list_consents(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let person = call.query.read("user", Rule::UserId, PersonId::parse)?;
        let person = person.ok_or(Invalid::Parameter { name: "user", rule: Rule::Needed })?;
        let listed = self.oversight.consents(&person, call.cursor(), call.query.limit()?).await?;
        let consents = listed.items.iter().map(ShownConsent::from).collect();
        let page = Consents { consents, next: listed.next };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    pub(super) async fn withdraw_consent(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let Owners { person: Some(person), client: Some(client), server: Some(server) } =
            Owners::read(&call.query)?
        else {
            return Err(Invalid::Parameter { name: "user", rule: Rule::EveryOwner }.into());
        };
        match self.oversight.withdraw(&person, &client, &server, &call.by).await? {
            true => Ok(gone()),
            false => Err(Problem::Unknown(Thing::Consent)),
        }
    }
}

fn grant_id(text: &str) -> Result<GrantId, Problem> {
    GrantId::parse(text).map_err(|_| Problem::Unknown(Thing::Grant))
}
