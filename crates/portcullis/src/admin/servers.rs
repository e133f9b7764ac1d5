//! MCP servers.

use authz_core::{Lifetime, ServerView};
use bytes::Bytes;
use http::Response;
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{ServerId, Status};

use super::asked::{RotationAsked, ServerChangeAsked};
use super::bounds;
use super::lists::Servers;
use super::made::{MadeServer, Rotated};
use super::problem::{Member, Problem, Rule, Thing};
use super::shown::ShownServer;
use super::{Admin, Call, Made, gone, registration, shown};

/// How long a replaced key or secret is taken if nobody says, in seconds.
const GRACE: u32 = 86_400;

impl Admin {
    pub(super) async fn make_server(&self, call: &Call<'_>) -> Result<Made, Problem> {
        call.is_json()?;
        let new = registration::parse(call.body)?;
        let (server, key) = self.oversight.register_server(new, &call.by).await?;
        let id = server.id.to_string();
        let body = MadeServer {
            server: self.shown_server(&server).await?,
            api_key: key.expose().expose_secret().to_owned(),
            message: "Keep api_key: it is not shown again.",
        };
        Ok(Made { location: Some(format!("/api/servers/{id}")), id, body: json!(body) })
    }

    async fn shown_server(&self, server: &ServerView) -> Result<ShownServer, Problem> {
        Ok(ShownServer::of(server, self.oversight.keys_of(&server.id).await?, &self.issuer))
    }

    pub(super) async fn list_servers(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let after = call.query.read("cursor", Rule::Cursor, ServerId::parse)?;
        let after = after.map(|after| after.to_string());
        let listed = self.oversight.servers(call.sought()?, after.as_deref(), call.query.limit()?).await?;
        let mut servers = Vec::with_capacity(listed.items.len());
        for server in &listed.items {
            servers.push(self.shown_server(server).await?);
        }
        let page = Servers { servers, next: listed.next };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    pub(super) async fn show_server(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        Ok(shown(&self.server_of(&call.id).await?))
    }

    pub(super) async fn server_of(&self, id: &str) -> Result<ShownServer, Problem> {
        let server = self.oversight.server(&server_id(id)?).await?.ok_or(Problem::Unknown(Thing::Server))?;
        self.shown_server(&server).await
    }

    pub(super) async fn change_server(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let id = server_id(&call.id)?;
        let asked: ServerChangeAsked = call.json()?;
        let status = asked.status;
        let change = registration::change(asked)?;
        call.oversight.change_server(&id, &change, &call.by).await.map_err(Problem::about(Thing::Server))?;
        if let Some(status) = status {
            call.oversight
                .set_server(&id, status.into(), &call.by)
                .await
                .map_err(Problem::about(Thing::Server))?;
        }
        self.show_server(call).await
    }

    pub(super) async fn rotate_server_key(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let id = server_id(&call.id)?;
        let grace = grace(call)?;
        let until = self.clock.now().plus(i64::from(grace));
        let key = call.oversight.rotate_server_key(&id, Lifetime::seconds(grace), &call.by).await;
        let key = key.map_err(Problem::about(Thing::Server))?;
        Ok(shown(&Rotated {
            server_id: id.to_string(),
            api_key: key.expose().expose_secret().to_owned(),
            previous_keys_until: until.0,
        }))
    }

    pub(super) async fn delete_server(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let id = server_id(&call.id)?;
        let known = self.oversight.server(&id).await?.is_some();
        // Of one that is deleted as well: what another call left undone is done by this one.
        let deleted = call.oversight.set_server(&id, Status::Deleted, &call.by).await;
        deleted.map_err(Problem::about(Thing::Server))?;
        if known { Ok(gone()) } else { Err(Problem::Unknown(Thing::Server)) }
    }
}

/// How long what is replaced is taken, in seconds.
pub(super) fn grace(call: &Call<'_>) -> Result<u32, Problem> {
    let asked = if call.body.is_empty() { RotationAsked::default() } else { call.json()? };
    let grace = asked.grace_seconds.unwrap_or(GRACE);
    if grace <= bounds::GRACE { Ok(grace) } else { Err(Member::GraceSeconds.into()) }
}

pub(super) fn server_id(text: &str) -> Result<ServerId, Problem> {
    ServerId::parse(text).map_err(|_| Problem::Unknown(Thing::Server))
}
