//! The keys of the administration: one that the configuration may bring, and those in the store, of which only digests are kept.

use std::sync::Arc;

use ambient::{Clock, Entropy};
use authz_core::{By, Event, Events, KeyName, OversightEvent, TokenKind, TokenText};
use parking_lot::Mutex;
use secrecy::SecretString;
use store::{
    AdminAccess, AdminKey, Backend, Changes, Commit, Digest, Filter, Found, Kind, Mark, Store, StoreError,
};

use super::problem::{Invalid, Problem};
use super::shown::ShownKey;

/// The name of the key that is made on the first run, if the configuration brings none.
pub(crate) const FIRST: &str = "default";
/// The name by which the key of the configuration is known.
const CONFIGURED: &str = "configured";
/// How old the time of the last use may be, in seconds, before it is written anew.
const USED_WITHIN: i64 = 60;
/// How many keys are read at once.
const READ_TOGETHER: u32 = 100;
/// How often a write is tried again that lost a race.
const ATTEMPTS: u32 = 8;

/// The keys.
pub(super) struct AdminKeys {
    pub(super) store: Arc<dyn Backend>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) configured: Option<Digest>,
    // The first key, from when it is made until it is kept or another process's is.
    pub(super) unsettled: Mutex<Option<Digest>>,
}

/// Who holds a key.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) key: KeyName,
    pub(super) access: AdminAccess,
}

impl AdminKeys {
    /// Who holds this key; nobody if it is none, or was withdrawn. Nothing is kept in memory, so withdrawing bites everywhere at once.
    pub(super) async fn holder(&self, text: &[u8]) -> Result<Option<Holder>, StoreError> {
        if self.configured.is_some_and(|digest| digest.is_of(text)) {
            return Ok(Some(Holder { key: KeyName::configured(), access: AdminAccess::Write }));
        }
        if self.unsettled.lock().is_some_and(|digest| digest.is_of(text)) {
            let made = AdminKey::new(FIRST, Digest::of(text), self.clock.now());
            return Ok(Some(Holder { key: KeyName::from(&made), access: AdminAccess::Write }));
        }
        // What is no key of ours by its form costs no read.
        let form = std::str::from_utf8(text).ok().and_then(|text| TokenText::parse(text).ok());
        if form.is_none_or(|text| text.kind != TokenKind::AdminKey) {
            return Ok(None);
        }
        let fits = |found: &Found<AdminKey>| self.opens(&found.record) && found.record.digest.is_of(text);
        // By its name first: a list of a Cluster may have lost an entry, and the key that makes other keys must not be lost with it.
        let found = match self.store().find::<AdminKey>(FIRST).await?.filter(fits) {
            Some(first) => Some(first),
            None => self.all().await?.into_iter().find(fits),
        };
        let Some(found) = found else { return Ok(None) };
        self.note_use(&found).await;
        Ok(Some(Holder { key: KeyName::from(&found.record), access: found.record.access }))
    }

    /// All of them.
    pub(super) async fn list(&self) -> Result<Vec<ShownKey>, StoreError> {
        let configured = self.configured.map(|_| ShownKey {
            name: CONFIGURED.to_owned(),
            access: AdminAccess::Write.into(),
            active: true,
            configured: true,
            made_at: None,
            last_used_at: None,
            ended_at: None,
        });
        let kept = self.all().await?;
        let kept = kept.iter().map(|found| self.shown(&found.record));
        Ok(configured.into_iter().chain(kept).collect())
    }

    /// One of those that are kept.
    pub(super) async fn show(&self, name: &str) -> Result<Option<ShownKey>, StoreError> {
        let found = self.store().find::<AdminKey>(name).await?;
        Ok(found.map(|found| self.shown(&found.record)))
    }

