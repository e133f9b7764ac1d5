//! What is answered, for people: a table of many, the members of one.
//!
//! Names in it are chosen by strangers, so nothing of them reaches a terminal that it would obey.

use std::io::{self, Write};

use ambient::Time;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

use super::ask::{Column, List};

/// Whether a member is a time, by its name. A test of the OpenAPI document says that all are.
pub(super) fn is_time(name: &str) -> bool {
    matches!(name, "at" | "since" | "until") || name.ends_with("_at") || name.ends_with("_until")
}

/// Prints many.
pub(super) fn list(list: &List, items: &[Value], out: &mut dyn Write) -> io::Result<()> {
    if items.is_empty() {
        return writeln!(out, "No {}.", list.member);
    }
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(list.columns.iter().map(|(title, _)| title.to_uppercase()));
    for item in items {
        table.add_row(cells(list.columns, item));
    }
    print(table, out)
}

/// Prints one: the members of these columns first, then what else there is.
pub(super) fn one(first: &[Column], item: &Value, out: &mut dyn Write) -> io::Result<()> {
    let Value::Object(members) = item else { return writeln!(out, "{}", cell("", item)) };
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let named = first.iter().flat_map(|(_, names)| *names).filter_map(|name| members.get_key_value(*name));
    let others = members.iter().filter(|(name, _)| {
        name.as_str() != "message" && !first.iter().any(|(_, names)| names.contains(&name.as_str()))
    });
    for (name, value) in named.chain(others) {
        table.add_row([clean(name), cell(name, value)]);
    }
    print(table, out)?;
    match members.get("message").and_then(Value::as_str) {
        Some(message) => writeln!(out, "\n{}", clean(message)),
        None => Ok(()),
    }
}

/// Prints what stands in the lines that follow.
pub(super) fn heading(columns: &[Column], out: &mut dyn Write) -> io::Result<()> {
    let titles: Vec<String> = columns.iter().map(|(title, _)| title.to_uppercase()).collect();
    writeln!(out, "{}", titles.join("  "))?;
    out.flush()
}

/// Prints one of many, each in a line of its own.
pub(super) fn line(columns: &[Column], item: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", cells(columns, item).join("  "))?;
    out.flush()
}

fn print(mut table: Table, out: &mut dyn Write) -> io::Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    writeln!(out, "{}", table.trim_fmt())
}

fn cells(columns: &[Column], item: &Value) -> Vec<String> {
    let cells = columns.iter().map(|(_, names)| {
        let members = names.iter().filter_map(|name| Some((name, item.get(name)?)));
        let said: Vec<String> = members
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| cell(name, value))
            .filter(|text| !text.is_empty())
            .collect();
        if said.is_empty() { "-".to_owned() } else { said.join(" ") }
    });
    cells.collect()
}

fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match number.as_i64() {
            Some(seconds) if is_time(name) => time(seconds),
            Some(_) | None => number.to_string(),
        },
        Value::String(text) => clean(text),
        Value::Array(values) => {
            // Of a scope its name is shown.
            let texts = values.iter().map(|value| cell(name, value.get("name").unwrap_or(value)));
            texts.collect::<Vec<_>>().join(" ")
        }
        Value::Object(members) => {
            let texts = members.iter().map(|(name, value)| format!("{}={}", clean(name), cell(name, value)));
            texts.collect::<Vec<_>>().join(" ")
        }
    }
}

/// A text that a terminal shows and does not obey: without control characters, nor those that turn the direction of others.
pub(super) fn clean(text: &str) -> String {
    let obeyed = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if obeyed(character) { '\u{fffd}' } else { character }).collect()
}

/// Seconds since 1970 as a date and a time, in UTC.
pub(super) fn time(seconds: i64) -> String {
    let rest = seconds.rem_euclid(86_400);
    format!("{} {:02}:{:02}:{:02}Z", Time(seconds).date(), rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_shown_to_the_second() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (-1, "1969-12-31 23:59:59Z"),
            (1_772_323_199, "2026-02-28 23:59:59Z"),
            (1_772_326_861, "2026-03-01 01:01:01Z"),
        ] {
            assert_eq!(time(seconds), text);
        }
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        const LIST: List =
            List { member: "things", paged: false, columns: &[("name", &["name"]), ("made", &["made_at"])] };
        let mut out = Vec::new();
        let items = [
            json!({ "name": "a\u{1b}[2Jb\u{202e}c\nd", "made_at": 0 }),
            json!({ "name": "e", "made_at": null }),
        ];
        list(&LIST, &items, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["NAME", "MADE"]);
        assert!(
            lines[1].contains("a\u{fffd}[2Jb\u{fffd}c\u{fffd}d")
                && lines[1].ends_with("1970-01-01 00:00:00Z")
        );
        assert!(lines[2].starts_with("e ") && lines[2].ends_with(" -"), "{text}");
    }

    #[test]
    fn one_is_shown_with_all_that_is_said_of_it() {
        let mut out = Vec::new();
        let item =
            json!({ "b": ["x", "y"], "a": { "k": "v" }, "id": "1", "ok": true, "message": "Keep it." });
        one(&[("id", &["id"])], &item, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["id", "1"]);
        assert_eq!(words[1..4], [vec!["a", "k=v"], vec!["b", "x", "y"], vec!["ok", "yes"]]);
        assert_eq!(words.last().unwrap(), &["Keep", "it."]);
    }
}
