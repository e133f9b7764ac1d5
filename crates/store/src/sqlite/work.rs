//! What the writer does for others.

use ambient::Time;
use rusqlite::{Connection, params};

use super::fault::Fault;
use super::rows;
use crate::{Changes, ClaimKind, Claimed, Commit, OwnedClaim, Verdict, verdict};

/// One write, within a transaction that others share.
pub(super) trait Work: Send + 'static {
    type Answer: Send + 'static;

    fn run(&self, connection: &Connection) -> Result<Self::Answer, Fault>;
}

impl Work for Changes {
    type Answer = Commit;

    fn run(&self, connection: &Connection) -> Result<Commit, Fault> {
        let stored = rows::version(connection, self.key())?;
        match verdict(stored.as_ref().map(|stored| (&stored.marks, stored.ended)), self.mark(), self.guard())
        {
            Verdict::Write => {
                let row = self.row(stored.as_ref().map(|stored| (&stored.marks, stored.sweep)));
                match stored {
                    None => rows::insert(connection, &row)?,
                    Some(_) => rows::update(connection, &row)?,
                }
                Ok(Commit::Done)
            }
            Verdict::Done => Ok(Commit::Done),
            Verdict::Stale => Ok(Commit::Stale),
        }
    }
}

impl Work for OwnedClaim {
    type Answer = Claimed;

    fn run(&self, connection: &Connection) -> Result<Claimed, Fault> {
        if let Some((owner, since)) = rows::holder(connection, self.kind, &self.key)? {
            if owner == self.owner {
                return Ok(Claimed::Mine);
            }
            if self.instead_of.as_ref() != Some(&owner) {
                return Ok(Claimed::Held { owner, since });
            }
        }
        let sql =
            "INSERT OR REPLACE INTO claims (kind, key, owner, since, until) VALUES (?1, ?2, ?3, ?4, ?5)";
        connection.prepare_cached(sql)?.execute(params![
            self.kind.as_str(),
            self.key,
            self.owner,
            self.since.0,
            self.until.map(|until| until.0),
        ])?;
        Ok(Claimed::Mine)
    }
}

/// The end of a claim.
pub(super) struct Released {
    pub(super) kind: ClaimKind,
    pub(super) key: String,
    pub(super) owner: String,
}

impl Work for Released {
    type Answer = ();

    fn run(&self, connection: &Connection) -> Result<(), Fault> {
        let sql = "DELETE FROM claims WHERE kind = ?1 AND key = ?2 AND owner = ?3";
        connection.prepare_cached(sql)?.execute((self.kind.as_str(), &self.key, &self.owner))?;
        Ok(())
    }
}

/// A small piece of housekeeping.
pub(super) struct Swept {
    pub(super) now: Time,
    pub(super) at_most: u32,
}

impl Work for Swept {
    type Answer = u32;

    fn run(&self, connection: &Connection) -> Result<u32, Fault> {
        let records = "DELETE FROM records WHERE (kind, id) IN
            (SELECT kind, id FROM records WHERE sweep < ?1 ORDER BY sweep LIMIT ?2)";
        let claims = "DELETE FROM claims WHERE (kind, key) IN
            (SELECT kind, key FROM claims WHERE until < ?1 ORDER BY until LIMIT ?2)";
        let mut gone = 0;
        for sql in [records, claims] {
            let swept = connection.prepare_cached(sql)?.execute((self.now.0, self.at_most - gone))?;
            gone += u32::try_from(swept).unwrap_or(self.at_most);
        }
        Ok(gone)
    }
}

/// Nothing but proof that something can be written.
pub(super) struct Probe;

impl Work for Probe {
    type Answer = ();

    fn run(&self, connection: &Connection) -> Result<(), Fault> {
        connection.prepare_cached("UPDATE probes SET count = count + 1")?.execute(())?;
        Ok(())
    }
}
