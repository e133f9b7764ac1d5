//! What must be unique, and what is only counted.

use ambient::Time;
use redis::{Cmd, FromRedisValue, RedisError, Value};

use super::fault::Fault;
use super::keys::Keys;
use super::lists::{self, Ids};
use super::scripts::Script;
use super::wire::Wire;
use crate::{Claim, ClaimKind, ClaimPage, Claimed, HeldClaim};

static CLAIM: Script = Script::deciding(include_str!("lua/claim.lua"));
static RELEASE: Script = Script::deciding(include_str!("lua/release.lua"));
static COUNT: Script = Script::new(include_str!("lua/count.lua"));

/// The list of all claims is told first, as with records.
pub(super) async fn claim(wire: &Wire, keys: &Keys, claim: &Claim<'_>) -> Result<Claimed, Fault> {
    let (list, goes) = (std::iter::once(keys.claims(claim.kind)), lists::needed(claim.until));
    lists::tell(wire, list, claim.key, &goes).await?;
    let mut call = CLAIM
        .on([keys.claim(claim.kind, claim.key)])
        .arg(claim.owner)
        .arg(claim.since.0.to_string())
        .arg(claim.until.map(|until| until.0.to_string()).unwrap_or_default())
        .arg(goes);
    if let Some(owner) = claim.instead_of {
        call = call.arg(owner);
    }
    let held: Vec<String> = parsed(call.run(wire).await?)?;
    let Ok([owner, since]) = <[String; 2]>::try_from(held) else { return Ok(Claimed::Mine) };
    Ok(Claimed::Held { owner, since: Time(since.parse().map_err(|_| Fault::Unexpected)?) })
}

pub(super) async fn holder(
    wire: &Wire,
    keys: &Keys,
    kind: ClaimKind,
    key: &str,
) -> Result<Option<(String, Time)>, Fault> {
    let held = wire.ask(fetch(keys.claim(kind, key), &["owner", "since"])).await?;
    let (owner, since): (Option<String>, Option<i64>) = parsed(held)?;
    Ok(owner.zip(since.map(Time)))
}

pub(super) async fn release(
    wire: &Wire,
    keys: &Keys,
    kind: ClaimKind,
    key: &str,
    owner: &str,
) -> Result<(), Fault> {
    let given_up: i64 = parsed(RELEASE.on([keys.claim(kind, key)]).arg(owner).run(wire).await?)?;
    if given_up > 0 {
        // The claim is given up whether its list hears of it or not.
        let _ = lists::forget(wire, keys.claims(kind), vec![key.to_owned()]).await;
    }
    Ok(())
}

pub(super) async fn page(
    wire: &Wire,
    keys: &Keys,
    kind: ClaimKind,
    after: Option<&str>,
    at_most: u32,
) -> Result<ClaimPage, Fault> {
    let mut ids = Ids::of(keys.claims(kind), after, at_most);
    let mut page = ClaimPage::default();
    while let Some(ids) = ids.next(wire, page.claims.len()).await? {
        let there = held(wire, keys, kind, ids.clone()).await?;
        let gone = ids.into_iter().filter(|id| there.iter().all(|held| held.key != *id)).collect();
        lists::forget(wire, keys.claims(kind), gone).await?;
        page.claims.extend(there);
    }
    page.more = ids.cut(&mut page.claims);
    Ok(page)
}

/// Those of these that are there.
pub(super) async fn held(
    wire: &Wire,
    keys: &Keys,
    kind: ClaimKind,
    names: Vec<String>,
) -> Result<Vec<HeldClaim>, Fault> {
    let reads = names.iter().map(|key| fetch(keys.claim(kind, key), &["owner", "since", "until"])).collect();
    let mut there = Vec::new();
    for (key, held) in names.into_iter().zip(wire.ask_all(reads).await?) {
        let (owner, since, until): (Option<String>, Option<i64>, Option<i64>) = parsed(held)?;
        let (Some(owner), Some(since)) = (owner, since) else { continue };
        there.push(HeldClaim { key, owner, since: Time(since), until: until.map(Time) });
    }
    Ok(there)
}

/// A window is a key of its own, remembered as long again by the server's clock.
pub(super) async fn count(wire: &Wire, keys: &Keys, key: &str, window: i64, now: Time) -> Result<u32, Fault> {
    let remembered = window.max(1).saturating_mul(2000).min(1 << 48);
    let call = COUNT.on([key_of_count(keys, key, window, now)]).arg(remembered.to_string());
    let seen: i64 = parsed(call.run(wire).await?)?;
    Ok(u32::try_from(seen).unwrap_or(u32::MAX))
}

/// Lost like a count: whoever is counted on waits a little longer.
pub(super) async fn forget(wire: &Wire, keys: &Keys, key: &str, window: i64, now: Time) -> Result<(), Fault> {
    let mut command = redis::cmd("DEL");
    command.arg(key_of_count(keys, key, window, now));
    wire.ask(command).await?;
    Ok(())
}

fn key_of_count(keys: &Keys, key: &str, window: i64, now: Time) -> String {
    let window = window.max(1);
    let began = now.0.saturating_sub(now.0.rem_euclid(window));
    keys.count(key, format_args!("{window}:{began}"))
}

fn fetch(claim: String, fields: &[&str]) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(claim).arg(fields);
    command
}

fn parsed<T: FromRedisValue>(value: Value) -> Result<T, Fault> {
    Ok(redis::from_redis_value(value).map_err(RedisError::from)?)
}
