//! Sentences with gaps.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};

/// A sentence with `N` gaps, `{0}` to `{N-1}`, in the order that its language wants. One that lacks a gap, or has it twice, does not
/// compile where it is a constant, as all of the table are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sentence<const N: usize>(&'static str);

impl<const N: usize> Sentence<N> {
    pub(crate) const fn new(text: &'static str) -> Self {
        let mut gap = 0;
        while gap < N {
            assert!(times(text.as_bytes(), gap) == 1, "each gap of a sentence is there once");
            gap += 1;
        }
        assert!(times(text.as_bytes(), N) == 0, "a sentence has no gap that nothing fills");
        Self(text)
    }

    /// The sentence as plain text.
    pub(crate) fn say<S: AsRef<str>>(self, values: &[S; N]) -> String {
        self.pieces(values).map(Piece::text).collect()
    }

    /// The sentence for a page: what fills the gaps stands out, and keeps to itself which way it is written.
    pub(crate) fn show<S: AsRef<str>>(self, values: &[S; N]) -> Shown {
        let html = self.pieces(values).map(|piece| match piece {
            Piece::Words(words) => escaped(words),
            Piece::Value(value) => format!("<bdi class=\"claim\">{}</bdi>", escaped(value)),
        });
        Shown(html.collect())
    }

    fn pieces<'a, S: AsRef<str>>(self, values: &'a [S; N]) -> impl Iterator<Item = Piece<'a>> {
        self.0.split('{').enumerate().flat_map(move |(n, part)| {
            let (gap, words) = if n == 0 { (None, part) } else { gap_of(part) };
            let value = gap.and_then(|gap| values.get(gap));
            let value = value.map(|value| Piece::Value(value.as_ref()));
            [value, Some(Piece::Words(words))].into_iter().flatten()
        })
    }
}

/// A sentence with its gaps filled, as HTML: both are escaped.
#[derive(Clone, Debug)]
pub(crate) struct Shown(String);

impl HtmlSafe for Shown {}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escaped(text: &str) -> String {
    // Writing into a text does not fail.
    escape(text, Html).map(|safe| safe.to_string()).unwrap_or_default()
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Words(&'static str),
    Value(&'a str),
}

impl<'a> Piece<'a> {
    const fn text(self) -> &'a str {
        match self {
            Self::Words(text) => text,
            Self::Value(text) => text,
        }
    }
}

fn gap_of(part: &'static str) -> (Option<usize>, &'static str) {
    match part.split_once('}') {
        Some((number, words)) => (number.parse().ok(), words),
        None => (None, part),
    }
}

const fn times(text: &[u8], gap: usize) -> usize {
    let (mut at, mut times) = (0, 0);
    while at + 2 < text.len() {
        if text[at] == b'{' && text[at + 1] as usize == b'0' as usize + gap && text[at + 2] == b'}' {
            times += 1;
        }
        at += 1;
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fills_a_gap_is_never_markup_and_never_a_gap() {
        const SENTENCE: Sentence<2> = Sentence::new("May {1} <use> {0}?");
        assert_eq!(SENTENCE.say(&["{1}", "a"]), "May a <use> {1}?");
        assert_eq!(
            SENTENCE.show(&["<b>", "a"]).to_string(),
            "May <bdi class=\"claim\">a</bdi> &#60;use&#62; <bdi class=\"claim\">&#60;b&#62;</bdi>?"
        );
    }

    #[test]
    fn a_sentence_that_lacks_what_it_must_say_is_none() {
        assert_eq!(times(b"{0} and {0}", 0), 2);
        assert_eq!(times(b"{0} and {0}", 1), 0);
        assert!(std::panic::catch_unwind(|| Sentence::<1>::new("nobody")).is_err());
        assert!(std::panic::catch_unwind(|| Sentence::<0>::new("{0}")).is_err());
    }
}
