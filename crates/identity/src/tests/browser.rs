//! A browser, and what there is to read on a page.

use super::*;

/// Keeps cookies, fills in forms, and follows what a browser follows.
pub(crate) struct Browser {
    identity: Arc<Identity>,
    server: Arc<AuthorizationServer>,
    pub(super) jar: BTreeMap<String, String>,
    base: String,
    origin: String,
    pub(super) peer: Peer,
}

impl Browser {
    pub(super) fn at(world: &World) -> Self {
        let issuer = &world.pages.issuer;
        Self {
            identity: world.identity.clone(),
            server: world.server.clone(),
            jar: BTreeMap::new(),
            base: issuer.path().to_owned(),
            origin: issuer.origin().to_owned(),
            peer: Peer(Some(IpAddr::from([192, 0, 2, 1]))),
        }
    }

    pub(super) async fn send(&mut self, mut request: Request<Bytes>) -> Response<Bytes> {
        let cookies: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let response = if self.identity.owns(request.uri().path()) {
            self.identity.serve(request, self.peer).await
        } else {
            self.server.serve(request, self.peer).await
        };
        for set in response.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(set.to_str().unwrap()).unwrap();
            if cookie.max_age() == Some(cookie::time::Duration::ZERO) {
                self.jar.remove(cookie.name());
            } else {
                self.jar.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        response
    }

    /// Gets a path, the issuer's path included.
    pub(super) async fn visit(&mut self, path: &str) -> Response<Bytes> {
        let request =
            Request::builder().uri(path).header("sec-fetch-site", "none").body(Bytes::new()).unwrap();
        self.send(request).await
    }

    /// Gets a path below the issuer's.
    pub(super) async fn open(&mut self, path: &str) -> Response<Bytes> {
        self.visit(&format!("{}{path}", self.base)).await
    }

    /// Posts a form to a path below the issuer's, as a page of the server would.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
        let origin = self.origin.clone();
        self.post_with(path, fields, &[("origin", &origin), ("sec-fetch-site", "same-origin")]).await
    }

    pub(super) async fn post_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Response<Bytes> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Bytes::from(body)).unwrap()).await
    }

    pub(super) async fn json(&mut self, path: &str, body: &str) -> Response<Bytes> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(Bytes::from(body.to_owned()));
        self.send(request.unwrap()).await
    }

    pub(super) async fn sign_up(&mut self, email: &str) -> Response<Bytes> {
        let csrf = field(&self.open("/signup").await, "csrf");
        let fields = [("csrf", &*csrf), ("name", "Ada"), ("email", email), ("password", PASSWORD)];
        self.post("/signup", &fields).await
    }

    /// Fills in the page behind the link of a letter that confirms an address.
    pub(super) async fn confirm(&mut self, link: &str, password: &str) -> Response<Bytes> {
        let page = self.visit(link).await;
        assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
        let (csrf, ticket) = (field(&page, "csrf"), field(&page, "ticket"));
        self.post("/verify", &[("csrf", &csrf), ("ticket", &ticket), ("password", password)]).await
    }

    /// Signs up where there is mail, and follows the letter.
    pub(super) async fn sign_up_by_letter(&mut self, world: &World, email: &str) -> Response<Bytes> {
        let page = self.sign_up(email).await;
        assert!(html(&page).contains("Look into your mail"), "{}", html(&page));
        let confirmed = self.confirm(&link_in(&world.letter().await), PASSWORD).await;
        assert!(html(&confirmed).contains("is confirmed"), "{}", html(&confirmed));
        confirmed
    }

    pub(super) async fn log_in(&mut self, email: &str, password: &str) -> Response<Bytes> {
        let csrf = field(&self.open("/login").await, "csrf");
        self.post("/login", &[("csrf", &csrf), ("email", email), ("password", password)]).await
    }

    /// Signs up and goes to the consent page of `request`; its address below the issuer's, and the page.
    pub(super) async fn reach_consent(&mut self, request: &str) -> (String, Response<Bytes>) {
        assert_eq!(self.sign_up("ada@example.com").await.status(), StatusCode::OK);
        let to = location(&self.visit(request).await);
        let page = self.visit(&to).await;
        assert_eq!(page.status(), StatusCode::OK, "{}", html(&page));
        (to.strip_prefix(&self.base).unwrap().to_owned(), page)
    }
}

pub(super) fn html(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// The value of a hidden field.
pub(super) fn field(response: &Response<Bytes>, name: &str) -> String {
    let html = html(response);
    let start = html
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .unwrap_or_else(|| panic!("no {name}: {html}"));
    unescaped(start.split('"').next().unwrap())
}

/// A page without what is drawn anew for each: the token of its forms, and the question for passkeys.
pub(super) fn undrawn(response: &Response<Bytes>) -> String {
    let page = html(response).replace(&field(response, "csrf"), "");
    let (before, rest) = page.split_once("data-passkey=\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{after}").replace(&field(response, "challenge"), "")
}

/// Where the moving-on page goes.
pub(super) fn moves_to(response: &Response<Bytes>) -> String {
    let html = html(response);
    let start = html.split("content=\"0;url=").nth(1).unwrap_or_else(|| panic!("no moving-on page: {html}"));
    let to = start.split('"').next().unwrap();
    assert!(html.contains(&format!("<a class=\"button primary\" href=\"{to}\">")), "{html}");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key(header::LOCATION));
    unescaped(to)
}

pub(super) fn location(response: &Response<Bytes>) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", html(response));
    header_of(response.headers(), "location").to_owned()
}

pub(super) fn header_of<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

pub(super) fn unescaped(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

/// The path and query of the only link in a letter that carries a ticket.
pub(super) fn link_in(letter: &str) -> String {
    let mut links = letter.lines().filter(|line| line.contains("?ticket=tkt_"));
    let link = links.next().unwrap_or_else(|| panic!("no link: {letter}"));
    assert_eq!(links.next(), None, "{letter}");
    let path = link.strip_prefix("https://as.example").unwrap_or_else(|| panic!("a link elsewhere: {link}"));
    path.to_owned()
}
