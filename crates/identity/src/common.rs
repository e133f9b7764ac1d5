//! The passwords that anybody would try first.

use std::sync::LazyLock;

/// Whether a password is one of the commonest, or a few steps from one: but for its case, for digits, marks and sequences around
/// it, for signs that stand for letters, or said twice; or whether it is no more than sequences, repetitions and a number (NIST SP
/// 800-63B section 3.1.1.2: a list of commonly used values, and repetitive or sequential characters).
pub(crate) fn is_common(typed: &str) -> bool {
    let lower = typed.to_lowercase();
    let unshifted: String = lower.chars().map(without_shift).collect();
    has_listed_core(&lower) || is_pattern(&lower) || is_pattern(&unshifted)
}

/// Whether a password says no more than an address does: it is the address, or what stands before its `@`, with perhaps digits
/// and marks around it.
pub(crate) fn is_told_by(typed: &str, email: &str) -> bool {
    let lower = typed.to_lowercase();
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let host = domain.split('.').next().unwrap_or_default();
    let bare = lower.trim_matches(is_no_letter);
    let plain = local.trim_matches(is_no_letter);
    [email, local, domain].contains(&&*lower) || (!bare.is_empty() && [plain, host].contains(&bare))
}

/// One a line, in lower case, sorted by bytes; `common_passwords.md` says where they are from.
const LIST: &str = include_str!("../assets/common_passwords.txt");

/// What runs along a keyboard, an alphabet or a row of numbers, round and round.
const ROWS: [&str; 12] = [
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
    "a1b2c3d4e5f6g7h8i9j0",
];

/// Characters of a sequence, or of one sign that is repeated.
const SHORTEST_RUN: usize = 3;
/// Whoever repeats something that is no longer has chosen no more than that.
const LONGEST_UNIT: usize = 4;
/// Numbers of up to so many digits are dates, telephone numbers and the like.
const MOST_DIGITS: usize = 12;
/// Initials, or a mark because there had to be one, are no choice either.
const MOST_LETTERS: usize = 3;
const MOST_MARKS: usize = 4;

fn is_listed(word: &str) -> bool {
    static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| LIST.lines().collect());
    WORDS.binary_search(&word).is_ok()
}

/// Digits, marks and runs are taken off before signs are read as letters: the `1` of `password1` is none, that of `f1refly` is.
fn has_listed_core(lower: &str) -> bool {
    let rest = without_runs(lower);
    [lower, said_once(lower), &rest].into_iter().any(|form| {
        let (start, end) = (form.trim_start_matches(is_no_letter), form.trim_end_matches(is_no_letter));
        let cores = [form, start, end, start.trim_end_matches(is_no_letter)];
        cores.into_iter().any(|core| is_listed(core) || is_listed(&spelt_out(core)))
    })
}

/// What is left without runs is a number, with a few letters before or behind it.
fn is_pattern(form: &str) -> bool {
    let rest = without_runs(form);
    let number = rest.trim_matches(char::is_alphabetic);
    let count = |is: fn(&char) -> bool| rest.chars().filter(is).count();
    !number.contains(char::is_alphabetic)
        && count(|c| c.is_alphabetic()) <= MOST_LETTERS
        && count(char::is_ascii_digit) <= MOST_DIGITS
        && count(|c| !c.is_alphanumeric()) <= MOST_MARKS
}

/// A text without its sequences and repetitions.
fn without_runs(text: &str) -> String {
    let mut rest = String::new();
    let mut left = text;
    while let Some(first) = left.chars().next() {
        match run_at_start(left) {
            0 => {
                rest.push(first);
                left = &left[first.len_utf8()..];
            }
            bytes => left = &left[bytes..],
        }
    }
    rest
}

/// How many bytes of the text are one run.
fn run_at_start(text: &str) -> usize {
    let ends = || text.char_indices().map(|(at, c)| at + c.len_utf8());
    let sequence = ends().take_while(|end| is_in_a_row(&text[..*end])).enumerate().last();
    let repeated = (1..=LONGEST_UNIT).filter_map(|unit| {
        let same = text.chars().zip(text.chars().skip(unit)).take_while(|(one, next)| one == next).count();
        // Once more than twice, or a word such as `banana` would be one.
        (same >= 2 * unit).then(|| ends().nth(same + unit - 1)).flatten()
    });
    let sequence = sequence.filter(|(last, _)| last + 1 >= SHORTEST_RUN).map(|(_, end)| end);
    sequence.into_iter().chain(repeated).max().unwrap_or_default()
}

fn is_in_a_row(text: &str) -> bool {
    static BOTH_WAYS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let round = ROWS.map(|row| row.repeat(2));
        let backwards = round.iter().map(|row| row.chars().rev().collect());
        backwards.chain(round.iter().cloned()).collect()
    });
    BOTH_WAYS.iter().any(|row| row.contains(text))
}

/// What a text says twice or more often, or the text.
fn said_once(text: &str) -> &str {
    let starts = text.char_indices().map(|(at, _)| at).skip(1).take_while(|at| at * 2 <= text.len());
    let mut units = starts.map(|at| &text[..at]).filter(|unit| text.len().is_multiple_of(unit.len()));
    units.find(|unit| text.replace(unit, "").is_empty()).unwrap_or(text)
}

fn is_no_letter(c: char) -> bool {
    !c.is_alphabetic()
}

/// The digit of a key that was pressed with Shift, in America.
fn without_shift(c: char) -> char {
    match c {
        '!' => '1',
        '@' => '2',
        '#' => '3',
        '$' => '4',
        '%' => '5',
        '^' => '6',
        '&' => '7',
        '*' => '8',
        '(' => '9',
        ')' => '0',
        other => other,
    }
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
    fn the_list_is_sorted_and_holds_what_can_be_asked_for() {
        let words: Vec<&str> = LIST.lines().collect();
        assert!(words.is_sorted_by(|one, next| one < next));
        for word in &words {
            let is_word = (4..10).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
            let is_password = (10..=32).contains(&word.len()) && word.is_ascii();
            assert!((is_word || is_password) && *word == word.to_lowercase(), "{word}");
        }
        assert!(words.len() > 10_000, "{}", words.len());
    }

    #[test]
    fn what_is_listed_is_common_however_it_is_written() {
        for word in LIST.lines().step_by(7) {
            assert!(is_common(&word.to_uppercase()), "{word}");
            assert!(is_common(&format!("{word}{word}")), "{word}");
            let trimmed = word.trim_matches(is_no_letter);
            if is_listed(trimmed) {
                assert!(is_common(&format!("2024{trimmed}!")), "{word}");
            }
        }
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
            // Of leaks, with ten characters and more.
            "a123456789",
            "123456789a",
            "aa12345678",
            "q1w2e3r4t5",
            "q1w2e3r4t5y6",
            "a1b2c3d4e5",
            "qwe1234567",
            "qwer1234asdf",
            "zaq12wsxcde3",
            "1qaz@wsx3edc",
            "!QAZ2wsx#EDC",
            "123123123a",
            "1qaz2wsx3edc",
            "asdf1234qwer",
            "password123abc",
            "$ommer2024!",
            "hahahahaha",
            "Qwertz123456!",
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
            "k3j9x2m4q8",
            "bananaboats",
            "sommerdragon",
            "Prosperity is near",
            "我喜欢在下雨天喝热茶",
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