    /// Makes a key; its text is nowhere else.
    pub(super) async fn make(
        &self,
        name: &str,
        access: AdminAccess,
        by: &By,
        events: &dyn Events,
    ) -> Result<(ShownKey, SecretString), Problem> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            let rule = "must be 1 to 64 letters, digits, -, _ and .";
            return Err(Invalid::Member { member: "name", rule }.into());
        }
        if name == CONFIGURED {
            return Err(Problem::Conflict("This is the name of the key of the configuration"));
        }
        if name == FIRST && self.unsettled.lock().is_some() {
            return Err(Problem::Conflict("This is the name of the key that this server has just made"));
        }
        let text = TokenText::random(TokenKind::AdminKey, self.entropy.draw(), self.entropy.draw());
        let key = AdminKey { access, ..AdminKey::new(name, text.digest(), self.clock.now()) };
        match self.store().commit(&Changes::create(self.mark(), &key)).await? {
            Commit::Done => {
                let made = OversightEvent::AdminKeyMade { key: (&key).into(), access, by: by.actor.clone() };
                events.tell_with(&Event::from(made), &by.context);
                Ok((self.shown(&key), text.expose()))
            }
            // The audit trail knows keys by their names, so no name is given twice.
            Commit::Stale => Err(Problem::Conflict("A key has had this name before")),
        }
    }

    /// Withdraws a key.
    pub(super) async fn end(&self, name: &str, by: &By, events: &dyn Events) -> Result<(), Problem> {
        if name == CONFIGURED && self.configured.is_some() {
            return Err(Problem::Conflict("This key ends when it is taken out of the configuration"));
        }
        for _ in 0..ATTEMPTS {
            let found = self.store().find::<AdminKey>(name).await?;
            let Some(found) = found.filter(|found| found.record.ended.is_none()) else {
                return Err(Problem::Unknown("key"));
            };
            if self.is_last(name).await? {
                return Err(Problem::Conflict(
                    "This is the last key that may change anything; make another one first",
                ));
            }
            let ended = AdminKey { ended: Some(self.clock.now()), ..found.record.clone() };
            if self.store().commit(&Changes::replace(self.mark(), &found, &ended)).await? == Commit::Done {
                let event = OversightEvent::AdminKeyEnded { key: (&ended).into(), by: by.actor.clone() };
                events.tell_with(&Event::from(event), &by.context);
                return Ok(());
            }
        }
        Err(authz_core::Unavailable::Busy.into())
    }

    /// Whether nobody could change anything without this key.
    async fn is_last(&self, name: &str) -> Result<bool, StoreError> {
        let writes = |key: &AdminKey| self.opens(key) && key.access == AdminAccess::Write && key.name != name;
        Ok(self.configured.is_none() && !self.all().await?.iter().any(|found| writes(&found.record)))
    }

    /// Whether a key opens anything. An operator's own key replaces the one that was made for them.
    fn opens(&self, key: &AdminKey) -> bool {
        key.ended.is_none() && !(self.configured.is_some() && key.name == FIRST)
    }

    /// At most once a minute; a rival has written the same, and a store that is away is told of by what comes next.
    async fn note_use(&self, found: &Found<AdminKey>) {
        let now = self.clock.now();
        if found.record.used.is_some_and(|used| now.since(used) < USED_WITHIN) {
            return;
        }
        let used = AdminKey { used: Some(now), ..found.record.clone() };
        if let Err(error) = self.store().commit(&Changes::replace(self.mark(), found, &used)).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "when an admin key was used last cannot be written now");
        }
    }

    async fn all(&self) -> Result<Vec<Found<AdminKey>>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.store.list(Kind::AdminKey, Filter::All, after.as_deref(), READ_TOGETHER).await?;
            for row in &page.rows {
                all.push(Found::decode(row)?);
            }
            after = page.rows.last().map(|row| row.key.id.clone());
            if !page.more {
                return Ok(all);
            }
        }
    }

    fn shown(&self, key: &AdminKey) -> ShownKey {
        ShownKey {
            name: key.name.clone(),
            access: key.access.into(),
            active: self.opens(key),
            configured: false,
            made_at: Some(key.made.0),
            last_used_at: key.used.map(|at| at.0),
            ended_at: key.ended.map(|at| at.0),
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn mark(&self) -> Mark {
        Mark::new(self.entropy.draw())
    }
}
