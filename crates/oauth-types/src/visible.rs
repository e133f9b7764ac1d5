//! What is to be seen of a name that a stranger chose (RFC 7591 section 5: it may pass for another one).

/// The name without what [`is_deceptive`] says, trimmed; `None` if nothing to see is left.
///
/// A name of nothing could pass for none, and others rewrite the sentence that they stand in (Unicode Technical Report 36).
#[must_use]
pub fn visible(name: &str) -> Option<String> {
    let shown: String = name.chars().filter(|character| !is_deceptive(*character)).collect();
    let shown = shown.trim();
    shown.chars().any(shows).then(|| shown.to_owned())
}

/// Whether a character has no place in a name: control characters, what nobody sees (`Default_Ignorable_Code_Point`, but for
/// joiners and variation selectors, which belong to many scripts and to emoji), what turns the direction (`Bidi_Control`),
/// what breaks the line, and blanks that count as letters.
#[must_use]
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Joiners and variation selectors are nothing by themselves.
fn shows(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_anything_to_see_is_none() {
        for name in [
            "",
            "  ",
            "\u{3164}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{200b}",
            "\u{200d}\u{200c}",
            "\u{61c}\u{202e}",
            "\u{2028}\u{2029}",
            "\u{feff}",
            "\u{e0041}\u{e007f}",
            "\u{ad}",
            "\u{2800}",
            "\u{fe0f}",
            "\u{a0}\u{3000}",
            "\n\0",
        ] {
            assert_eq!(visible(name), None, "{name:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_dropped_and_the_rest_stays() {
        assert_eq!(
            visible(" \u{202e}Note\u{200b}bo\u{e0041}ok\u{3164}\u{feff} ").as_deref(),
            Some("Notebook")
        );
        for name in ["Notebook", "李の道具", "می\u{200c}خواهم", "دفتر", "👩\u{200d}💻", "❤\u{fe0f} tools"]
        {
            assert_eq!(visible(name).as_deref(), Some(name));
        }
    }
}
