//! What letters say.

use secrecy::{ExposeSecret as _, SecretString};

use super::Letter;
use crate::email::Email;
use crate::language::Language;
use crate::texts::Letters;

/// What a letter is about. Whoever chooses a name or calls their browser something has no say in a letter to somebody else, so that
/// none of these can be made to carry advertisements or lures.
#[derive(Debug)]
pub(crate) enum About<'a> {
    /// Somebody signed up with this address; the link makes the account.
    SignUp { link: SecretString },
    /// Somebody has an account with this address, which is not confirmed.
    Verify { link: SecretString },
    /// Somebody signed up with this address, and there is an account.
    Already { log_in: &'a str, forgot: &'a str },
    /// Their owner asked for a new password.
    Reset { link: SecretString },
    /// There is a new password.
    PasswordChanged { device: String, forgot: &'a str },
    /// What it is opened by has changed, or a recovery code was used.
    FactorsChanged { device: String, link: SecretString },
    /// Somebody logged in from somewhere new.
    NewDevice { device: String, forgot: &'a str },
    /// Somebody wants this address for their account.
    ChangeEmail { link: SecretString },
    /// The account has this address now; the letter goes to the one before.
    EmailChanged { email: &'a Email, link: SecretString },
    /// An administrator has taken all second factors from it.
    FactorsReset { forgot: &'a str },
    /// An administrator has made an account; the link sets its first password.
    FirstPassword { link: SecretString },
    /// The account is no more.
    Deleted { device: String },
    /// Somebody is invited.
    Invitation { link: SecretString },
}

impl About<'_> {
    /// The letter to `to` about this, of the server that goes by `site`.
    pub(crate) fn letter(&self, language: Language, site: &str, to: &Email) -> Letter {
        let common = [("site", site), ("email", to.as_str())];
        let own: &[(&str, &str)] = match self {
            Self::SignUp { link }
            | Self::Verify { link }
            | Self::Reset { link }
            | Self::ChangeEmail { link }
            | Self::FirstPassword { link }
            | Self::Invitation { link } => &[("link", link.expose_secret())],
            Self::Already { log_in, forgot } => &[("log_in", log_in), ("forgot", forgot)],
            Self::PasswordChanged { device, forgot } | Self::NewDevice { device, forgot } => {
                &[("device", device), ("forgot", forgot)]
            }
            Self::FactorsChanged { device, link } => &[("device", device), ("link", link.expose_secret())],
            Self::Deleted { device } => &[("device", device)],
            Self::EmailChanged { email, link } => {
                &[("email", email.as_str()), ("link", link.expose_secret())]
            }
            Self::FactorsReset { forgot } => &[("forgot", forgot)],
        };
        let value = |name: &str| {
            let known = own.iter().chain(&common).find(|(known, _)| *known == name);
            known.map_or("", |(_, value)| *value)
        };
        let (subject, text) = self.template(&language.texts().letters).split_once("\n\n").unwrap_or_default();
        let subject = subject.strip_prefix("Subject: ").unwrap_or(subject);
        Letter { to: to.clone(), subject: filled(subject, &value), text: filled(text, &value) }
    }

    const fn template(&self, letters: &Letters) -> &'static str {
        match self {
            Self::SignUp { .. } => letters.sign_up,
            Self::Verify { .. } => letters.verify,
            Self::Already { .. } => letters.already,
            Self::Reset { .. } => letters.reset,
            Self::PasswordChanged { .. } => letters.password_changed,
            Self::FactorsChanged { .. } => letters.factors_changed,
            Self::NewDevice { .. } => letters.new_device,
            Self::ChangeEmail { .. } => letters.change_email,
            Self::EmailChanged { .. } => letters.email_changed,
            Self::FactorsReset { .. } => letters.factors_reset,
            Self::FirstPassword { .. } => letters.first_password,
            Self::Deleted { .. } => letters.deleted,
            Self::Invitation { .. } => letters.invitation,
        }
    }
}

/// Each `{name}` replaced by its value, once: braces in a value are text.
fn filled<'v>(template: &str, value: &impl Fn(&str) -> &'v str) -> String {
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        text.push_str(value(name));
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_letter() -> Vec<Letter> {
        let (to, other) =
            (Email::parse("{link}@example.com").unwrap(), Email::parse("new@example.com").unwrap());
        let link = || SecretString::from("https://as.example/verify?ticket=tkt_x");
        let device = || "Firefox on Linux".to_owned();
        let (log_in, forgot) = ("https://as.example/login", "https://as.example/forgot");
        let all = [
            About::SignUp { link: link() },
            About::Verify { link: link() },
            About::Already { log_in, forgot },
            About::Reset { link: link() },
            About::PasswordChanged { device: device(), forgot },
            About::FactorsChanged { device: device(), link: link() },
            About::NewDevice { device: device(), forgot },
            About::ChangeEmail { link: link() },
            About::EmailChanged { email: &other, link: link() },
            About::FactorsReset { forgot },
            About::FirstPassword { link: link() },
            About::Deleted { device: device() },
            About::Invitation { link: link() },
        ];
        let of = |language: &Language| all.each_ref().map(|about| about.letter(*language, "as.example", &to));
        Language::ALL.iter().flat_map(of).collect()
    }

    #[test]
    fn every_letter_is_filled_in_and_says_whose_it_is() {
        for Letter { subject, text, .. } in every_letter() {
            assert!(subject.contains("as.example") && !subject.contains(['{', '\n']), "{subject}");
            assert!(
                text.contains("as.example") && text.ends_with(".\n") | text.contains("https://"),
                "{text}"
            );
            let bare = text.replace("{link}@example.com", "x");
            assert!(!bare.contains(['{', '}']) && !bare.contains("  "), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
        }
    }

    #[test]
    fn a_letter_with_a_link_has_it_alone_in_a_line() {
        let links =
            every_letter().iter().map(|letter| letter.text.matches("\n\nhttps://").count()).sum::<usize>();
        assert_eq!(links, Language::ALL.len() * (1 + 1 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1));
    }

    #[test]
    fn the_log_sees_nothing_of_a_letter() {
        let letter = &every_letter()[0];
        let shown = format!(
            "{letter:?} {:?}",
            About::Verify { link: "https://as.example/verify?ticket=tkt_x".into() }
        );
        assert!(!shown.contains("tkt_") && !shown.contains("example.com"), "{shown}");
    }
}
