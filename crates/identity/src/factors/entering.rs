//! The second step of a log-in, one more step of a session that is not strong enough, and a log-in by passkey alone.

use authz_core::{AccountEvent, Factor, Limit, LogInRefusal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Account, Passkey, PersonId};

use super::level::{CODE, Level, PASSWORD, POSSESSION, SEVERAL, with};
use super::recovery;
use super::sealed::{Ceremony, Vault};
use super::totp::Code;
use super::webauthn::{Assertion, Credential, Expected};
use crate::entry::Entered;
use crate::identity::Identity;
use crate::people::{NotTaken, Openings, Unchanged};
use crate::refused::Refused;
use crate::session::Proof;
use crate::visit::Visit;

/// What somebody shows in the second step.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// A code: of the app, or for recovery.
    Code(&'a str),
    /// What the script brought.
    Passkey(Answer<'a>),
}

/// What a passkey has answered, and the question.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) credential: &'a str,
    pub(crate) challenge: &'a str,
}

/// Who stands at the second step, and what they have shown so far.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) account: Account,
    amr: Vec<String>,
    openings: Openings,
}

/// Why the answer of a passkey is not taken.
#[derive(Debug)]
enum PasskeyRefused {
    /// It is none of this person's.
    Of(PersonId),
    /// Nobody knows whose it is.
    Nobodys,
    /// It could not be looked at.
    Refused(Refused),
}

impl PasskeyRefused {
    fn of(person: Option<PersonId>) -> Self {
        person.map_or(Self::Nobodys, Self::Of)
    }
}

impl From<Refused> for PasskeyRefused {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Identity {
    /// What keeps the secrets of second factors. Without it, whoever has a second factor cannot log in: it is never left out.
    pub(super) fn vault(&self) -> Result<&Vault, Refused> {
        self.vault.as_deref().ok_or_else(|| {
            tracing::error!(
                "an account has a second factor, and this server was built without what reads them"
            );
            Refused::Unavailable
        })
    }

    /// The first step of a log-in of somebody with a second factor, who has shown their password: a text for their browser.
    pub(crate) async fn first_step(&self, visit: &Visit<'_>, account: &Account) -> Result<String, Refused> {
        let person = &account.person;
        if !self.pages.sessions.may_begin(person).await? {
            let why = LogInRefusal::Blocked;
            self.tell(visit, AccountEvent::LogInRefused { person: Some(person.clone()), why });
            return Err(Refused::Wrong);
        }
        self.vault()?.first_step(account).ok_or(Refused::Unavailable)
    }

    /// Who stands at the second step: by the first one, or by a session that somebody wants to be stronger.
    pub(crate) async fn waiting(&self, visit: &Visit<'_>) -> Result<Waiting, Refused> {
        let text = self.pages.cookies.first_step(visit.headers);
        if let (Some(text), Some(vault)) = (text, &self.vault)
            && let Some(step) = vault.read_first_step(&text)
            && let Some(account) = self.accounts.account(&step.person).await?
            && step.is_of(&account)
        {
            return Ok(Waiting { account, amr: vec![PASSWORD.to_owned()], openings: step.openings });
        }
        let session = self.pages.logged_in(visit.headers).await?.ok_or(Refused::StartAgain)?;
        let account = self.accounts.account(&session.authentication.person).await?;
        let account = account.ok_or(Refused::StartAgain)?;
        Ok(Waiting { account, amr: session.amr, openings: session.openings })
    }

    /// Takes the second step.
    pub(crate) async fn second(&self, visit: &Visit<'_>, given: Given<'_>) -> Result<Entered, Refused> {
        let Waiting { account, amr, openings } = self.waiting(visit).await?;
        let person = account.person.clone();
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let (taken, factor) = match given {
            Given::Code(typed) => {
                self.count_code(visit, &person).await?;
                let factor = if Code::parse(typed).is_some() { Factor::Totp } else { Factor::Recovery };
                (self.take_code(&person, openings, typed).await?, factor)
            }
            Given::Passkey(answer) => {
                let taken = match self.take_passkey(Some((&person, openings)), answer, Ceremony::Second).await
                {
                    Ok(account) => Some(account),
                    Err(PasskeyRefused::Of(_) | PasskeyRefused::Nobodys) => None,
                    Err(PasskeyRefused::Refused(refused)) => return Err(refused),
                };
                (taken, Factor::Passkey)
            }
        };
        let Some(account) = taken else {
            self.tell(visit, AccountEvent::SecondFactorRefused { person, factor });
            return Err(match given {
                Given::Code(_) => Refused::WrongCode,
                Given::Passkey(_) => Refused::WrongPasskey,
            });
        };
        let method = match factor {
            Factor::Passkey => POSSESSION,
            Factor::Totp | Factor::Recovery | _ => CODE,
        };
        let entered = self.enter_by(visit, account, with(amr, &[method, SEVERAL]), factor).await?;
        self.forget_code_tries(visit, &entered.account.person).await;
        self.forget_password_tries(visit, &entered.account.email).await;
        if factor == Factor::Recovery
            && let Some(desk) = self.desk(visit)
        {
            desk.factors_changed(&entered.account, entered.begun.authentication.auth_time);
        }
        Ok(entered)
    }

