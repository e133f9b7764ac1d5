//! One look at everything in the source.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::bring::{Became, bring, claim, expire};
use super::hold::Hold;
use super::look::{lasts, number, of_kind, order, read_all};
use super::{AT_ONCE, CopyError, Copying, PAGE, PAGE_OF_KEYS, Progress};
use crate::{ClaimKind, Filter, Kind, Mark, Row, Unlisted};

impl<'a> Copying<'a> {
    /// Looks at everything in the source once, and writes what the target has not.
    pub(super) async fn pass(&mut self, hold: Hold<'a>, of: Option<u64>) -> Result<Pass, CopyError> {
        let mut pass = Pass::default();
        let unlisted = self.from.unlisted().await.map_err(CopyError::From)?;
        pass.unlisted = number(unlisted.records.iter()) + number(unlisted.claims.iter());
        for kind in order() {
            let mut after: Option<String> = None;
            loop {
                let page = self
                    .from
                    .list(kind, Filter::All, after.as_deref(), PAGE)
                    .await
                    .map_err(CopyError::From)?;
                after = page.rows.last().map(|row| row.key.id.clone());
                self.bring(hold, page.rows, &mut pass, of).await?;
                if !page.more {
                    break;
                }
            }
            for keys in of_kind(&unlisted, kind).chunks(PAGE_OF_KEYS) {
                let rows = read_all(self.from, keys).await.map_err(CopyError::From)?;
                self.bring(hold, rows, &mut pass, of).await?;
            }
            self.expire(hold, kind, &mut pass).await?;
        }
        self.claims(hold, &mut pass, of, &unlisted).await?;
        hold.check().await?;
        // What is over goes now: a server may find it until then.
        while self.to.sweep(self.now, PAGE).await.map_err(CopyError::To)? >= PAGE {}
        Ok(pass)
    }

    async fn bring(
        &mut self,
        hold: Hold<'a>,
        rows: Vec<Row>,
        pass: &mut Pass,
        of: Option<u64>,
    ) -> Result<(), CopyError> {
        let now = self.now;
        let looked_at = rows.iter().filter(|row| lasts(row.sweep, now)).count();
        let became: Vec<Became> = stream::iter(rows)
            .map(|row| async move { bring(hold, &row, lasts(row.sweep, now)).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        became.into_iter().for_each(|became| pass.add(became));
        self.tell(pass, looked_at, of);
        Ok(())
    }

    /// A record that has gone from the source was over there: somebody logged out, or ended it, since it was copied.
    async fn expire(&mut self, hold: Hold<'a>, kind: Kind, pass: &mut Pass) -> Result<(), CopyError> {
        let mut after: Option<String> = None;
        loop {
            let page =
                self.to.list(kind, Filter::All, after.as_deref(), PAGE).await.map_err(CopyError::To)?;
            after = page.rows.last().map(|row| row.key.id.clone());
            let now = self.now;
            let rows: Vec<(Row, Mark)> = page
                .rows
                .into_iter()
                .filter(|row| lasts(row.sweep, now))
                .map(|row| (row, (self.draw)()))
                .collect();
            let from = self.from;
            let became: Vec<Became> = stream::iter(rows)
                .map(|(row, mark)| async move { expire(from, hold, &row, mark).await })
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            became.into_iter().for_each(|became| pass.add(became));
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn claims(
        &mut self,
        hold: Hold<'a>,
        pass: &mut Pass,
        of: Option<u64>,
        unlisted: &Unlisted,
    ) -> Result<(), CopyError> {
        let now = self.now;
        for (kind, held) in unlisted.claims.iter().filter(|(_, held)| lasts(held.until, now)) {
            pass.add(claim(hold, *kind, held).await?);
            self.tell(pass, 1, of);
        }
        for kind in ClaimKind::ALL {
            let mut after: Option<String> = None;
            loop {
                let page = self.from.claims(kind, after.as_deref(), PAGE).await.map_err(CopyError::From)?;
                after = page.claims.last().map(|held| held.key.clone());
                let held: Vec<_> =
                    page.claims.into_iter().filter(|held| lasts(held.until, self.now)).collect();
                let looked_at = held.len();
                for held in held {
                    pass.add(claim(hold, kind, &held).await?);
                }
                self.tell(pass, looked_at, of);
                if !page.more {
                    break;
                }
            }
            self.release(hold, kind, pass).await?;
        }
        Ok(())
    }

    /// A claim that was given up in the source would keep its key from everybody for ever.
    async fn release(&mut self, hold: Hold<'a>, kind: ClaimKind, pass: &mut Pass) -> Result<(), CopyError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.to.claims(kind, after.as_deref(), PAGE).await.map_err(CopyError::To)?;
            for held in &page.claims {
                let holder = self.from.holder(kind, &held.key).await.map_err(CopyError::From)?;
                if holder.is_none() {
                    hold.check().await?;
                    self.to.release(kind, &held.key, &held.owner).await.map_err(CopyError::To)?;
                    pass.add(Became::Written);
                }
            }
            after = page.claims.last().map(|held| held.key.clone());
            if !page.more {
                return Ok(());
            }
        }
    }

    fn tell(&mut self, pass: &mut Pass, looked_at: usize, of: Option<u64>) {
        pass.looked_at += u64::try_from(looked_at).unwrap_or(u64::MAX);
        if let Some(of) = of {
            (self.told)(Progress { done: pass.looked_at, of });
        }
    }
}

/// What one look at the source came to.
#[derive(Default)]
pub(super) struct Pass {
    looked_at: u64,
    pub(super) written: u64,
    pub(super) kept_ended: u64,
    pub(super) unlisted: u64,
}

impl Pass {
    fn add(&mut self, became: Became) {
        match became {
            Became::Same => {}
            Became::Written => self.written += 1,
            Became::KeptEnded => self.kept_ended += 1,
        }
    }
}
