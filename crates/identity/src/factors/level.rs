//! How strongly somebody has proved who they are: what `acr_values` asks for (OpenID Connect Core section 3.1.2.1, RFC 9470) and `amr`
//! says (RFC 8176).

use oauth_types::Acr;

/// How strongly. The later ones are as good as the earlier ones, and better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// By one factor.
    One,
    /// By two factors.
    Two,
    /// By something that cannot be given away on a false page (OpenID Extended Authentication Profile ACR Values, section 2).
    Phishproof,
}

impl Level {
    /// As `acr` has it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::One => "1fa",
            Self::Two => "mfa",
            Self::Phishproof => "phr",
        }
    }

    /// The same, for whoever asks.
    pub(crate) fn acr(self) -> Option<Acr> {
        Acr::parse(self.as_str()).ok()
    }

    /// All of them, as `acr` has them.
    pub(crate) fn all() -> Vec<Acr> {
        [Self::One, Self::Two, Self::Phishproof].into_iter().filter_map(Self::acr).collect()
    }

    /// The level of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::One, Self::Two, Self::Phishproof].into_iter().find(|level| level.as_str() == name)
    }

    /// What has been reached by these methods.
    pub(crate) fn of(amr: &[String]) -> Self {
        let has = |method: &str| amr.iter().any(|one| one == method);
        match (has(POSSESSION), has(SEVERAL)) {
            (true, _) => Self::Phishproof,
            (false, true) => Self::Two,
            (false, false) => Self::One,
        }
    }

    /// What is asked for at least: any one of `acr_values` will do, and those that mean nothing here are left out (section 5.5.1.1).
    pub(crate) fn asked<T: AsRef<str>>(acr_values: &[T]) -> Option<Self> {
        acr_values.iter().filter_map(|value| Self::named(value.as_ref())).min()
    }
}

/// These methods and those, each once.
pub(crate) fn with(mut amr: Vec<String>, more: &[&str]) -> Vec<String> {
    for method in more {
        if !amr.iter().any(|known| known == method) {
            amr.push((*method).to_owned());
        }
    }
    amr
}

/// A password.
pub(crate) const PASSWORD: &str = "pwd";
/// A code that is good once.
pub(crate) const CODE: &str = "otp";
/// A key that does not leave its device: a passkey.
pub(crate) const POSSESSION: &str = "pop";
/// More than one of them, or a passkey that has looked who is there.
pub(crate) const SEVERAL: &str = "mfa";

#[cfg(test)]
mod tests {
    use super::*;

    fn level(amr: &[&str]) -> Level {
        Level::of(&amr.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn two_are_more_than_one_and_a_passkey_is_more_than_a_code() {
        assert_eq!(level(&[]), Level::One);
        assert_eq!(level(&[PASSWORD]), Level::One);
        assert_eq!(level(&[PASSWORD, CODE, SEVERAL]), Level::Two);
        assert_eq!(level(&[POSSESSION, SEVERAL]), Level::Phishproof);
        assert!(Level::One < Level::Two && Level::Two < Level::Phishproof);
    }

    #[test]
    fn the_least_of_what_will_do_is_asked_for() {
        let asked =
            |values: &[&str]| Level::asked(&values.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&["urn:else"]), None);
        assert_eq!(asked(&["phr", "urn:else"]), Some(Level::Phishproof));
        assert_eq!(asked(&["phr", "mfa"]), Some(Level::Two));
    }
}
