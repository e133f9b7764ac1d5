//! The real thing, which lives through what the model says.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails by a panic")]

mod happen;
mod heard;

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Clock as _;
use authz_core::{Lifetime, Policy};
use oauth_types::Scope;
use store::{Backend, Changes, Grant, GrantId, Mark, Stage, Store};

use self::happen::consent;
use self::heard::{Heard, name_of};
use super::story::{Asked, Beginning, Named, Operation, Shown, Step, Trouble, Verified};
use super::told::{Difference, Told};
use super::trouble::Troubles;
use super::{Answer, CodeName, Counterexample, Expected, Model, Name};
use crate::bare::{BEGINNING, Bare, CALLBACK, ELSEWHERE, RESOURCE, VERIFIER, ada, ada_elsewhere};

/// What a server lives on.
pub struct Ground<'a> {
    /// Its records.
    pub store: Arc<dyn Backend>,
    /// How it reaches them.
    pub way: &'a dyn Fn(Arc<dyn Backend>) -> Arc<dyn Backend>,
    /// What it makes of the policy that the model knows: another one shows whether that is found out.
    pub policy: &'a dyn Fn(Policy) -> Policy,
}

impl Ground<'_> {
    /// With nothing in between, and nothing wrong.
    #[must_use]
    pub fn over(store: Arc<dyn Backend>) -> Self {
        Self { store, way: &|store| store, policy: &|policy| policy }
    }
}

/// Has a server and the model live through the same story.
///
/// # Errors
///
/// The story up to where they tell different things, or an invariant does not hold.
pub async fn live_through(
    ground: Ground<'_>,
    beginning: Beginning,
    story: &[Step],
) -> Result<(), Counterexample> {
    let mut model = Model::new(BEGINNING.0, beginning);
    let mut told = Told::from(&model, beginning);
    let mut life = Life::begin(ground, beginning).await;
    if let Some(code) = model.first_code() {
        life.know_first_code(code);
    }
    for step in story {
        told.goes_on(&model, step);
        let before = life.mark().await;
        let expected = model.follow(step);
        life.bare.clock.advance(model.now() - life.bare.clock.now().0);
        let lived = match life.live(step, &expected).await {
            Ok(()) => life.hold_invariants(&model, &expected, before, step).await,
            Err(difference) => Err(difference),
        };
        match lived {
            Ok(()) => told.is_answered(&expected.answer),
            Err(difference) => return Err(told.parts(&model, &expected.answer, difference)),
        }
    }
    Ok(())
}

/// The real thing: a server, a grant, and the texts that were handed out, by the names that the model gives them.
struct Life<'a> {
    ground: Ground<'a>,
    policy: Policy,
    troubles: Troubles,
    bare: Bare,
    /// Servers that were started so far.
    started: u64,
    grant: GrantId,
    kept: Vec<Grant>,
    texts: BTreeMap<Name, String>,
    codes: Vec<String>,
    access: Vec<String>,
    refresh: Vec<String>,
    marks: u8,
}

impl<'a> Life<'a> {
    async fn begin(ground: Ground<'a>, beginning: Beginning) -> Self {
        let pace = beginning.pace;
        let seconds = |seconds| Lifetime::seconds(u32::try_from(seconds).unwrap());
        let mut policy = Policy::default();
        policy.leeway = seconds(beginning.leeway);
        policy.access = seconds(pace.access());
        policy.refresh_idle = seconds(pace.idle());
        policy.refresh_total = seconds(pace.total());
        policy.code = seconds(pace.code());
        policy.request = seconds(pace.request());
        let policy = (ground.policy)(policy);
        let troubles = Troubles::default();
        let way = |store| (ground.way)(troubles.store(store));
        let bare = Bare::new(Arc::clone(&ground.store), way, policy.clone(), beginning.refreshable).await;
        let (grant, codes) = if beginning.remembered {
            let consent = consent(&bare, None);
            let changes = Changes::create(Mark::new([0xc0; 16]), &consent);
            assert_eq!(bare.store.commit(&changes).await.unwrap(), store::Commit::Done);
            let code = bare.authorize().await.code().unwrap();
            (only_grant(&bare).await, vec![code])
        } else {
            (bare.requested().await, Vec::new())
        };
        let (texts, kept, access, refresh) = Default::default();
        let (started, marks) = (1, 0);
        Self { ground, policy, troubles, bare, started, grant, kept, texts, codes, access, refresh, marks }
    }

