//! The real thing, which lives through what the model says.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "it fails by a panic; whatever else was expected is a failure"
)]

mod happen;

use std::collections::BTreeMap;
use std::sync::Arc;

use authz_core::{ClientRedirect, Event, Lifetime, Page, Policy, Refusal, Stopped};
use oauth_types::Scope;
use store::{Backend, Changes, Grant, GrantId, Mark, Stage, Store};

use self::happen::consent;
use super::story::{Asked, Beginning, Named, Operation, Shown, Verified};
use super::{Answer, Expected, Model, Name};
use crate::bare::{BEGINNING, Bare, CALLBACK, ELSEWHERE, Party, RESOURCE, VERIFIER, ada, ada_elsewhere};

/// Has a server and the model live through the same story, over `store`, which the server reaches through what `wrap` makes of
/// it.
///
/// # Panics
///
/// If they tell different things, or an invariant does not hold.
pub async fn live_through(
    store: Arc<dyn Backend>,
    wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
    beginning: Beginning,
    story: &[Operation],
) {
    let mut life = Life::begin(store, wrap, beginning).await;
    let mut model = Model::new(BEGINNING.0, beginning.leeway, beginning.refreshable, beginning.remembered);
    if let Some(code) = model.first_code() {
        life.know_first_code(Name::Code(code));
    }
    for (step, operation) in story.iter().enumerate() {
        let before = life.mark().await;
        let expected = model.apply(operation);
        let _ = life.bare.events.take();
        life.live(operation, &expected, &format!("step {step}, {operation:?}")).await;
        life.hold_invariants(&model, &expected, before, operation, step).await;
    }
}

/// The real thing: a server, a grant, and the texts that were handed out, by the names that the model gives them.
struct Life {
    bare: Bare,
    grant: GrantId,
    kept: Vec<Grant>,
    texts: BTreeMap<Name, String>,
    codes: Vec<String>,
    access: Vec<String>,
    refresh: Vec<String>,
    marks: u8,
}

impl Life {
    async fn begin(
        store: Arc<dyn Backend>,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
        beginning: Beginning,
    ) -> Self {
        let mut policy = Policy::default();
        policy.leeway = Lifetime::seconds(u32::try_from(beginning.leeway).unwrap());
        let bare = Bare::new(store, wrap, policy, beginning.refreshable).await;
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
        Self { bare, grant, kept, texts, codes, access, refresh, marks: 0 }
    }

    fn know_first_code(&mut self, name: Name) {
        let code = self.codes[0].clone();
        self.know(name, &code, "the beginning");
    }

    /// One name, one text; one text, one name.
    fn know(&mut self, name: Name, text: &str, step: &str) {
        if let Some(known) = self.texts.get(&name) {
            assert_eq!(known, text, "{step}: {name:?} changed its text");
            return;
        }
        assert!(self.texts.values().all(|known| known != text), "{step}: {name:?} is an old text");
        self.texts.insert(name, text.to_owned());
        let list = match name {
            Name::Code(_) => &mut self.codes,
            Name::Access(_) => &mut self.access,
            Name::Refresh(_) => &mut self.refresh,
        };
        if !list.iter().any(|known| known == text) {
            list.push(text.to_owned());
        }
    }

