//! What happens to a grant that nobody asks about: time, administrators, and a store that goes back.

use ambient::Clock as _;
use oauth_types::Scope;
use store::{
    Changes, Client, Consent, Epoch, Found, Grant, GrantId, Mark, PersonStanding, Server, Stage, Standing,
    Status,
};

use super::super::story::Operation;
use super::Life;
use crate::bare::{BEGINNING, Bare, CALLBACK, Party, ada, client, id};

impl Life<'_> {
    pub(super) async fn happen(&mut self, operation: &Operation) {
        match *operation {
            // The clock has been moved already.
            Operation::Wait { .. } | Operation::WaitUntil { .. } => {}
            Operation::Restart => self.restart().await,
            Operation::BlockClient(blocked) => {
                let status = if blocked { Status::Blocked } else { Status::Active };
                self.hold_against_client(|standing| {
                    if standing.status != Status::Deleted {
                        standing.status = status;
                    }
                })
                .await;
            }
            Operation::DeleteClient => {
                self.hold_against_client(|standing| standing.status = Status::Deleted).await
            }
            Operation::EndAllOfClient => {
                let epoch = Some(Epoch::new(*self.draw().as_bytes()));
                self.hold_against_client(|standing| standing.epoch = epoch).await;
            }
            Operation::BlockPerson(blocked) => {
                let status = if blocked { Status::Blocked } else { Status::Active };
                self.hold_against_person(|standing| standing.status = status).await;
            }
            Operation::BlockServer(blocked) => {
                let status = if blocked { Status::Blocked } else { Status::Active };
                self.write(Server { status, ..self.bare.resources[0].0.clone() }).await;
            }
            Operation::EndAllOfPerson => {
                let epoch = Some(Epoch::new(*self.draw().as_bytes()));
                self.hold_against_person(|standing| standing.epoch = epoch).await;
            }
            Operation::Withdraw => self.write(consent(&self.bare, Some(self.bare.clock.now()))).await,
            Operation::ConsentAgain => self.write(consent(&self.bare, None)).await,
            Operation::Keep => {
                // A grant that was swept is kept as what it is good for: nothing.
                let kept = self.bare.stored(self.grant).await.map(|found| found.record);
                let gone = || ended(self.grant);
                self.kept.push(kept.unwrap_or_else(gone));
            }
            Operation::GoBack { to } => {
                if let Some(before) = to.of(&self.kept).cloned() {
                    self.write(before).await;
                }
            }
            Operation::Sweep => {
                self.bare.store.sweep(self.bare.clock.now(), 1000).await.unwrap();
            }
            // Somebody does it.
            Operation::Approve { .. }
            | Operation::Deny { .. }
            | Operation::Continue { .. }
            | Operation::Redeem { .. }
            | Operation::Refresh { .. }
            | Operation::RevokeAccess { .. }
            | Operation::RevokeRefresh { .. }
            | Operation::Introspect { .. }
            | Operation::UserInfo { .. } => {}
        }
    }

    async fn hold_against_client(&mut self, change: impl FnOnce(&mut Standing)) {
        let found: Option<Found<Client>> = self.store().find(id(Party::Own)).await.unwrap();
        let mut record = found.map_or_else(|| client(Party::Own, true), |found| found.record);
        change(&mut record.standing);
        self.write(record).await;
    }

    async fn hold_against_person(&mut self, change: impl FnOnce(&mut Standing)) {
        let person = ada().person;
        let found: Option<Found<PersonStanding>> = self.store().find(&person).await.unwrap();
        let mut record = found
            .map_or_else(|| PersonStanding { person, standing: Standing::default() }, |found| found.record);
        change(&mut record.standing);
        self.write(record).await;
    }

    /// Writes over whatever is there.
    async fn write<R: store::Record>(&mut self, record: R) {
        let mark = self.draw();
        let found = self.store().find::<R>(record.id()).await.unwrap();
        let changes = match found {
            Some(found) => Changes::replace(mark, &found, &record),
            None => Changes::create(mark, &record),
        };
        assert_eq!(self.bare.store.commit(&changes).await.unwrap(), store::Commit::Done);
    }

    fn draw(&mut self) -> Mark {
        self.marks += 1;
        Mark::new([self.marks; 16])
    }
}

pub(super) fn consent(bare: &Bare, withdrawn: Option<ambient::Time>) -> Consent {
    Consent {
        person: ada().person,
        client: id(Party::Own),
        server: bare.resources[0].0.id,
        agreed: vec![store::Agreed {
            redirect_uri: oauth_types::RedirectUri::parse(CALLBACK).unwrap(),
            scope: Scope::parse("read write").unwrap(),
        }],
        given: BEGINNING,
        withdrawn,
    }
}

fn ended(grant: GrantId) -> Grant {
    let why = store::Why::Lasting(store::Lasting::Revoked);
    let stage = Stage::Ended(store::Ended { why, when: BEGINNING, last: BEGINNING });
    Grant { id: grant, client: id(Party::Own), born: BEGINNING, stage }
}
