//! The keys of resource servers and the secrets of clients: replaced with a time of grace, and told apart without being shown.

use oauth_types::ClientId;
use store::{Client, ClientAuth, Digest, RetiringKey, Server, ServerId, Status, StoreError};

use super::{KeyView, Oversight, OversightError};
use crate::decide::oversee::{renew, rotate};
use crate::text::{TokenKind, TokenText};
use crate::uses::last_use;
use crate::{By, Lifetime, OversightEvent};

impl Oversight {
    /// Gives a server a new key. Those before are taken for `grace` longer; with none, they end now.
    ///
    /// # Errors
    ///
    /// As [`change_server`](Self::change_server).
    pub async fn rotate_server_key(
        &self,
        id: &ServerId,
        grace: Lifetime,
        by: &By,
    ) -> Result<TokenText, OversightError> {
        let key = TokenText::random(TokenKind::ServerKey, *id.as_bytes(), self.entropy.draw());
        let now = self.clock.now();
        let until = now.plus(grace.as_seconds());
        let event = OversightEvent::ServerKeyRotated { server: *id, until, by: by.actor.clone() };
        let digest = key.digest();
        self.rewrite_server(id, by, event, |server| Ok(Some(rotate(server, digest, until, now)?))).await?;
        Ok(key)
    }

    /// Gives a client a new secret. Those before are taken for `grace` longer; with none, they end now. Its tokens stay.
    ///
    /// # Errors
    ///
    /// As [`set_client`](Self::set_client), and [`OversightError::NoSecret`] for a public client.
    pub async fn rotate_client_secret(
        &self,
        id: &ClientId,
        grace: Lifetime,
        by: &By,
    ) -> Result<TokenText, OversightError> {
        let secret = TokenText::random(TokenKind::ClientSecret, self.entropy.draw(), self.entropy.draw());
        let now = self.clock.now();
        let until = now.plus(grace.as_seconds());
        let event = OversightEvent::ClientSecretRotated { client: id.clone(), until, by: by.actor.clone() };
        let digest = secret.digest();
        self.change_client(id, by, event, |client| Ok(Some(renew(client, digest, until, now)?))).await?;
        Ok(secret)
    }

    /// The keys of a server that are taken now, the newest first; none of one that is not there.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn keys_of(&self, server: &ServerId) -> Result<Vec<KeyView>, StoreError> {
        match self.store().find::<Server>(server).await?.map(|found| found.record) {
            Some(Server { keys, retiring, status: Status::Active | Status::Blocked, .. }) => {
                self.shown_keys(&keys, &retiring).await
            }
            Some(_) | None => Ok(Vec::new()),
        }
    }

    /// The secrets of a client that are taken now, the newest first; none of a public client, or one that is not there.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn secrets_of(&self, client: &ClientId) -> Result<Vec<KeyView>, StoreError> {
        let found = self.store().find::<Client>(client).await?.map(|found| found.record);
        match found.filter(|client| client.standing.status != Status::Deleted).map(|client| client.auth) {
            Some(ClientAuth::Secret { digest, retiring, .. }) => self.shown_keys(&[digest], &retiring).await,
            Some(ClientAuth::Public) | None => Ok(Vec::new()),
        }
    }

    async fn shown_keys(
        &self,
        keys: &[Digest],
        retiring: &[RetiringKey],
    ) -> Result<Vec<KeyView>, StoreError> {
        let now = self.clock.now();
        let current = keys.iter().map(|digest| (digest, None));
        let replaced = retiring.iter().rev().filter(|key| now < key.until);
        let mut views = Vec::new();
        for (digest, until) in current.chain(replaced.map(|key| (&key.digest, Some(key.until)))) {
            let fingerprint = digest.as_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            views.push(KeyView { fingerprint, until, used: last_use(self.store(), digest).await? });
        }
        Ok(views)
    }
}
