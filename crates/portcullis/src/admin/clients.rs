//! OAuth clients.

use authz_core::{Lifetime, Registered};
use bytes::Bytes;
use http::Response;
use oauth_types::ClientId;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{Provenance, ServerId, Status};

use super::asked::{ClientAsked, ClientChangeAsked};
use super::lists::Clients;
use super::made::{MadeClient, RotatedSecret};
use super::problem::{Member, Problem, Rule, Thing};
use super::servers::grace;
use super::shown::ShownClient;
use super::{Admin, Call, Made, gone, path_of, shown};

/// How many grants of a client are looked at for when it was used last: most have one, a hosted one as many as people.
const LOOKED_AT: u32 = 200;
/// And of each in a list.
const LOOKED_AT_IN_A_LIST: u32 = 10;

impl Admin {
    pub(super) async fn make_client(&self, call: &Call<'_>) -> Result<Made, Problem> {
        let ClientAsked { metadata, server_id, first_party } = call.json()?;
        let server = server_id.as_deref().map(ServerId::parse).transpose().map_err(|_| Member::ServerId)?;
        let made = self.oversight.preregister(metadata, server, first_party, &call.by).await?;
        let Registered { information, .. } = made;
        let id = information.client_id.to_string();
        let metadata = match json!(information.metadata) {
            Value::Object(members) => members,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                serde_json::Map::new()
            }
        };
        let client_secret = information.client_secret.map(|secret| secret.expose_secret().to_owned());
        let body = MadeClient { client: self.client_of(&id).await?, client_secret, metadata };
        Ok(Made { location: path_of("clients", &id), id, body: json!(body) })
    }

    pub(super) async fn list_clients(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let vouched = call.query.read("vouched", Rule::Switch, str::parse)?;
        let listed =
            self.oversight.clients(call.sought()?, vouched, call.cursor(), call.query.limit()?).await?;
        let mut clients = Vec::with_capacity(listed.items.len());
        for client in &listed.items {
            let last_use = self.oversight.last_use_of(&client.id, LOOKED_AT_IN_A_LIST).await?;
            let secrets = self.oversight.secrets_of(&client.id).await?;
            clients.push(ShownClient::of(client, secrets, last_use));
        }
        let page = Clients { clients, next: listed.next };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    pub(super) async fn show_client(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        Ok(shown(&self.client_of(&call.id).await?))
    }

    pub(super) async fn client_of(&self, id: &str) -> Result<ShownClient, Problem> {
        let id = client_id(id)?;
        let client = self.oversight.client(&id).await?.ok_or(Problem::Unknown(Thing::Client))?;
        let secrets = self.oversight.secrets_of(&id).await?;
        Ok(ShownClient::of(&client, secrets, self.oversight.last_use_of(&id, LOOKED_AT).await?))
    }

    pub(super) async fn change_client(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let id = client_id(&call.id)?;
        let ClientChangeAsked { vouched, first_party, status } = call.json()?;
        let wrong = Problem::about(Thing::Client);
        if let Some(vouched) = vouched {
            let provenance = if vouched { Provenance::Administrator } else { Provenance::Dynamic };
            call.oversight.vouch(&id, provenance, &call.by).await.map_err(&wrong)?;
        }
        if let Some(first_party) = first_party {
            call.oversight.set_first_party(&id, first_party, &call.by).await.map_err(&wrong)?;
        }
        if let Some(status) = status {
            call.oversight.set_client(&id, status.into(), &call.by).await.map_err(&wrong)?;
        }
        self.show_client(call).await
    }

    pub(super) async fn rotate_client_secret(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let (id, grace) = (client_id(&call.id)?, grace(call)?);
        let until = self.clock.now().plus(i64::from(grace));
        let secret = call.oversight.rotate_client_secret(&id, Lifetime::seconds(grace), &call.by).await;
        let secret = secret.map_err(Problem::about(Thing::Client))?;
        Ok(shown(&RotatedSecret {
            client_id: id.to_string(),
            client_secret: secret.expose().expose_secret().to_owned(),
            previous_secrets_until: until.0,
        }))
    }

    pub(super) async fn delete_client(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let id = client_id(&call.id)?;
        if self.oversight.client(&id).await?.is_none() {
            return Err(Problem::Unknown(Thing::Client));
        }
        let deleted = call.oversight.set_client(&id, Status::Deleted, &call.by).await;
        deleted.map_err(Problem::about(Thing::Client))?;
        Ok(gone())
    }
}

fn client_id(text: &str) -> Result<ClientId, Problem> {
    ClientId::parse(text).map_err(|_| Problem::Unknown(Thing::Client))
}
