//! Ends what a backup brings back: whatever was ended, changed or used up since it was taken is as it was before.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambient::{Clock, Entropy};
use authz_core::{By, Oversight, OversightError, TokenKind, TokenText, Traced};
use secrecy::SecretString;
use store::{
    AdminKey, Backend, Changes, Commit, Filter, Found, GrantId, Kind, Mark, PersonId, Row, StoreError, Ticket,
};

use crate::admin::keys;

/// How many records are read at once.
const READ_TOGETHER: u32 = 100;

/// What was ended, and the one thing that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Anew {
    /// How many people have no session and no grant any more.
    pub people: usize,
    /// How many mailed links and invitations are of no use any more.
    pub links: usize,
    /// How many admin keys open nothing any more.
    pub keys: usize,
    /// An admin key that opens everything. It is nowhere else.
    pub admin_key: SecretString,
}

/// Ends all sessions, grants, links and admin keys in a store that nobody serves.
pub(super) async fn begin_anew(
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Result<Anew, OversightError> {
    let oversight = Oversight::new(store.clone(), clock.clone(), entropy.clone(), Arc::new(Traced));
    let operator = By::operator();
    let mut people = BTreeSet::new();
    // Whoever is named anywhere: people need no account here.
    for kind in [Kind::Account, Kind::Person, Kind::Session, Kind::Grant, Kind::Consent] {
        each(&*store, kind, |row| {
            let own = matches!(kind, Kind::Account | Kind::Person).then(|| row.key.id.clone());
            people.extend(own.or_else(|| row.links.person.clone()));
        })
        .await?;
    }
    let mut nobodys = Vec::new();
    each(&*store, Kind::Grant, |row| {
        if row.links.person.is_none() && !row.ended {
            nobodys.push(row.key.id.clone());
        }
    })
    .await?;
    for person in &people {
        let person = PersonId::parse(person).map_err(|error| StoreError::damaged(Kind::Person, error))?;
        oversight.end_everything(&person, &operator).await?;
    }
    for grant in &nobodys {
        let grant = GrantId::parse(grant).map_err(|error| StoreError::damaged(Kind::Grant, error))?;
        oversight.revoke(&grant, &operator).await?;
    }

    let (now, mut tickets) = (clock.now(), Vec::new());
    each(&*store, Kind::Ticket, |row| tickets.push(row.clone())).await?;
    let mut links = 0;
    for row in &tickets {
        let found = Found::<Ticket>::decode(row)?;
        if found.record.used.is_none() && found.record.until > now {
            let changes = Changes::replace(Mark::new(entropy.draw()), &found, &found.record.used_at(now));
            links += usize::from(store.commit(&changes).await? == Commit::Done);
        }
    }

    keys::bring_together(&*store, &*entropy).await?;
    let text = TokenText::random(TokenKind::AdminKey, entropy.draw(), entropy.draw());
    let made = AdminKey::new("restored", text.digest(), now);
    let keys = keys::replace_all(&*store, made, &*entropy).await?;
    Ok(Anew { people: people.len(), links, keys, admin_key: text.expose() })
}

/// Shows all rows of a kind, page by page.
async fn each(store: &dyn Backend, kind: Kind, mut show: impl FnMut(&Row) + Send) -> Result<(), StoreError> {
    let mut after = None::<String>;
    loop {
        let page = store.list(kind, Filter::All, after.as_deref(), READ_TOGETHER).await?;
        page.rows.iter().for_each(&mut show);
        after = page.rows.last().map(|row| row.key.id.clone());
        if !page.more {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use ambient::{ManualClock, SeededEntropy, Time};
    use oauth_types::ClientId;
    use secrecy::ExposeSecret as _;
    use store::{
        AdminKeys, Consent, Digest, Memory, NewAccount, PersonStanding, Purpose, Record, ServerId, Standing,
        Store, TicketId,
    };

    use super::*;

    async fn create<R: Record>(store: &Arc<Memory>, record: &R) {
        let made = store.commit(&Changes::create(Mark::new([9; 16]), record)).await.unwrap();
        assert_eq!(made, Commit::Done);
    }

    async fn found<R: Record>(store: &Arc<Memory>, id: impl std::fmt::Display + Send) -> R {
        let store: &dyn Store = &**store;
        store.find::<R>(id).await.unwrap().unwrap().record
    }

    /// The attack: to wait until a backup is restored, and come back with what was ended after it was taken.
    #[tokio::test]
    async fn what_was_good_in_the_backup_is_good_for_nothing() {
        let (store, now) = (Arc::new(Memory::new()), Time(1_800_000_000));
        let key = |name: &str| AdminKey::new(name, Digest::of(name.as_bytes()), Time(1));
        create(&store, &AdminKeys { keys: vec![key("default"), key("restored")] }).await;
        create(&store, &key("of its own")).await;
        let person = PersonId::parse("usr_1").unwrap();
        let standing = Standing::default();
        create(&store, &PersonStanding { person: person.clone(), standing }).await;
        let new = NewAccount { email: "a@b.c".into(), name: "A".into(), password: None, invitation: None };
        let ticket = |n, until| Ticket {
            id: TicketId::new([n; 16]),
            digest: Digest::of(b"x"),
            purpose: Purpose::SignUp(new.clone()),
            made: Time(1),
            until,
            used: None,
        };
        // Somebody who has an account elsewhere, and no grant any more.
        let consent = Consent {
            person: PersonId::parse("usr_2").unwrap(),
            client: ClientId::parse("cid_app").unwrap(),
            server: ServerId::new([1; 16]),
            agreed: Vec::new(),
            given: Time(1),
            withdrawn: None,
        };
        create(&store, &consent).await;
        create(&store, &ticket(1, now.plus(60))).await;
        create(&store, &ticket(2, now)).await;

        let clock = Arc::new(ManualClock::at(now));
        let anew = begin_anew(store.clone(), clock, Arc::new(SeededEntropy::new(1))).await.unwrap();
        assert_eq!((anew.people, anew.links, anew.keys), (2, 1, 2));
        let consent = found::<Consent>(&store, consent.id()).await;
        assert_eq!(consent.withdrawn, Some(now), "its client asks again");
        let standing = found::<PersonStanding>(&store, &person).await.standing;
        assert!(standing.epoch.is_some(), "no session and no grant has this epoch");
        assert_eq!(found::<Ticket>(&store, TicketId::new([1; 16])).await.used, Some(now));
        let keys = found::<AdminKeys>(&store, AdminKeys::ID).await.keys;
        let good: Vec<&AdminKey> = keys.iter().filter(|key| key.ended.is_none()).collect();
        assert_eq!((good.len(), good[0].name.as_str()), (1, "restored-2"));
        assert!(good[0].digest.is_of(anew.admin_key.expose_secret().as_bytes()));
    }
}
