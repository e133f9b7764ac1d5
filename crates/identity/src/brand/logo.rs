//! A logo: a picture of a kind that every browser shows, and nothing else.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// A picture, SVG or PNG, of at most 256 KiB.
#[derive(Clone)]
pub struct Logo {
    pub(crate) bytes: Bytes,
    pub(crate) kind: Kind,
}

/// What a picture is, by what it holds; its name does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Svg,
    Png,
}

/// Why a file is no logo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotALogo {
    /// Too large to send with each first page.
    #[error("a logo has at most 256 KiB")]
    TooLarge,
    /// Another kind of file.
    #[error("a logo is an SVG or a PNG")]
    OtherKind,
    /// An SVG that could act or fetch.
    #[error("the SVG holds `{0}`, and a logo does nothing; save it as a plain SVG")]
    Acts(&'static str),
}

/// PNG, third edition, section 5.2, and the name of the chunk that comes first.
const PNG: (&[u8], &[u8]) = (b"\x89PNG\r\n\x1a\n", b"IHDR");
/// The page shows it as a picture, in which nothing runs, and its policy forbids scripts where it is opened alone. What needs them is
/// refused all the same, so that nobody wonders why it does not work. Entities can grow a thousandfold.
const ACTS: [&str; 5] = ["<script", "<foreignobject", "<!entity", "<!doctype", "javascript:"];

impl Logo {
    /// The most bytes of one.
    pub const MOST_BYTES: u64 = 256 * 1024;

    /// The picture in these bytes.
    ///
    /// # Errors
    ///
    /// See [`NotALogo`].
    pub fn of(bytes: impl Into<Bytes>) -> Result<Self, NotALogo> {
        let bytes = bytes.into();
        if u64::try_from(bytes.len()).is_ok_and(|length| length > Self::MOST_BYTES) {
            return Err(NotALogo::TooLarge);
        }
        let kind = match bytes.strip_prefix(PNG.0) {
            Some(rest) if rest.get(4..8) == Some(PNG.1) => Kind::Png,
            Some(_) => return Err(NotALogo::OtherKind),
            None => svg(&bytes)?,
        };
        Ok(Self { bytes, kind })
    }
}

fn svg(bytes: &[u8]) -> Result<Kind, NotALogo> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotALogo::OtherKind)?.to_ascii_lowercase();
    if let Some(acts) = ACTS.into_iter().find(|acts| text.contains(acts)) {
        return Err(NotALogo::Acts(acts));
    }
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // The declaration of XML, and comments.
    for (begin, end) in [("<?xml", "?>"), ("<!--", "-->"), ("<!--", "-->"), ("<!--", "-->")] {
        if let Some((_, after)) = rest.strip_prefix(begin).and_then(|inner| inner.split_once(end)) {
            rest = after.trim_start();
        }
    }
    let is_svg =
        rest.strip_prefix("<svg").is_some_and(|after| after.starts_with([' ', '\n', '\r', '\t', '>']));
    if is_svg && text.trim_end().ends_with('>') { Ok(Kind::Svg) } else { Err(NotALogo::OtherKind) }
}

impl Kind {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_what_it_holds() {
        let png = [PNG.0, &[0, 0, 0, 13], PNG.1, &[0; 17]].concat();
        assert_eq!(Logo::of(png).unwrap().kind, Kind::Png);
        for svg in [
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- of ours -->\n<svg\nviewBox=\"0 0 1 1\"></svg>\n",
        ] {
            assert_eq!(Logo::of(svg.to_owned()).unwrap().kind, Kind::Svg, "{svg}");
        }
        for other in ["", "GIF89a", "<html><svg></svg></html>", "<svgx/>", "\u{89}PNG", "<svg"] {
            assert!(Logo::of(other.to_owned()).is_err(), "{other}");
        }
    }

    #[test]
    fn a_logo_that_acts_is_refused_with_what_it_does() {
        for (svg, acts) in [
            ("<svg><SCRIPT>alert(1)</SCRIPT></svg>", "<script"),
            ("<svg><a href=\"javascript:alert(1)\"/></svg>", "javascript:"),
            ("<!DOCTYPE svg [<!ENTITY a \"b\">]><svg/>", "<!entity"),
            ("<svg><foreignObject/></svg>", "<foreignobject"),
        ] {
            assert_eq!(Logo::of(svg.to_owned()).map(|_| ()), Err(NotALogo::Acts(acts)), "{svg}");
        }
        assert_eq!(Logo::of(vec![b' '; 256 * 1024 + 1]).map(|_| ()), Err(NotALogo::TooLarge));
    }
}
