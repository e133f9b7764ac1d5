//! The passwords that anybody would try first.

/// Whether a password is one of the commonest, or is one but for its case, for digits and marks around it, or for digits and
/// marks that stand for letters (NIST SP 800-63B section 3.1.1.2: a list of commonly used values, and repetitive or sequential
/// characters).
pub(crate) fn is_common(typed: &str) -> bool {
    let lower = typed.to_lowercase();
    let bare = lower.trim_matches(|c: char| !c.is_alphabetic());
    let spelt = spelt_out(&lower);
    let spelt_bare = spelt.trim_matches(|c: char| !c.is_alphabetic());
    let trimmed_first = spelt_out(bare);
    let forms = [&*lower, bare, &*spelt, spelt_bare, &*trimmed_first];
    forms.into_iter().any(|form| is_listed(form) || is_sequence(form) || is_repetition(form))
        || lower.chars().all(|c| c.is_ascii_digit()) && lower.len() <= MOST_DIGITS
}

/// Whether a password says no more than an address does: it is the address, or what stands before its `@`, with perhaps digits
/// and marks around it.
pub(crate) fn is_told_by(typed: &str, email: &str) -> bool {
    let lower = typed.to_lowercase();
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let host = domain.split('.').next().unwrap_or_default();
    let bare = lower.trim_matches(|c: char| !c.is_alphabetic());
    let plain = local.trim_matches(|c: char| !c.is_alphabetic());
    [email, local, domain].contains(&&*lower) || (!bare.is_empty() && [plain, host].contains(&bare))
}

/// One lower-case word a line, sorted: words, names and places of several languages, and what people make of them first.
const LIST: &str = include_str!("../assets/common_passwords.txt");

/// What runs along a keyboard, an alphabet or a row of numbers.
const ROWS: [&str; 11] = [
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "qwertzuiopü",
    "azertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "qazwsxedcrfvtgbyhnujm",
    "qwertyuiopasdfghjklzxcvbnm",
];

/// Numbers of up to so many digits are dates, telephone numbers and the like.
const MOST_DIGITS: usize = 12;
/// Whoever repeats something that is no longer has chosen no more than that.
const LONGEST_UNIT: usize = 4;

/// The list is read from end to end: half a millisecond at most, once for each password that somebody chooses.
fn is_listed(word: &str) -> bool {
    !word.is_empty() && LIST.lines().any(|line| line == word)
}

fn is_sequence(word: &str) -> bool {
    const SHORTEST: usize = 4;
    let backwards: String = word.chars().rev().collect();
    word.chars().count() >= SHORTEST
        && ROWS.iter().any(|row| {
            let twice = format!("{row}{row}");
            twice.contains(word) || twice.contains(&backwards)
        })
}

fn is_repetition(word: &str) -> bool {
    let all: Vec<char> = word.chars().collect();
    let mut units = 1..=LONGEST_UNIT.min(all.len() / 2);
    all.len() >= LONGEST_UNIT
        && units.any(|unit| all.iter().zip(all.iter().skip(unit)).all(|(one, next)| one == next))
}

/// `p4$$w0rd` is `password`.
fn spelt_out(word: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        other => other,
    };
    word.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_in_lower_case() {
        let words: Vec<&str> = LIST.lines().collect();
        assert!(words.is_sorted_by(|one, next| one < next));
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())));
        assert!(words.len() > 2000, "{}", words.len());
    }

    #[test]
    fn what_everybody_would_try_is_common() {
        for typed in [
            "password123",
            "PassWord2024!",
            "P@ssw0rd1234",
            "p4$$w0rd!!!",
            "1234567890",
            "0987654321",
            "123456789012",
            "qwertyuiop",
            "Qwertyuiop123",
            "1q2w3e4r5t",
            "aaaaaaaaaa",
            "abcabcabcabc",
            "iloveyou2024",
            "Michael1985!",
            "Liverpool#1!",
            "2024Sommer!!",
            "administrator",
            "letmeinnow1",
            "passwordpassword",
            "19850412850",
        ] {
            assert!(is_common(typed), "{typed}");
        }
    }

    #[test]
    fn a_few_words_of_ones_own_are_not() {
        for typed in [
            "correct horse battery",
            "an otter in my kettle",
            "Zwölf Boxkämpfer jagen",
            "tQ7#mVx!2pLw",
            "837465910284756",
            "grünkohl mit pinkel",
            "michael likes cheese",
        ] {
            assert!(!is_common(typed), "{typed}");
        }
    }

    #[test]
    fn an_address_is_no_password_of_its_owner() {
        for typed in ["ada.lovelace@example.com", "Ada.Lovelace", "ada.lovelace1815", "1815ADA.LOVELACE!"] {
            assert!(is_told_by(typed, "ada.lovelace@example.com"), "{typed}");
        }
        assert!(is_told_by("Widgetworks2024", "ada@widgetworks.example"));
        assert!(!is_told_by("an otter in my kettle", "ada@example.com"));
        assert!(!is_told_by("1234567890", "12@34.example"));
    }
}
