//! A browser without a screen: cookies, redirects, refreshes, forms.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails by a panic")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, header};
use http_io::{Peer, Serve};
use oauth_types::Issuer;
use serde_json::Value;

use crate::world::{Answer, Params, request};

/// A browser at one server. Whatever leads away from that server's origin, it hands over instead of following it.
pub struct Browser {
    serve: Arc<dyn Serve>,
    origin: String,
    peer: IpAddr,
    cookies: BTreeMap<String, String>,
    /// The `Set-Cookie` headers that came, newest last.
    pub set: Vec<String>,
    /// Method, path and status of every exchange of the last navigation.
    pub trail: Vec<(Method, String, u16)>,
}

/// Where a navigation ended.
#[derive(Debug)]
pub enum Arrived {
    /// At a page of the server.
    Page(Page),
    /// At an address elsewhere.
    Away(String),
}

impl Arrived {
    /// The page.
    ///
    /// # Panics
    ///
    /// If it led away.
    #[must_use]
    pub fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Away(url) => panic!("led away to {url}"),
        }
    }

    /// The address elsewhere.
    ///
    /// # Panics
    ///
    /// If it stayed.
    #[must_use]
    pub fn away(self) -> String {
        match self {
            Self::Away(url) => url,
            Self::Page(page) => panic!("stayed at {}: {}", page.path, page.answer.text()),
        }
    }

    /// The answer to an authorization request that the address elsewhere carries: its query, and the address without it.
    #[must_use]
    pub fn callback(self) -> (String, Params) {
        let url = self.away();
        let (address, query) = url.split_once('?').unwrap_or((&url, ""));
        (address.to_owned(), Params::parse(query))
    }
}

impl Browser {
    /// A browser at the origin of `issuer`, without cookies.
    #[must_use]
    pub fn new(serve: Arc<dyn Serve>, issuer: &Issuer) -> Self {
        Self {
            serve,
            origin: issuer.origin().to_owned(),
            peer: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            cookies: BTreeMap::new(),
            set: Vec::new(),
            trail: Vec::new(),
        }
    }

    /// The same cookies at another machine.
    #[must_use]
    pub fn at(mut self, peer: IpAddr) -> Self {
        self.peer = peer;
        self
    }

    /// What the cookie of this name holds.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Keeps a cookie.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Follows a link to `url`, redirects and refreshes included.
    pub async fn open(&mut self, url: &str) -> Arrived {
        self.trail.clear();
        let Some(path) = self.own_path(url) else {
            return Arrived::Away(url.to_owned());
        };
        let answer =
            self.exchange(Method::GET, &path, &[("sec-fetch-site", "cross-site")], Bytes::new()).await;
        self.follow(path, answer).await
    }

    /// Presses the button with this label, in the form that has it.
    pub async fn press(&mut self, form: &Form, label: &str) -> Arrived {
        self.trail.clear();
        let path =
            self.own_path(&form.action).unwrap_or_else(|| panic!("a form that leads to {}", form.action));
        let answer = self.post_form(&path, &form.sent_by(label), &[]).await;
        self.follow(path, answer).await
    }

    /// Posts a form as a page of the server does, and does not follow the answer.
    pub async fn post_form(&mut self, path: &str, fields: &Params, headers: &[(&str, &str)]) -> Answer {
        let origin = self.origin.clone();
        let mut all = vec![(header::CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded")];
        let own = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        all.extend(own.into_iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name)));
        all.extend_from_slice(headers);
        self.exchange(Method::POST, path, &all, fields.to_query().into()).await
    }

    /// Posts JSON as a script of the server's origin does.
    pub async fn post_json(&mut self, path: &str, body: &Value) -> Answer {
        let origin = self.origin.clone();
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/json"),
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        self.exchange(Method::POST, path, &headers, body.to_string().into()).await
    }

