//! What is to be seen of a name that a stranger chose.

/// The name without characters that nobody sees or that turn the direction of what follows; `None` if nothing to see is left.
///
/// A name of them could pass for none, or rewrite the sentence that it stands in (Unicode Technical Report 36). Registration
/// refuses them; a name may be older than that, or come from somewhere else.
pub(crate) fn visible(name: &str) -> Option<String> {
    let shown: String = name.chars().filter(|character| !is_deceptive(*character)).collect();
    let shown = shown.trim();
    shown.chars().any(shows).then(|| shown.to_owned())
}

/// Joiners and variation selectors belong to many scripts and to emoji, and are nothing by themselves.
fn shows(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Control characters, `Default_Ignorable_Code_Point` but for what [`shows`] names, what turns the direction (`Bidi_Control`), what
/// breaks the line, and blanks that count as letters.
fn is_deceptive(character: char) -> bool {
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
