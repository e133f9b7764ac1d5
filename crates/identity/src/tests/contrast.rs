//! Whether the colours of the stylesheet can be told apart (WCAG 2.2, success criteria 1.4.3 and 1.4.11).

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../assets/portcullis.css");

/// What is read, on what it stands.
const TEXTS: [(&str, &str); 13] = [
    ("text", "card"),
    ("text", "ground"),
    ("text", "code-ground"),
    ("text", "note-ground"),
    ("quiet", "card"),
    ("quiet", "ground"),
    ("quiet", "code-ground"),
    ("link", "card"),
    ("link", "ground"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("alert-text", "alert-ground"),
    ("warning-text", "warning-ground"),
];

/// Edges of fields, buttons and notes, and the ring around what has the focus.
const SHAPES: [(&str, &str); 7] = [
    ("edge", "card"),
    ("accent", "card"),
    ("link", "card"),
    ("note-edge", "note-ground"),
    ("alert-edge", "alert-ground"),
    ("alert-edge", "card"),
    ("warning-edge", "warning-ground"),
];

#[test]
fn colours_can_be_told_apart_in_light_and_dark() {
    can_be_told_apart(STYLE, "its own");
}

#[test]
fn whatever_colour_an_operator_likes_can_be_told_apart() {
    let parts = ["00", "3f", "7f", "bf", "ff", "76", "77"];
    for n in 0..parts.len().pow(3) {
        let part = |digit: u32| parts[n / parts.len().pow(digit) % parts.len()];
        let colour = format!("#{}{}{}", part(0), part(1), part(2));
        let rules = crate::Colour::parse(&colour).unwrap().rules();
        can_be_told_apart(&format!("{STYLE}{rules}"), &colour);
    }
}

fn can_be_told_apart(style: &str, of: &str) {
    let blocks: Vec<_> =
        style.split(":root {").skip(1).map(|rest| colours(rest.split('}').next().unwrap())).collect();
    // What comes later holds.
    let merged = |at: usize| blocks.iter().skip(at).step_by(2).flatten().map(|(k, v)| (*k, *v)).collect();
    let schemes: [BTreeMap<&str, [u8; 3]>; 2] = [merged(0), merged(1)];
    for (scheme, colours) in ["light", "dark"].iter().zip(&schemes) {
        for (pairs, least) in [(&TEXTS[..], 4.5), (&SHAPES, 3.0)] {
            for (front, behind) in pairs {
                let contrast = contrast(colours[front], colours[behind]);
                assert!(contrast >= least, "{of}, {scheme}: {front} on {behind} is {contrast:.2}");
            }
        }
    }
}

fn colours(block: &str) -> BTreeMap<&str, [u8; 3]> {
    let lines = block.split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
    lines
        .map(|(name, hex)| {
            let channel = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            (name, [channel(0), channel(2), channel(4)])
        })
        .collect()
}

/// WCAG 2.2, "contrast ratio".
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// WCAG 2.2, "relative luminance".
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}
