//! How the pages look like somebody's own: a name, a logo, a colour.

mod colour;
mod logo;

use oauth_types::visible;
use thiserror::Error;

pub use self::colour::{Colour, NotAColour};
pub use self::logo::{Logo, NotALogo};

/// What an operator gives to the pages. Without any of it they are Portcullis's own, under the host of the issuer.
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// What the operator is called. The host of the issuer is shown beside it.
    pub name: Option<BrandName>,
    /// Shown above each page, and as the icon of its tab.
    pub logo: Option<Logo>,
    /// For buttons, links and what has the focus.
    pub colour: Option<Colour>,
}

/// What an operator is called: 1 to 60 characters that can be seen, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandName(String);

/// Not a name of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a name has 1 to 60 characters that can be seen, in one line")]
pub struct NotABrandName;

impl BrandName {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`NotABrandName`].
    pub fn parse(text: &str) -> Result<Self, NotABrandName> {
        match visible(text) {
            Some(seen) if seen == text && text.chars().count() <= LONGEST_NAME => Ok(Self(seen)),
            Some(_) | None => Err(NotABrandName),
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const LONGEST_NAME: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_people_see_of_it() {
        assert_eq!(BrandName::parse("Widget Works").unwrap().as_str(), "Widget Works");
        for text in ["", " ", "a\nb", "a\u{202e}b", &"x".repeat(61)] {
            assert_eq!(BrandName::parse(text), Err(NotABrandName), "{text:?}");
        }
    }
}
