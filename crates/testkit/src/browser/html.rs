//! What is in a page: forms, links, texts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails by a panic")]

use crate::world::Params;

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// How.
    pub method: String,
    /// Its fields in order, those of boxes that are not ticked left out.
    pub fields: Vec<Field>,
    unticked: Vec<Field>,
    /// Its buttons in order.
    pub buttons: Vec<Button>,
}

/// A field of a form.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its label; empty for a hidden one.
    pub label: String,
    /// What is in it.
    pub value: String,
}

/// A button of a form.
#[derive(Clone, Debug)]
pub struct Button {
    /// Its label.
    pub label: String,
    /// What it adds to the form.
    pub sends: Option<(String, String)>,
    /// Whether it works with fields that are not filled in.
    pub skips_validation: bool,
}

impl Form {
    /// Fills the field with this label.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn fill(mut self, label: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|field| field.label == label);
        field.unwrap_or_else(|| panic!("no field {label:?}")).value = value.to_owned();
        self
    }

    /// Takes the tick out of the box with this value.
    ///
    /// # Panics
    ///
    /// If there is none that is ticked.
    #[must_use]
    pub fn untick(mut self, value: &str) -> Self {
        let before = self.fields.len();
        self.fields.retain(|field| field.kind != "checkbox" || field.value != value);
        assert!(self.fields.len() < before, "no box {value:?} is ticked");
        self
    }

    /// Ticks the box with this label.
    ///
    /// # Panics
    ///
    /// If there is none that is not ticked.
    #[must_use]
    pub fn tick(mut self, label: &str) -> Self {
        let at = self.unticked.iter().position(|field| field.label == label);
        let at = at.unwrap_or_else(|| panic!("no box {label:?} is unticked"));
        self.fields.push(self.unticked.remove(at));
        self
    }

    /// What it sends when the button with this label is pressed.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn sent_by(&self, label: &str) -> Params {
        let button = self.buttons.iter().find(|button| button.label == label);
        let button = button.unwrap_or_else(|| panic!("no button {label:?}"));
        let named = self.fields.iter().filter(|field| !field.name.is_empty());
        let fields = named.fold(Params::default(), |sent, field| sent.and(&field.name, &field.value));
        button.sends.iter().fold(fields, |sent, (name, value)| sent.and(name, value))
    }
}

/// What is in a page. Reads well-formed HTML such as our own, not the web's.
#[derive(Debug)]
pub struct Html {
    tags: Vec<Tag>,
}

#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    /// The text up to the end tag of this element, entities resolved and white space folded.
    text: String,
}

impl Tag {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    fn or_empty(&self, name: &str) -> String {
        self.attribute(name).unwrap_or_default().to_owned()
    }
}

impl Html {
    /// Reads a document.
    #[must_use]
    pub fn read(document: &str) -> Self {
        let mut tags = Vec::new();
        let mut rest = document;
        while let Some((_, from)) = rest.split_once('<') {
            let (inside, after) = from.split_at(end_of_tag(from));
            rest = after.strip_prefix('>').unwrap_or(after);
            let (name, attributes) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
            let name = name.trim_end_matches('/').to_ascii_lowercase();
            let until = rest.find(&format!("</{name}")).unwrap_or(0);
            tags.push(Tag { attributes: attributes_of(attributes), text: text_of(&rest[..until]), name });
        }
        Self { tags }
    }

    /// Where a refresh leads to, if there is one.
    #[must_use]
    pub fn refresh(&self) -> Option<String> {
        let meta = self.named("meta").find(|tag| tag.attribute("http-equiv") == Some("refresh"))?;
        meta.attribute("content")?.split_once("url=").map(|(_, url)| url.to_owned())
    }