    async fn live(&mut self, operation: &Operation, expected: &Expected, step: &str) {
        match *operation {
            Operation::Approve { scope, elsewhere } => self.approve(scope, elsewhere, expected, step).await,
            Operation::Deny { elsewhere } => {
                let who = if elsewhere { ada_elsewhere() } else { ada() };
                let answer = self.bare.server.deny(self.grant, &who).await;
                if let Ok(location) = answer.as_ref().map(ClientRedirect::as_str) {
                    assert!(
                        location.starts_with(&format!("{CALLBACK}?error=access_denied&")),
                        "{step}: {location}"
                    );
                    assert!(
                        location.ends_with("&state=xyz&iss=https%3A%2F%2Fas.example"),
                        "{step}: {location}"
                    );
                }
                taken(answer.map(drop), expected, step);
            }
            Operation::Continue { elsewhere } => self.proceed(elsewhere, expected, step).await,
            Operation::Redeem { code, party, verifier, redirect, resource } => {
                let Some(code) = shown(code, &self.codes) else { return nothing(expected, step) };
                let mut form = vec![("grant_type", "authorization_code"), ("code", code.as_str())];
                form.extend(match verifier {
                    Verified::Right => Some(("code_verifier", VERIFIER)),
                    Verified::Wrong => Some(("code_verifier", "0123456789012345678901234567890123456789012")),
                    Verified::Missing => None,
                });
                form.extend(named("redirect_uri", redirect, CALLBACK, "https://app.example/other"));
                form.extend(named("resource", resource, RESOURCE, "https://other.example"));
                let answer = self.bare.token(party, &form).await;
                self.tokens(&answer, expected, step);
            }
            Operation::Refresh { token, party, scope, resource } => {
                let Some(token) = shown(token, &self.refresh) else { return nothing(expected, step) };
                let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
                form.extend(match scope {
                    Asked::All => None,
                    Asked::Both => Some(("scope", "write read")),
                    Asked::Less => Some(("scope", "read")),
                    Asked::More => Some(("scope", "read write admin")),
                });
                form.extend(named("resource", resource, RESOURCE, "https://other.example"));
                let answer = self.bare.token(party, &form).await;
                self.tokens(&answer, expected, step);
            }
            Operation::RevokeAccess { token, party } => {
                self.revoke(shown(token, &self.access), party, expected, step).await
            }
            Operation::RevokeRefresh { token, party } => {
                self.revoke(shown(token, &self.refresh), party, expected, step).await
            }
            Operation::Introspect { token, by_other } => {
                let Some(token) = shown(token, &self.access) else { return nothing(expected, step) };
                let told = self.bare.introspect(usize::from(by_other), &token).await;
                let answer = told.json();
                match &expected.answer {
                    Answer::Active { scope, expires } => {
                        assert_eq!(
                            (&answer["active"], &answer["scope"]),
                            (&true.into(), &(*scope).into()),
                            "{step}"
                        );
                        assert_eq!(answer["exp"], *expires, "{step}");
                        assert_eq!(
                            (&answer["sub"], &answer["aud"]),
                            (&"usr_ada".into(), &RESOURCE.into()),
                            "{step}"
                        );
                    }
                    Answer::Inactive => assert_eq!(answer, serde_json::json!({"active": false}), "{step}"),
                    other => self.refused(&told, other, step),
                }
            }
            Operation::UserInfo { token } => {
                let Some(token) = shown(token, &self.access) else { return nothing(expected, step) };
                let answer = self.bare.userinfo(&token).await;
                match &expected.answer {
                    Answer::Active { scope, .. } => {
                        assert_eq!(
                            (answer.status.as_u16(), &answer.json()["scope"]),
                            (200, &(*scope).into()),
                            "{step}"
                        );
                    }
                    other => self.refused(&answer, other, step),
                }
            }
            Operation::Wait { .. }
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
            | Operation::Sweep => self.happen(operation).await,
        }
        if !matches!(expected.answer, Answer::Nothing) {
            let told = self.bare.events.take();
            let told: Vec<_> =
                told.iter().map(name_of).filter(|name| name != "Refused" && name != "Stopped").collect();
            assert_eq!(told, expected.told, "{step}: events");
        }
    }

    async fn approve(&self, scope: Asked, elsewhere: bool, expected: &Expected, step: &str) {
        let scope = match scope {
            Asked::All | Asked::Both => "read write",
            Asked::Less => "read",
            Asked::More => "read write admin",
        };
        let who = if elsewhere { ada_elsewhere() } else { ada() };
        let answer = self.bare.server.approve(self.grant, &who, &Scope::parse(scope).unwrap()).await;
        if let Ok(path) = &answer {
            assert_eq!(path.as_str(), format!("/oauth/continue/{}", self.grant), "{step}");
        }
        taken(answer.map(drop), expected, step);
        if expected.written {
            // The code is made now, though nobody has fetched it.
            assert!(matches!(self.stored().await.stage, Stage::Coded(_)), "{step}");
        }
    }

    async fn proceed(&mut self, elsewhere: bool, expected: &Expected, step: &str) {
        let answer = self.bare.proceed(self.grant, if elsewhere { ELSEWHERE } else { "" }).await;
        match &expected.answer {
            Answer::Code(name) => {
                let code = answer.code().unwrap_or_else(|| panic!("{step}: {answer:?}"));
                assert_eq!(answer.status.as_u16(), 303, "{step}");
                self.know(Name::Code(*name), &code, step);
            }
            Answer::Asked => assert_eq!(answer.text(), self.grant.to_string(), "{step}"),
            Answer::Connected => {
                assert!(answer.text().starts_with("Already connected"), "{step}: {answer:?}")
            }
            Answer::Refused(refusal) => {
                let page = Page::from(*refusal);
                assert_eq!(answer.status, page.status, "{step}: {refusal:?} {answer:?}");
                assert_eq!(answer.text(), format!("{}: {}", page.title, page.advice), "{step}: {refusal:?}");
            }
            other => panic!("{step}: {other:?}"),
        }
    }