    fn know_first_code(&mut self, name: CodeName) {
        self.texts.insert(Name::Code(name), self.codes[0].clone());
    }

    /// Another server over the same store: whatever the first one remembered is gone.
    async fn restart(&mut self) {
        self.started += 1;
        let way = |store| (self.ground.way)(self.troubles.store(store));
        self.bare = self.bare.beside(1000 + self.started, way, self.policy.clone()).await;
    }

    async fn live(&mut self, step: &Step, expected: &Expected) -> Result<(), Difference> {
        let _ = self.bare.events.take();
        self.troubles.next(step.trouble);
        let heard = self.ask(&step.operation).await;
        self.troubles.next(Trouble::None);
        let told = self.bare.events.take();
        let Some(heard) = heard else {
            self.happen(&step.operation).await;
            return Ok(());
        };
        let answer = match self.understand(heard, &expected.answer, &told) {
            Ok(answer) => answer,
            Err(odd) => return Err(Difference::answer(&expected.answer, odd)),
        };
        if answer != expected.answer {
            return Err(Difference::answer(&expected.answer, answer));
        }
        if answer == Answer::Nothing {
            return Ok(());
        }
        let told: Vec<_> =
            told.iter().map(name_of).filter(|name| name != "Refused" && name != "Stopped").collect();
        let expected = expected.told.iter().map(|name| (*name).to_owned()).collect();
        Difference::unless_same("events", expected, told)
    }

    /// What comes back, if this is something that somebody asks.
    async fn ask(&self, operation: &Operation) -> Option<Heard> {
        Some(match *operation {
            Operation::Approve { scope, elsewhere } => {
                let scope = match scope {
                    Asked::All | Asked::Both => "read write",
                    Asked::Less => "read",
                    Asked::More => "read write admin",
                };
                let who = if elsewhere { ada_elsewhere() } else { ada() };
                let scope = Scope::parse(scope).unwrap();
                Heard::Approved(self.bare.server.approve(self.grant, &who, &scope).await)
            }
            Operation::Deny { elsewhere } => {
                let who = if elsewhere { ada_elsewhere() } else { ada() };
                Heard::Denied(self.bare.server.deny(self.grant, &who).await)
            }
            Operation::Continue { elsewhere } => {
                let session = if elsewhere { ELSEWHERE } else { "" };
                Heard::Onward(self.bare.proceed(self.grant, session).await)
            }
            Operation::Redeem { code, party, verifier, redirect, resource } => {
                let Some(code) = shown(code, &self.codes) else { return Some(Heard::Nothing) };
                let mut form = vec![("grant_type", "authorization_code"), ("code", code.as_str())];
                form.extend(match verifier {
                    Verified::Right => Some(("code_verifier", VERIFIER)),
                    Verified::Wrong => Some(("code_verifier", "0123456789012345678901234567890123456789012")),
                    Verified::Missing => None,
                });
                form.extend(named("redirect_uri", redirect, CALLBACK, "https://app.example/other"));
                form.extend(named("resource", resource, RESOURCE, "https://other.example"));
                Heard::Tokens(self.bare.token(party, &form).await)
            }
            Operation::Refresh { token, party, scope, resource } => {
                let Some(token) = shown(token, &self.refresh) else { return Some(Heard::Nothing) };
                let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
                form.extend(match scope {
                    Asked::All => None,
                    Asked::Both => Some(("scope", "write read")),
                    Asked::Less => Some(("scope", "read")),
                    Asked::More => Some(("scope", "read write admin")),
                });
                form.extend(named("resource", resource, RESOURCE, "https://other.example"));
                Heard::Tokens(self.bare.token(party, &form).await)
            }
            Operation::RevokeAccess { token, party } => {
                let Some(token) = shown(token, &self.access) else { return Some(Heard::Nothing) };
                Heard::Revoked(self.bare.revoke(party, &token).await)
            }
            Operation::RevokeRefresh { token, party } => {
                let Some(token) = shown(token, &self.refresh) else { return Some(Heard::Nothing) };
                Heard::Revoked(self.bare.revoke(party, &token).await)
            }
            Operation::Introspect { token, by_other } => {
                let Some(token) = shown(token, &self.access) else { return Some(Heard::Nothing) };
                Heard::Introspected(self.bare.introspect(usize::from(by_other), &token).await)
            }
            Operation::UserInfo { token } => {
                let Some(token) = shown(token, &self.access) else { return Some(Heard::Nothing) };
                Heard::UserInfo(self.bare.userinfo(&token).await)
            }
            Operation::Wait { .. }
            | Operation::WaitUntil { .. }
            | Operation::BlockClient(_)
            | Operation::DeleteClient
            | Operation::BlockPerson(_)
            | Operation::BlockServer(_)
            | Operation::EndAllOfClient
            | Operation::EndAllOfPerson
            | Operation::Withdraw
            | Operation::ConsentAgain
            | Operation::Keep
            | Operation::GoBack { .. }
            | Operation::Sweep
            | Operation::Restart => return None,
        })
    }

