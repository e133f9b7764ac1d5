//! The keys of the administration: one that the configuration may bring, and those in the store, of which only digests are kept.
//!
//! Those in the store are one record: whoever withdraws the last key that writes but one does so under the mark under which another
//! would withdraw that one.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use authz_core::{By, Event, Events, KeyName, OversightEvent, TokenKind, TokenText};
use parking_lot::Mutex;
use secrecy::SecretString;
use store::{
    AdminAccess, AdminKey, Backend, Changes, Commit, Digest, Filter, Found, Kind, Mark, Record as _,
    Rewritten, Store, StoreError,
};

use super::bounds;
use super::problem::{Conflict, Member, Problem, Thing};
use super::shown::ShownKey;

/// The name of the key that is made on the first run, if the configuration brings none.
pub(crate) const FIRST: &str = "default";
/// The name by which the key of the configuration is known.
const CONFIGURED: &str = "configured";
/// How old the time of the last use may be, in seconds, before it is written anew.
const USED_WITHIN: i64 = 60;
/// How many keys there are at the most that open something: each request to the administration reads them.
const MOST: usize = 500;
/// How many names of keys that were withdrawn are kept, and not given again.
const MOST_WITHDRAWN: usize = 500;
/// How many of the records are read at once that keys were before.
const READ_TOGETHER: u32 = 100;

/// The keys.
pub(super) struct AdminKeys {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    configured: Option<Digest>,
    // The first key, from when it is made until it is kept or another process's is.
    unsettled: Mutex<Option<Digest>>,
}

/// Who holds a key.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) key: KeyName,
    pub(super) access: AdminAccess,
}