    /// One request with the cookies, and what came back.
    pub async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = request(method.clone(), path, headers, body);
        let host = self.origin.split("://").last().unwrap_or_default();
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let answer = Answer(self.serve.serve(request, Peer(Some(self.peer))).await);
        for cookie in answer.headers("set-cookie") {
            self.keep(cookie);
        }
        self.trail.push((method, path.to_owned(), answer.status()));
        answer
    }

    fn keep(&mut self, cookie: &str) {
        self.set.push(cookie.to_owned());
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        let attribute =
            |wanted: &str| attributes.split(';').any(|one| one.trim().eq_ignore_ascii_case(wanted));
        if attribute("Secure") && !self.origin.starts_with("https://") {
            return;
        }
        if attribute("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.plant(name, value);
        }
    }

    async fn follow(&mut self, mut path: String, mut answer: Answer) -> Arrived {
        for _ in 0..20 {
            let html = Html::read(&answer.text());
            let location = answer.header("location").filter(|_| answer.0.status().is_redirection());
            let Some(next) = location.map(ToOwned::to_owned).or_else(|| html.refresh()) else {
                return Arrived::Page(Page { path, answer, html });
            };
            let Some(own) = self.own_path(&next) else {
                return Arrived::Away(next);
            };
            answer =
                self.exchange(Method::GET, &own, &[("sec-fetch-site", "same-origin")], Bytes::new()).await;
            path = own;
        }
        panic!("redirected in a circle: {:?}", self.trail);
    }

    fn own_path(&self, url: &str) -> Option<String> {
        if url.starts_with("//") || url.starts_with("/\\") {
            return None;
        }
        let path = url.strip_prefix(&self.origin).unwrap_or(url);
        match path.chars().next() {
            Some('/') => Some(path.to_owned()),
            None => Some("/".to_owned()),
            Some('?') if path.len() < url.len() => Some(format!("/{path}")),
            Some(_) => None,
        }
    }
}

/// A page that a browser shows.
#[derive(Debug)]
pub struct Page {
    /// Its path with the query.
    pub path: String,
    /// How it came.
    pub answer: Answer,
    /// What is in it.
    pub html: Html,
}

impl Page {
    /// Its main heading.
    #[must_use]
    pub fn heading(&self) -> String {
        self.html.texts("h1").join(" ")
    }

    /// The form with a button of this label.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn form(&self, label: &str) -> Form {
        let forms = self.html.forms();
        let found = forms.into_iter().find(|form| form.buttons.iter().any(|button| button.label == label));
        found.unwrap_or_else(|| panic!("no button {label:?} in {} {}", self.path, self.answer.text()))
    }
}

/// A form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// How.
    pub method: String,
    /// Its fields in order.
    pub fields: Vec<Field>,
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

    /// Whether some element has an attribute that would run a script.
    #[must_use]
    pub fn has_script(&self) -> bool {
        let runs = |(name, value): &(String, String)| {
            name.starts_with("on") || value.trim_start().to_ascii_lowercase().starts_with("javascript:")
        };
        self.tags.iter().any(|tag| tag.name == "script" || tag.attributes.iter().any(runs))
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
                    forms.push(Form { action, method, fields: Vec::new(), buttons: Vec::new() });
                    open = true;
                }
                ("/form", _) => open = false,
                ("input", Some(form)) => form.fields.push(self.field(tag)),
                ("button", Some(form)) => form.buttons.push(Button {
                    label: tag.text.clone(),
                    sends: tag.attribute("name").map(|name| (name.to_owned(), tag.or_empty("value"))),
                    skips_validation: tag.attribute("formnovalidate").is_some(),
                }),
                _ => {}
            }
        }
        forms
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
                Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or_else(|| (&after[1..], "")),
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
        for page in ["<script>1</script>", "<p onclick=x>", "<a href=' JavaScript:x'>"] {
            assert!(Html::read(page).has_script(), "{page}");
        }
    }
}
