//! What the server answers, in the words of the model.

use authz_core::{ClientRedirect, ContinuePath, Event, Page, Refusal, Stopped};
use serde_json::{Value, json};

use super::super::{Answer, CodeName, Name};
use super::Life;
use crate::bare::{self, CALLBACK, RESOURCE};

/// What came back for what was asked.
pub(super) enum Heard {
    /// There was nothing to be asked with.
    Nothing,
    Approved(Result<ContinuePath, Stopped>),
    Denied(Result<ClientRedirect, Stopped>),
    Onward(bare::Answer),
    Tokens(bare::Answer),
    Revoked(bare::Answer),
    Introspected(bare::Answer),
    UserInfo(bare::Answer),
}

/// Something that the model has no word for.
pub(super) type Odd = String;

impl Life<'_> {
    /// The answer, in which texts have the names that the model gives them. One that nobody has seen is the one that is
    /// expected, if that is a new one, too.
    pub(super) fn understand(
        &mut self,
        heard: Heard,
        expected: &Answer,
        events: &[Event],
    ) -> Result<Answer, Odd> {
        match heard {
            Heard::Nothing => Ok(Answer::Nothing),
            Heard::Approved(Ok(path)) if path.as_str() == format!("/oauth/continue/{}", self.grant) => {
                Ok(Answer::Taken)
            }
            Heard::Approved(Ok(path)) => Err(format!("on to {}", path.as_str())),
            Heard::Denied(Ok(to)) => denied(to.as_str()),
            Heard::Approved(Err(stopped)) | Heard::Denied(Err(stopped)) => match stopped {
                Stopped::Page(page) => page_of(expected, page.title, &page.advice, |own| *own == page),
                Stopped::Unavailable(_) => Ok(Answer::Unavailable),
            },
            Heard::Onward(answer) => self.onward(&answer, expected),
            Heard::Tokens(answer) => self.tokens(&answer, expected, events),
            Heard::Revoked(answer) if (answer.status.as_u16(), answer.text()) == (200, "") => {
                Ok(Answer::Revoked)
            }
            Heard::Introspected(answer) if answer.status.is_success() => introspected(&answer.json()),
            Heard::UserInfo(answer) if answer.status.is_success() => userinfo(&answer.json(), expected),
            Heard::Revoked(answer) | Heard::Introspected(answer) | Heard::UserInfo(answer) => {
                refused(&answer, events)
            }
        }
    }

    fn onward(&mut self, answer: &bare::Answer, expected: &Answer) -> Result<Answer, Odd> {
        if let Some(code) = answer.code().filter(|_| answer.status.as_u16() == 303) {
            let new = if let Answer::Code(name) = expected { Some(*name) } else { None };
            return self.code(&code, new).map(Answer::Code);
        }
        if answer.status.as_u16() == 503 {
            return Ok(Answer::Unavailable);
        }
        match answer.text() {
            text if text == self.grant.to_string() => Ok(Answer::Asked),
            text if text.starts_with("Already connected") => Ok(Answer::Connected),
            text => page_of(expected, text, "", |own| {
                answer.status == own.status && text == format!("{}: {}", own.title, own.advice)
            }),
        }
    }

    fn tokens(&mut self, answer: &bare::Answer, expected: &Answer, events: &[Event]) -> Result<Answer, Odd> {
        let Some(tokens) = answer.tokens().filter(|_| answer.status.is_success()) else {
            return refused(answer, events);
        };
        let new = if let Answer::Tokens { generation, .. } = expected { Some(*generation) } else { None };
        let generation = match self.name_of(&tokens.access) {
            Some(Name::Access(known)) => known,
            Some(other) => return Err(format!("{other} as access token")),
            None => {
                let new = new.filter(|new| !self.texts.contains_key(&Name::Access(*new)));
                new.ok_or("tokens that nobody was ever given")?
            }
        };
        self.learn(Name::Access(generation), &tokens.access)?;
        if let Some(refresh) = &tokens.refresh {
            self.learn(Name::Refresh(generation), refresh)?;
        }
        let scope = known_scope(&tokens.scope)?;
        let (refreshable, expires_in) = (tokens.refresh.is_some(), tokens.expires_in);
        Ok(Answer::Tokens { generation, refreshable, scope, expires_in })
    }

    fn code(&mut self, text: &str, new: Option<CodeName>) -> Result<CodeName, Odd> {
        let name = match self.name_of(text) {
            Some(Name::Code(known)) => known,
            Some(other) => return Err(format!("{other} as a code")),
            None => {
                let new = new.filter(|new| !self.texts.contains_key(&Name::Code(*new)));
                new.ok_or("a code that nobody was ever given")?
            }
        };
        self.learn(Name::Code(name), text)?;
        Ok(name)
    }

    fn name_of(&self, text: &str) -> Option<Name> {
        self.texts.iter().find(|(_, known)| *known == text).map(|(name, _)| *name)
    }

    /// One name, one text; one text, one name.
    fn learn(&mut self, name: Name, text: &str) -> Result<(), Odd> {
        match (self.texts.get(&name), self.name_of(text)) {
            (Some(known), _) if known != text => Err(format!("{name} with another text than before")),
            (None, Some(other)) => Err(format!("{other} for {name}")),
            (Some(_), _) => Ok(()),
            (None, None) => {
                self.texts.insert(name, text.to_owned());
                let list = match name {
                    Name::Code(_) => &mut self.codes,
                    Name::Access(_) => &mut self.access,
                    Name::Refresh(_) => &mut self.refresh,
                };
                list.push(text.to_owned());
                Ok(())
            }
        }
    }
}