    /// Logs in by a passkey, and nothing else.
    pub(crate) async fn log_in_by_passkey(
        &self,
        visit: &Visit<'_>,
        answer: Answer<'_>,
    ) -> Result<Entered, Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        match self.take_passkey(None, answer, Ceremony::Alone).await {
            Ok(account) => {
                let amr = with(Vec::new(), &[POSSESSION, SEVERAL]);
                self.enter_by(visit, account, amr, Factor::Passkey).await
            }
            Err(PasskeyRefused::Of(person)) => {
                self.tell(visit, AccountEvent::SecondFactorRefused { person, factor: Factor::Passkey });
                Err(Refused::WrongPasskey)
            }
            Err(PasskeyRefused::Nobodys) => {
                let why = LogInRefusal::Unknown;
                self.tell(visit, AccountEvent::LogInRefused { person: None, why });
                Err(Refused::WrongPasskey)
            }
            Err(PasskeyRefused::Refused(refused)) => Err(refused),
        }
    }

    async fn enter_by(
        &self,
        visit: &Visit<'_>,
        account: Account,
        amr: Vec<String>,
        factor: Factor,
    ) -> Result<Entered, Refused> {
        let person = account.person.clone();
        self.tell(visit, AccountEvent::SecondFactorUsed { person: person.clone(), factor });
        let acr = Some(Level::of(&amr).as_str().to_owned());
        let account_epoch = account.epoch;
        let proof = Proof { person: person.clone(), amr, acr, device: visit.device(), account_epoch };
        let Some(begun) = self.begin(visit, &proof).await? else {
            let why = LogInRefusal::Blocked;
            self.tell(visit, AccountEvent::LogInRefused { person: Some(person), why });
            return Err(match factor {
                Factor::Passkey => Refused::WrongPasskey,
                Factor::Totp | Factor::Recovery | _ => Refused::Wrong,
            });
        };
        Ok(self.entered(visit, account, begun))
    }

    /// Takes a code, once: of two who show the same one, the store lets one write.
    pub(crate) async fn take_code(
        &self,
        person: &PersonId,
        openings: Openings,
        typed: &str,
    ) -> Result<Option<Account>, Refused> {
        let vault = self.vault()?;
        let now = vault.clock.now();
        let taken = self.accounts.use_factor(person, Some(openings), |factors| {
            let Some(code) = Code::parse(typed) else {
                let digest = recovery::digest_of(person, typed);
                let at = factors.recovery.iter().position(|kept| kept.is(&digest)).ok_or(NotTaken)?;
                factors.recovery.remove(at);
                return Ok(());
            };
            let totp = factors.totp.as_mut().filter(|totp| totp.confirmed.is_some()).ok_or(NotTaken)?;
            let secret = vault.open_totp(person, &totp.sealed).ok_or(NotTaken)?;
            totp.last_step = secret.step_of(code, now, totp.last_step).ok_or(NotTaken)?;
            Ok(())
        });
        Ok(taken.await?.ok().map(|taken| taken.now))
    }

    /// Takes the answer of a passkey: of whoever waits for the second step, or of whom it says.
    async fn take_passkey(
        &self,
        waiting: Option<(&PersonId, Openings)>,
        Answer { credential, challenge }: Answer<'_>,
        ceremony: Ceremony,
    ) -> Result<Account, PasskeyRefused> {
        let person = waiting.map(|(person, _)| person);
        let Ok(answer) = serde_json::from_str::<Assertion>(credential) else {
            return Err(PasskeyRefused::of(person.cloned()));
        };
        let claimed = answer.user.as_deref().and_then(owner);
        let person = match (person, claimed) {
            (Some(person), Some(claimed)) if *person != claimed => {
                return Err(PasskeyRefused::Of(person.clone()));
            }
            (Some(person), _) => person.clone(),
            (None, Some(claimed)) => claimed,
            (None, None) => return Err(PasskeyRefused::Nobodys),
        };
        let Some((vault, rp)) = self.passkeys() else { return Err(PasskeyRefused::Of(person)) };
        let asked = vault.take(challenge, ceremony).await.map_err(Refused::from)?;
        let Some(asked) = asked.filter(|asked| asked.person.as_ref().is_none_or(|asked| *asked == person))
        else {
            return Err(PasskeyRefused::Of(person));
        };
        let expected = Expected {
            rp,
            origin: self.pages.origin.as_str(),
            challenge: asked.bytes(),
            verified: ceremony == Ceremony::Alone,
        };
        let now = vault.clock.now();
        let openings = waiting.map(|(_, openings)| openings);
        let taken = self.accounts.use_factor(&person, openings, |factors| {
            let passkey = factors.passkeys.iter_mut().find(|passkey| passkey.id == answer.id);
            let passkey: &mut Passkey = passkey.ok_or(NotTaken)?;
            let known: Credential =
                serde_json::from_value(passkey.credential.clone()).map_err(|_| NotTaken)?;
            let shown = answer.check(&expected, &known).map_err(|error| {
                tracing::info!(%error, %person, "a passkey is refused");
                NotTaken
            })?;
            passkey.credential = serde_json::to_value(&shown.credential).map_err(|_| NotTaken)?;
            passkey.used = Some(now);
            Ok(())
        });
        match taken.await.map_err(Refused::from)? {
            Ok(taken) => Ok(taken.now),
            Err(Unchanged::Refused(NotTaken)) => Err(PasskeyRefused::Of(person.clone())),
            // Whoever made this up has nobody's account.
            Err(Unchanged::ShutOut | Unchanged::EmailTaken) => Err(PasskeyRefused::Nobodys),
        }
    }
}

/// Who a passkey belongs to, as it says itself.
fn owner(handle: &str) -> Option<PersonId> {
    let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
    PersonId::parse(str::from_utf8(&bytes).ok()?).ok()
}