    /// The texts of all elements of this name.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.named(name).map(|tag| tag.text.clone()).collect()
    }

    /// The values of an attribute in all elements of this name.
    #[must_use]
    pub fn attributes(&self, name: &str, attribute: &str) -> Vec<String> {
        self.named(name).filter_map(|tag| tag.attribute(attribute)).map(ToOwned::to_owned).collect()
    }

    /// The names of all elements, in order.
    #[must_use]
    pub fn elements(&self) -> Vec<&str> {
        self.tags.iter().map(|tag| tag.name.as_str()).filter(|name| !name.starts_with('/')).collect()
    }

    /// Whether some element would run a script that is no file of the same server.
    #[must_use]
    pub fn has_script(&self) -> bool {
        let runs = |(name, value): &(String, String)| {
            name.starts_with("on") || value.trim_start().to_ascii_lowercase().starts_with("javascript:")
        };
        let is_file = |tag: &Tag| {
            let src = tag.attribute("src").unwrap_or_default();
            src.starts_with('/') && !src.starts_with("//") && tag.text.is_empty()
        };
        self.tags.iter().any(|tag| tag.name == "script" && !is_file(tag) || tag.attributes.iter().any(runs))
    }

    /// The address of the link with this text.
    #[must_use]
    pub fn link(&self, text: &str) -> Option<String> {
        self.named("a").find(|tag| tag.text == text).map(|tag| tag.or_empty("href"))
    }

    /// Its forms in order.
    #[must_use]
    pub fn forms(&self) -> Vec<Form> {
        let mut forms: Vec<Form> = Vec::new();
        let mut open = false;
        for tag in &self.tags {
            match (tag.name.as_str(), forms.last_mut().filter(|_| open)) {
                ("form", _) => {
                    let (action, method) = (tag.or_empty("action"), tag.or_empty("method"));
                    let (fields, unticked, buttons) = (Vec::new(), Vec::new(), Vec::new());
                    forms.push(Form { action, method, fields, unticked, buttons });
                    open = true;
                }
                ("/form", _) => open = false,
                // Those of a form elsewhere come below.
                ("input", Some(form)) if tag.attribute("form").is_none() => self.put(tag, form),
                ("button", Some(form)) => form.buttons.push(Button {
                    label: tag.text.clone(),
                    sends: tag.attribute("name").map(|name| (name.to_owned(), tag.or_empty("value"))),
                    skips_validation: tag.attribute("formnovalidate").is_some(),
                }),
                _ => {}
            }
        }
        let named = self.named("form").map(|tag| tag.attribute("id"));
        for (id, form) in named.zip(&mut forms).filter(|(id, _)| id.is_some()) {
            for tag in self.named("input").filter(|tag| tag.attribute("form") == id) {
                self.put(tag, form);
            }
        }
        forms
    }

    fn put(&self, tag: &Tag, form: &mut Form) {
        let field = self.field(tag);
        match field.kind == "checkbox" && tag.attribute("checked").is_none() {
            true => form.unticked.push(field),
            false => form.fields.push(field),
        }
    }

    fn field(&self, tag: &Tag) -> Field {
        let id = tag.attribute("id");
        let label = self.named("label").find(|label| id.is_some() && label.attribute("for") == id);
        Field {
            name: tag.or_empty("name"),
            kind: tag.or_empty("type"),
            label: label.map(|label| label.text.clone()).unwrap_or_default(),
            value: tag.or_empty("value"),
        }
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Tag> {
        self.tags.iter().filter(move |tag| tag.name == name)
    }
}

/// The place of the `>` that ends a tag: one that is not within quotes.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some(_), _) => {}
        }
    }
    text.len()
}

fn attributes_of(text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && rest != "/" {
        let name_end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        let (value, after) = match after.strip_prefix('=') {
            None => ("", after),
            Some(after) => match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    after[1..].split_once(quote).unwrap_or_else(|| (&after[1..], ""))
                }
                _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            },
        };
        attributes.push((name.to_ascii_lowercase(), unescaped(value)));
        rest = after.trim_start();
    }
    attributes
}

fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, from)) = rest.split_once('<') {
        text.push_str(before);
        rest = from[end_of_tag(from)..].strip_prefix('>').unwrap_or_default();
    }
    text.push_str(rest);
    unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        plain.push_str(before);
        let (entity, after) = from.split_once(';').unwrap_or_else(|| panic!("a lone & in {text:?}"));
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#').unwrap_or_else(|| panic!("an entity {entity:?}"));
                let code = number.strip_prefix(['x', 'X']).map_or_else(
                    || number.parse().unwrap(),
                    |hexadecimal| u32::from_str_radix(hexadecimal, 16).unwrap(),
                );
                char::from_u32(code).unwrap()
            }
        });
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><head><meta http-equiv="refresh" content="0;url=/a?b=1&#38;c=2"></head>
        <h1>Allow <bdi>A &#60;b&#62;</bdi>?</h1>
        <form method="post" action="/x"><input type="hidden" name="csrf" value="a&quot;>b">
        <label for="e">E <b>mail</b></label><input id=e name=email required value='it'>
        <button name="decision" value="allow" formnovalidate>Allow</button><button>Other</button></form>
        <a href="/z">Go on</a>"#;

    #[test]
    fn a_page_is_read_with_its_forms_and_links() {
        let html = Html::read(PAGE);
        assert_eq!(html.refresh().unwrap(), "/a?b=1&c=2");
        assert_eq!(html.texts("h1"), ["Allow A <b>?"]);
        assert_eq!(html.link("Go on").unwrap(), "/z");
        let [form] = html.forms().try_into().unwrap();
        let form = form.fill("E mail", "me@as.example");
        assert_eq!(form.buttons.len(), 2);
        assert!(form.buttons[0].skips_validation && !form.buttons[1].skips_validation);
        let sent = Params::of(&[("csrf", "a\">b"), ("email", "me@as.example"), ("decision", "allow")]);
        assert_eq!(form.sent_by("Allow"), sent);
        assert!(!html.has_script());
    }

    #[test]
    fn a_script_is_noticed_in_whatever_form() {
        for page in [
            "<script>1</script>",
            "<script src='//evil.example/x.js'></script>",
            "<script src='/x.js'>1</script>",
            "<p onclick=x>",
            "<a href=' JavaScript:x'>",
        ] {
            assert!(Html::read(page).has_script(), "{page}");
        }
        assert!(!Html::read("<script src='/x.js' defer></script>").has_script());
    }
}