    fn tokens(&mut self, answer: &crate::bare::Answer, expected: &Expected, step: &str) {
        let Answer::Tokens { generation, refreshable, scope, expires_in } = &expected.answer else {
            return self.refused(answer, &expected.answer, step);
        };
        let tokens = answer.tokens().unwrap_or_else(|| panic!("{step}: {answer:?}"));
        assert_eq!((tokens.scope.as_str(), tokens.expires_in), (*scope, *expires_in), "{step}");
        assert_eq!(tokens.refresh.is_some(), *refreshable, "{step}");
        self.know(Name::Access(*generation), &tokens.access, step);
        if let Some(refresh) = tokens.refresh {
            self.know(Name::Refresh(*generation), &refresh, step);
        }
    }

    /// The reason stays inside: the events know it, the wire has what the table says.
    fn refused(&self, answer: &crate::bare::Answer, expected: &Answer, step: &str) {
        let Answer::Refused(expected) = expected else { panic!("{step}: {expected:?} but {answer:?}") };
        let told = self.bare.events.take();
        let refusals: Vec<Refusal> = told.iter().filter_map(refusal).collect();
        assert_eq!(refusals, [*expected], "{step}: {answer:?}");
        let wire = expected.wire();
        assert_eq!(
            (answer.status, answer.error().as_deref()),
            (wire.status, Some(wire.code.as_str())),
            "{step}"
        );
        for event in told {
            authz_core::Events::tell(&*self.bare.events, &event);
        }
    }

    async fn revoke(&self, token: Option<String>, party: Party, expected: &Expected, step: &str) {
        let Some(token) = token else { return nothing(expected, step) };
        let answer = self.bare.revoke(party, &token).await;
        match &expected.answer {
            Answer::Revoked => assert_eq!((answer.status.as_u16(), answer.text()), (200, ""), "{step}"),
            other => self.refused(&answer, other, step),
        }
    }

    async fn stored(&self) -> Grant {
        self.bare.stored(self.grant).await.unwrap().record
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
        operation: &Operation,
        step: usize,
    ) {
        let step = format!("step {step}, {operation:?}");
        let by_request = !matches!(operation, Operation::GoBack { .. } | Operation::Sweep);
        if by_request {
            // I11, and "nothing changes" wherever the tables say so.
            assert_eq!(
                self.mark().await != before,
                expected.written,
                "{step}: whether the grant was written"
            );
        }
        // I7, of every access token that was ever handed out.
        for generation in model.generations().iter().filter(|_| model.server_is_known()) {
            let text = &self.texts[&Name::Access(*generation)];
            let told = self.bare.introspect(0, text).await.json();
            let valid =
                told["active"].as_bool().unwrap().then(|| (told["scope"].clone(), told["exp"].clone()));
            let expected = model.valid(*generation).map(|(scope, expires)| (scope.into(), expires.into()));
            assert_eq!(valid, expected, "{step}: {generation:?}");
        }
        // I8.
        if let Some(found) = self.bare.stored(self.grant).await {
            let record = serde_json::to_string(&found.record).unwrap();
            for text in self.texts.values() {
                assert!(!record.contains(&text[text.len() - 40..]), "{step}: a text is in the store");
            }
        }
    }
}

fn taken(answer: Result<(), Stopped>, expected: &Expected, step: &str) {
    match (answer, &expected.answer) {
        (Ok(()), Answer::Taken) => {}
        (Err(Stopped::Page(page)), Answer::Refused(refusal)) => {
            assert_eq!(page, Page::from(*refusal), "{step}")
        }
        (answer, expected) => panic!("{step}: {expected:?} but {answer:?}"),
    }
}

fn nothing(expected: &Expected, step: &str) {
    assert_eq!(expected.answer, Answer::Nothing, "{step}: nobody knows such a text");
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

fn name_of(event: &Event) -> String {
    format!("{event:?}").chars().take_while(|character| character.is_alphanumeric()).collect()
}

fn refusal(event: &Event) -> Option<Refusal> {
    if let Event::Refused { refusal, .. } = event { Some(*refusal) } else { None }
}

async fn only_grant(bare: &Bare) -> GrantId {
    let page = bare.store.list(store::Kind::Grant, store::Filter::All, None, 2).await.unwrap();
    GrantId::parse(&page.rows[0].key.id).unwrap()
}
