//! What is set about accounts and letters.

use std::ffi::OsString;

use authz_core::{Lifetime, OutOfBounds};
use identity::{AccountPolicy, Cost, Domain, PolicyError, Sender, SignUp, SmtpUrl};

use super::error::{ConfigError, Fault};
use super::parse::{between, setting};
use super::{MailKind, Settings, secret};

pub(super) fn policy(settings: &Settings, mail: &MailKind) -> Result<AccountPolicy, ConfigError> {
    let sign_up = setting("sign_up", settings.sign_up.as_ref());
    let verified = setting("require_verified_email", settings.require_verified_email.as_ref());
    let length = setting("password_length", settings.password_length.as_ref());
    let cost = setting("password_cost", settings.password_cost.as_ref());
    let idle = setting("session_idle_lifetime", settings.session_idle_lifetime.as_ref());
    let total = setting("session_lifetime", settings.session_lifetime.as_ref());

    let (has_mail, has_server) = match mail {
        MailKind::Off => (false, false),
        MailKind::Terminal | MailKind::Folder => (true, false),
        MailKind::Smtp { .. } => (true, true),
    };
    let mut policy = AccountPolicy::default();
    policy.sign_up = sign_up.read(who)?.unwrap_or(policy.sign_up);
    policy.require_verified_email = verified.switch()?.unwrap_or(has_server);
    policy.password_length =
        length.read(|text| text.parse().map_err(|_| Fault::Number))?.unwrap_or(policy.password_length);
    policy.cost = cost.read(hash)?.unwrap_or(policy.cost);
    policy.session_total = total.read(session)?.unwrap_or(policy.session_total);
    let idle_by_default = policy.session_idle.min(policy.session_total);
    policy.session_idle = idle.read(session)?.unwrap_or(idle_by_default);

    policy.check(has_mail).map(|()| policy).map_err(|error| {
        let wrong = match &error {
            PolicyError::Lifetime(OutOfBounds { setting: "session_total", .. }) => {
                if idle.is_given() {
                    idle
                } else {
                    total
                }
            }
            PolicyError::Lifetime(_) => idle,
            PolicyError::PasswordLength { .. } => length,
            PolicyError::NeedsMail { setting: "sign_up" } => sign_up,
            PolicyError::NeedsMail { .. } | _ => verified,
        };
        wrong.error(error.into())
    })
}

pub(super) fn mail(
    settings: &Settings,
    look_up: &dyn Fn(&str) -> Option<OsString>,
) -> Result<MailKind, ConfigError> {
    let kind = setting("mail", settings.mail.as_ref());
    let from = setting("mail_from", settings.mail_from.as_ref());
    let file = setting("smtp_url_file", settings.smtp_url_file.as_ref());
    file.read(|text| Ok(text.to_owned()))?;
    let url = secret::read("smtp_url", "smtp_url_file", settings.smtp_url_file.as_ref(), look_up, |text| {
        Ok(SmtpUrl::parse(text)?)
    })?;
    let sender = from.read(|text| Ok(Sender::parse(text)?))?;
    let known = &["smtp", "folder", "terminal", "off"];
    let chosen = kind.choose(known, [Delivery::Smtp, Delivery::Folder, Delivery::Terminal, Delivery::Off])?;
    let by_default = if url.is_some() { Delivery::Smtp } else { Delivery::Off };
    Ok(match chosen.unwrap_or(by_default) {
        Delivery::Off => MailKind::Off,
        Delivery::Terminal => MailKind::Terminal,
        Delivery::Folder => MailKind::Folder,
        Delivery::Smtp => MailKind::Smtp {
            url: url.ok_or_else(|| kind.error(Fault::MailNeeds("PORTCULLIS_SMTP_URL")))?,
            from: sender.ok_or_else(|| from.error(Fault::MailNeeds("an address to be from")))?,
        },
    })
}

#[derive(Clone, Copy)]
enum Delivery {
    Smtp,
    Folder,
    Terminal,
    Off,
}

fn who(text: &str) -> Result<SignUp, Fault> {
    match text {
        "open" => Ok(SignUp::Open),
        "closed" => Ok(SignUp::Closed),
        "invited" => Ok(SignUp::Invited),
        domains => {
            let named = domains.split([' ', ',']).filter(|domain| !domain.is_empty());
            Ok(SignUp::Domains(named.map(Domain::parse).collect::<Result<_, _>>()?))
        }
    }
}

/// As a stored hash has them: `m=19456,t=2,p=1`. Less memory than the least that the OWASP cheat sheet recommends is refused.
fn hash(text: &str) -> Result<Cost, Fault> {
    let mut parts = text.split(',');
    let mut part = |name: &str, least: u32, most: u32| {
        let number = parts.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok()?;
        (least..=most).contains(&number).then_some(number)
    };
    let numbers = (part("m", 7168, 1 << 20), part("t", 1, 100), part("p", 1, 16));
    match (numbers, parts.next()) {
        ((Some(memory), Some(passes), Some(lanes)), None) => {
            Cost::new(memory, passes, lanes).map_err(|_| Fault::Cost)
        }
        _ => Err(Fault::Cost),
    }
}

fn session(text: &str) -> Result<Lifetime, Fault> {
    between(text, Lifetime::minutes(5), Lifetime::days(365))
}