    async fn mark(&self) -> Option<Mark> {
        self.bare.stored(self.grant).await.map(|found| found.mark)
    }

    fn store(&self) -> &dyn Store {
        &*self.bare.store
    }

    /// What holds after every step, whatever it was.
    async fn hold_invariants(
        &self,
        model: &Model,
        expected: &Expected,
        before: Option<Mark>,
        step: &Step,
    ) -> Result<(), Difference> {
        let by_request = !matches!(step.operation, Operation::GoBack { .. } | Operation::Sweep);
        if by_request {
            // I11, and "nothing changes" wherever the tables say so.
            let written = self.mark().await != before;
            Difference::unless_so("whether the grant is written", expected.written, written)?;
        }
        if matches!((&step.operation, expected.written), (Operation::Approve { .. }, true)) {
            // The code is made now, though nobody has fetched it.
            let coded =
                self.bare.stored(self.grant).await.map(|found| matches!(found.record.stage, Stage::Coded(_)));
            Difference::unless_so("whether there is a code", true, coded == Some(true))?;
        }
        // I7, of every access token that was ever handed out.
        for generation in model.generations().iter().filter(|_| model.server_is_known()) {
            let name = Name::Access(*generation);
            let told = self.bare.introspect(0, &self.texts[&name]).await.json();
            let got = told["active"]
                .as_bool()
                .unwrap_or_default()
                .then(|| (told["scope"].clone(), told["exp"].clone()));
            let expected = model.valid(*generation).map(|(scope, expires)| (scope.into(), expires.into()));
            Difference::unless_same(&format!("what {name} is good for"), expected, got)?;
        }
        // I8.
        if let Some(found) = self.bare.stored(self.grant).await {
            let record = serde_json::to_string(&found.record).unwrap();
            for (name, text) in &self.texts {
                let kept = record.contains(&text[text.len() - 40..]);
                Difference::unless_so(&format!("whether the text of {name} is in the store"), false, kept)?;
            }
        }
        Ok(())
    }
}

/// The text that is shown; a forged one differs from it in one character of its secret.
fn shown(shown: Shown, known: &[String]) -> Option<String> {
    if known.is_empty() {
        return None;
    }
    let text = shown.of(known).cloned();
    Some(text.unwrap_or_else(|| {
        let text = &known[known.len() - 1];
        let at = text.len() - 8;
        let other = if &text[at..=at] == "A" { "B" } else { "A" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    }))
}

fn named<'a>(name: &'a str, named: Named, same: &'a str, wrong: &'a str) -> Option<(&'a str, &'a str)> {
    match named {
        Named::Absent => None,
        Named::Same => Some((name, same)),
        Named::Wrong => Some((name, wrong)),
    }
}

async fn only_grant(bare: &Bare) -> GrantId {
    let page = bare.store.list(store::Kind::Grant, store::Filter::All, None, 2).await.unwrap();
    GrantId::parse(&page.rows[0].key.id).unwrap()
}