/// The reason stays inside: the events know it, the wire has what the table says.
fn refused(answer: &bare::Answer, events: &[Event]) -> Result<Answer, Odd> {
    let refusals: Vec<Refusal> = events.iter().filter_map(refusal).collect();
    match refusals[..] {
        [] if answer.status.as_u16() == 503 => Ok(Answer::Unavailable),
        [one]
            if (answer.status, answer.error().as_deref())
                == (one.wire().status, Some(one.wire().code.as_str())) =>
        {
            Ok(Answer::Refused(one))
        }
        _ => Err(format!("{} {} ({refusals:?})", answer.status, answer.text())),
    }
}

/// Of refusals that people see, the page is all that there is to be compared.
fn page_of(expected: &Answer, title: &str, advice: &str, is: impl Fn(&Page) -> bool) -> Result<Answer, Odd> {
    if let Answer::Refused(refusal) = expected
        && is(&Page::from(*refusal))
    {
        return Ok(Answer::Refused(*refusal));
    }
    Err(format!("a page: {title} {advice}"))
}

fn denied(location: &str) -> Result<Answer, Odd> {
    let begins = location.starts_with(&format!("{CALLBACK}?error=access_denied&"));
    let ends = location.ends_with("&state=xyz&iss=https%3A%2F%2Fas.example");
    if begins && ends { Ok(Answer::Taken) } else { Err(format!("on to {location}")) }
}

fn introspected(told: &Value) -> Result<Answer, Odd> {
    if *told == json!({"active": false}) {
        return Ok(Answer::Inactive);
    }
    let good = told["active"] == true && told["sub"] == "usr_ada" && told["aud"] == RESOURCE;
    match (told["scope"].as_str(), told["exp"].as_i64()) {
        (Some(scope), Some(expires)) if good => Ok(Answer::Active { scope: known_scope(scope)?, expires }),
        _ => Err(told.to_string()),
    }
}

/// It says nothing of when the token ends.
fn userinfo(told: &Value, expected: &Answer) -> Result<Answer, Odd> {
    let expires = if let Answer::Active { expires, .. } = expected { *expires } else { i64::MAX };
    match told["scope"].as_str() {
        Some(scope) => Ok(Answer::Active { scope: known_scope(scope)?, expires }),
        None => Err(told.to_string()),
    }
}

fn known_scope(scope: &str) -> Result<&'static str, Odd> {
    let known = ["read write", "read"].into_iter().find(|known| *known == scope);
    known.ok_or_else(|| format!("something for {scope:?}"))
}

pub(super) fn name_of(event: &Event) -> String {
    format!("{event:?}").chars().take_while(|character| character.is_alphanumeric()).collect()
}

fn refusal(event: &Event) -> Option<Refusal> {
    if let Event::Refused { refusal, .. } = event { Some(*refusal) } else { None }
}
