//! Which language somebody is spoken to in.

use http::{HeaderMap, header};

use crate::texts::{self, Texts};

/// Makes [`Language`] of the list of its variants, each with the module of its texts.
macro_rules! languages {
    ($($(#[$said:meta])* $name:ident = $module:ident,)+) => {
        /// A language that there are texts in.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum Language {
            $($(#[$said])* $name,)+
        }

        impl Language {
            /// All that there are.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What is said in it.
            pub(crate) const fn texts(self) -> &'static Texts {
                match self {
                    $(Self::$name => &texts::$module::TEXTS,)+
                }
            }
        }
    };
}

languages! {
    /// English, for everybody who asks for nothing that there is.
    #[default]
    English = english,
    /// German.
    German = german,
}

impl Language {
    /// The one that a browser likes best of those that there are (`Accept-Language`, RFC 9110 section 12.5.4).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(',')).take(MANY);
        let mut best = (0, Self::default());
        for range in ranges {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            if let Some(language) = Self::tagged(tag.trim())
                && let weight = thousandths(weight)
                && weight > best.0
            {
                best = (weight, language);
            }
        }
        best.1
    }

    /// Its tag (RFC 5646), as `lang` has it.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        self.texts().tag
    }

    /// Which way it is written, as `dir` has it.
    #[must_use]
    pub const fn direction(self) -> &'static str {
        self.texts().direction
    }

    fn tagged(range: &str) -> Option<Self> {
        let primary = range.split('-').next().unwrap_or_default();
        Self::ALL.iter().copied().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }
}

/// Whoever lists more languages is looked at no further.
const MANY: usize = 20;

/// `q=0.8` is 800; what cannot be read is nothing.
fn thousandths(weight: &str) -> u32 {
    let number = weight.trim().strip_prefix("q=").unwrap_or_default();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let thousandths = format!("{part:0<3}");
    match (whole, part.len() <= 3, thousandths.parse::<u32>()) {
        ("1", true, Ok(0)) => 1000,
        ("0", true, Ok(thousandths)) => thousandths,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_language_that_there_is() {
        for (accepted, language) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-AT,de;q=0.9,en;q=0.8", Language::German),
            ("en-GB,de;q=0.9", Language::English),
            ("fr, de;q=0.5, en;q=0.4", Language::German),
            ("de;q=0.4, en;q=0.5", Language::English),
            ("de;q=0", Language::English),
            ("fr;q=1.0", Language::English),
            ("DE;q=x, en;q=0.001", Language::English),
            ("dext", Language::English),
        ] {
            let headers = [(header::ACCEPT_LANGUAGE, accepted.parse().unwrap())].into_iter().collect();
            assert_eq!(Language::of(&headers), language, "{accepted}");
        }
    }
}