impl AdminKeys {
    pub(super) fn new(store: Arc<dyn Backend>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy, configured: None, unsettled: Mutex::default() }
    }

    /// Takes the key of the configuration as well, in place of the one that was made on the first run.
    pub(super) const fn configure(&mut self, digest: Digest) {
        self.configured = Some(digest);
    }

    /// Which new key is taken that the store does not have yet.
    pub(super) fn unsettle(&self, digest: Option<Digest>) {
        *self.unsettled.lock() = digest;
    }

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
        let Some(found) = self.found().await? else { return Ok(None) };
        let Some(key) = found.record.keys.iter().find(|key| self.opens(key) && key.digest.is_of(text)) else {
            return Ok(None);
        };
        self.note_use(&found, key).await;
        Ok(Some(Holder { key: KeyName::from(key), access: key.access }))
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
        let kept = self.found().await?.map(|found| found.record.keys).unwrap_or_default();
        Ok(configured.into_iter().chain(kept.iter().map(|key| self.shown(key))).collect())
    }

    /// One of those that are kept.
    pub(super) async fn show(&self, name: &str) -> Result<Option<ShownKey>, StoreError> {
        let found = self.found().await?;
        Ok(found.and_then(|found| found.record.named(name).map(|key| self.shown(key))))
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
        if !(1..=bounds::KEY_NAME).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(Member::KeyName.into());
        }
        if name == CONFIGURED {
            return Err(Conflict::NameOfConfiguration.into());
        }
        if name == FIRST && self.unsettled.lock().is_some() {
            return Err(Conflict::NameOfFirst.into());
        }
        let text = TokenText::random(TokenKind::AdminKey, self.entropy.draw(), self.entropy.draw());
        let key = AdminKey { access, ..AdminKey::new(name, text.digest(), self.clock.now()) };
        self.change(|keys| {
            // The audit trail knows keys by their names, so no name is given twice.
            if keys.iter().any(|other| other.name == name) {
                return Err(Conflict::NameUsed.into());
            }
            make_room(keys)?;
            keys.push(key.clone());
            Ok(())
        })
        .await?;
        let made = OversightEvent::AdminKeyMade { key: (&key).into(), access, by: by.actor.clone() };
        events.tell_with(&Event::from(made), &by.context);
        Ok((self.shown(&key), text.expose()))
    }

    /// Withdraws a key.
    pub(super) async fn end(&self, name: &str, by: &By, events: &dyn Events) -> Result<(), Problem> {
        if name == CONFIGURED && self.configured.is_some() {
            return Err(Conflict::KeyOfConfiguration.into());
        }
        let end = |keys: &mut Vec<AdminKey>| {
            let writes = |key: &AdminKey| self.opens(key) && key.access == AdminAccess::Write;
            let others_write =
                self.configured.is_some() || keys.iter().any(|key| key.name != name && writes(key));
            let meant = keys.iter_mut().find(|key| key.name == name && key.ended.is_none());
            let key = meant.ok_or(Problem::Unknown(Thing::Key))?;
            if !others_write {
                return Err(Conflict::LastKey.into());
            }
            key.ended = Some(self.clock.now());
            Ok(())
        };
        let kept = self.change(end).await?;
        let key = kept.named(name).map(KeyName::from).ok_or(Problem::Unknown(Thing::Key))?;
        let event = OversightEvent::AdminKeyEnded { key, by: by.actor.clone() };
        events.tell_with(&Event::from(event), &by.context);
        Ok(())
    }

    /// Decides about the keys as they are and writes what was decided, again and again until nobody else has written in between.
    async fn change(
        &self,
        decide: impl Fn(&mut Vec<AdminKey>) -> Result<(), Problem> + Send,
    ) -> Result<store::AdminKeys, Problem> {
        let decide = move |found: Option<&store::AdminKeys>| {
            let mut changed = found.cloned().unwrap_or_default();
            decide(&mut changed.keys)?;
            Ok::<_, Problem>(Some(changed))
        };
        let changed = self.store().rewrite(store::AdminKeys::ID, || self.mark(), decide).await?;
        Ok(changed.now().unwrap_or_default())
    }

    /// Whether a key opens anything. An operator's own key replaces the one that was made for them.
    fn opens(&self, key: &AdminKey) -> bool {
        key.ended.is_none() && !(self.configured.is_some() && key.name == FIRST)
    }

    /// At most once a minute; a rival has written the same or soon will, and a store that is away is told of by what comes next.
    async fn note_use(&self, found: &Found<store::AdminKeys>, key: &AdminKey) {
        let now = self.clock.now();
        if key.used.is_some_and(|used| now.since(used) < USED_WITHIN) {
            return;
        }
        let mut changed = found.record.clone();
        for own in changed.keys.iter_mut().filter(|own| own.name == key.name) {
            own.used = Some(now);
        }
        if let Err(error) = self.store().commit(&Changes::replace(self.mark(), found, &changed)).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "when an admin key was used last cannot be written now");
        }
    }

    /// All that are kept, by one read.
    async fn found(&self) -> Result<Option<Found<store::AdminKeys>>, StoreError> {
        self.store().find(store::AdminKeys::ID).await
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

/// Forgets those that were withdrawn first, if there are so many. A key that was stolen makes others as fast as it may: whoever has
/// withdrawn them all must be able to make one.
fn make_room(keys: &mut Vec<AdminKey>) -> Result<(), Problem> {
    // Of the first one it must be known that it was there, or the next start would make another.
    let forgettable = |(at, key): (usize, &AdminKey)| Some((key.ended.filter(|_| key.name != FIRST)?, at));
    let mut withdrawn: Vec<(Time, usize)> = keys.iter().enumerate().filter_map(forgettable).collect();
    if keys.len() - withdrawn.len() >= MOST {
        return Err(Conflict::TooManyKeys.into());
    }
    withdrawn.sort_unstable();
    let surplus = withdrawn.len().saturating_sub(MOST_WITHDRAWN);
    let forgotten: BTreeSet<usize> = withdrawn.into_iter().take(surplus).map(|(_, at)| at).collect();
    let mut at = 0..;
    keys.retain(|_| at.next().is_none_or(|at| !forgotten.contains(&at)));
    Ok(())
}

/// The name of the key with this digest, of those in the store, the withdrawn ones as well.
pub(crate) async fn name_of(store: &dyn Store, digest: Digest) -> Result<Option<String>, StoreError> {
    let found = store.find::<store::AdminKeys>(store::AdminKeys::ID).await?;
    let keys = found.map(|found| found.record.keys).unwrap_or_default();
    Ok(keys.into_iter().find(|key| key.digest == digest).map(|key| key.name))
}

/// Whether the store has a key that was made on a first run, withdrawn or not.
pub(crate) async fn has_first(store: &dyn Store) -> Result<bool, StoreError> {
    let found = store.find::<store::AdminKeys>(store::AdminKeys::ID).await?;
    Ok(found.is_some_and(|found| found.record.named(FIRST).is_some()))
}

/// Keeps a key that was made on a first run. Answers the digest of the one that is kept: another process may have been faster.
pub(crate) async fn keep_first(
    store: &dyn Store,
    key: &AdminKey,
    entropy: &dyn Entropy,
) -> Result<Digest, StoreError> {
    let keep = |found: Option<&store::AdminKeys>| {
        let mut keys = found.cloned().unwrap_or_default();
        let is_kept = keys.named(FIRST).is_some();
        keys.keys.push(key.clone());
        Ok::<_, StoreError>((!is_kept).then_some(keys))
    };
    let kept = store.rewrite(store::AdminKeys::ID, || Mark::new(entropy.draw()), keep).await?.now();
    Ok(kept.as_ref().and_then(|kept| kept.named(FIRST)).map_or(key.digest, |first| first.digest))
}

/// Withdraws all keys of a store and keeps this one, under its name or, if that was given before, one with a number. Answers how many
/// were withdrawn.
pub(crate) async fn replace_all(
    store: &dyn Store,
    key: AdminKey,
    entropy: &dyn Entropy,
) -> Result<usize, StoreError> {
    let replace = |found: Option<&store::AdminKeys>| {
        let mut all = found.cloned().unwrap_or_default();
        for own in all.keys.iter_mut().filter(|own| own.ended.is_none()) {
            own.ended = Some(key.made);
        }
        let numbered = (2..).map(|number: u32| format!("{}-{number}", key.name));
        let mut names = std::iter::once(key.name.clone()).chain(numbered);
        let name = names.find(|name| all.named(name).is_none()).unwrap_or_default();
        all.keys.push(AdminKey { name, ..key.clone() });
        Ok::<_, StoreError>(Some(all))
    };
    Ok(match store.rewrite(store::AdminKeys::ID, || Mark::new(entropy.draw()), replace).await? {
        Rewritten::Kept(_) | Rewritten::Done { before: None, .. } => 0,
        Rewritten::Done { before: Some(before), .. } => {
            before.keys.iter().filter(|key| key.ended.is_none()).count()
        }
    })
}

/// Brings together the keys of a store that has each as a record of its own.
pub(crate) async fn bring_together(store: &dyn Backend, entropy: &dyn Entropy) -> Result<(), StoreError> {
    let there = store.read(&store::Key::new(store::AdminKeys::KIND, store::AdminKeys::ID)).await?;
    if there.is_some() {
        return Ok(());
    }
    let (mut keys, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.list(Kind::AdminKey, Filter::All, after.as_deref(), READ_TOGETHER).await?;
        for row in &page.rows {
            keys.push(Found::<AdminKey>::decode(row)?.record);
        }
        after = page.rows.last().map(|row| row.key.id.clone());
        if !page.more {
            break;
        }
    }
    if !keys.is_empty() {
        let changes = Changes::create(Mark::new(entropy.draw()), &store::AdminKeys { keys });
        // Of processes that start together one brings them.
        let (Commit::Done | Commit::Stale) = store.commit(&changes).await?;
    }
    Ok(())
}
