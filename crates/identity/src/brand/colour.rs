//! A colour, and what becomes of it so that everybody can read what is written in it or on it.

use std::fmt;

use thiserror::Error;

/// A colour, `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// Not a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a colour is a number sign and six hexadecimal digits")]
pub struct NotAColour;

/// What the stylesheet has in one scheme, and a colour is held against.
struct Scheme {
    card: Colour,
    ground: Colour,
    /// Which way to go for more contrast.
    away: Colour,
}

const WHITE: Colour = Colour([255; 3]);
const BLACK: Colour = Colour([0; 3]);
const LIGHT: Scheme = Scheme { card: WHITE, ground: Colour([0xf3, 0xf4, 0xf8]), away: BLACK };
const DARK: Scheme =
    Scheme { card: Colour([0x19, 0x1b, 0x26]), ground: Colour([0x10, 0x11, 0x19]), away: WHITE };
/// WCAG 2.2, success criterion 1.4.3, for text.
const TEXT: f64 = 4.5;
/// WCAG 2.2, success criterion 1.4.11, for what is not text.
const SHAPE: f64 = 3.0;
/// In how many steps a colour goes to black or to white.
const STEPS: u16 = 64;
/// How many of them a button goes that a pointer is over.
const HOVER: u16 = 8;

impl Colour {
    /// Reads `#rrggbb`.
    ///
    /// # Errors
    ///
    /// [`NotAColour`].
    pub fn parse(text: &str) -> Result<Self, NotAColour> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(NotAColour)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAColour);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| NotAColour)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }

    /// The rules that give the pages this colour, in light and in dark: made darker or lighter as far as WCAG 2.2 AA needs.
    pub(crate) fn rules(self) -> String {
        let (light, dark) = (self.declarations(&LIGHT), self.declarations(&DARK));
        format!("\n:root {{\n{light}}}\n\n@media (prefers-color-scheme: dark) {{\n:root {{\n{dark}}}\n}}\n")
    }

    fn declarations(self, scheme: &Scheme) -> String {
        let accent = self.until(scheme.away, |it| it.contrast(scheme.card) >= SHAPE);
        let link =
            self.until(scheme.away, |it| it.contrast(scheme.card).min(it.contrast(scheme.ground)) >= TEXT);
        // One of the two always is enough: their contrasts multiply to 21.
        let on_accent = if accent.contrast(WHITE) >= TEXT { WHITE } else { BLACK };
        let strong = accent.toward(if on_accent == WHITE { BLACK } else { WHITE }, HOVER);
        format!(
            "  --accent: {accent};\n  --accent-strong: {strong};\n  --on-accent: {on_accent};\n  --link: {link};\n  --note-edge: {link};\n"
        )
    }

    fn until(self, away: Self, enough: impl Fn(Self) -> bool) -> Self {
        (0..STEPS).map(|steps| self.toward(away, steps)).find(|colour| enough(*colour)).unwrap_or(away)
    }

    fn toward(self, other: Self, steps: u16) -> Self {
        let mut mixed = self.0;
        for (own, other) in mixed.iter_mut().zip(other.0) {
            let part = u16::from(*own) * (STEPS - steps) + u16::from(other) * steps;
            *own = u8::try_from(part / STEPS).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }

    /// WCAG 2.2, "contrast ratio".
    fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let part = f64::from(channel) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_reads_back() {
        assert_eq!(Colour::parse("#4A4fc4").map(|it| it.to_string()).as_deref(), Ok("#4a4fc4"));
        for text in ["", "4a4fc4", "#4a4fc", "#4a4fc4f", "#+a4fc4", "red", "#4a4fcé"] {
            assert_eq!(Colour::parse(text), Err(NotAColour), "{text}");
        }
    }

    #[test]
    fn a_colour_that_is_good_enough_stays() {
        let rules = Colour::parse("#4a4fc4").unwrap().rules();
        assert!(rules.contains("--accent: #4a4fc4") && rules.contains("--link: #4a4fc4"), "{rules}");
    }
}
