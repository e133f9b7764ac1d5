//! OAuth clients and resource servers, as their authors write them.

use http::{Method, header};
use pkce::Verifier;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::browser::{Arrived, Browser};
use crate::world::{Answer, Params, World};

/// Where a client is called back if the test does not care.
pub const CALLBACK: &str = "https://client.example/callback";

/// The resource that a test means if it does not care.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";

/// The `state` that a client sends.
pub const STATE: &str = "af0ifjsldkj";

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<String>,
    /// Its registered authentication method.
    pub method: String,
    /// The first of its redirect URIs.
    pub redirect_uri: String,
    /// The resource that it asks for.
    pub resource: Option<String>,
    /// The verifier of all its requests. A real client draws one for each.
    pub verifier: String,
}

impl Client {
    /// Registers a client that says `metadata` of itself.
    ///
    /// # Panics
    ///
    /// If it may not.
    pub async fn register(world: &World, metadata: Value) -> Self {
        let answer = world.post_json("/oauth/register", &metadata).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        let said = answer.json();
        let text = |name: &str| said[name].as_str().map(ToOwned::to_owned);
        Self {
            id: answer.member("client_id"),
            secret: text("client_secret"),
            method: answer.member("token_endpoint_auth_method"),
            redirect_uri: said["redirect_uris"][0].as_str().unwrap_or_default().to_owned(),
            resource: Some(RESOURCE.to_owned()),
            verifier: format!("verifier-of-{}", answer.member("client_id")).repeat(2),
        }
    }

    /// A public client that is called back over https.
    pub async fn public(world: &World) -> Self {
        Self::register(world, metadata("none", CALLBACK)).await
    }

    /// A client with a secret, which it sends by `method`.
    pub async fn confidential(world: &World, method: &str) -> Self {
        Self::register(world, metadata(method, CALLBACK)).await
    }

    /// Its authorization request.
    #[must_use]
    pub fn asking(&self) -> Params {
        let verifier = Verifier::parse(&self.verifier);
        let challenge = verifier.map(|verifier| verifier.challenge().to_string()).unwrap_or_default();
        let asking = Params::of(&[
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.redirect_uri),
            ("state", STATE),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        self.resource.iter().fold(asking, |asking, resource| asking.and("resource", resource))
    }

    /// Its request to redeem a code.
    #[must_use]
    pub fn redeeming(&self, code: &str) -> Params {
        self.identified(Params::of(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", &self.verifier),
        ]))
    }

    /// Its request to refresh.
    #[must_use]
    pub fn refreshing(&self, token: &str) -> Params {
        self.identified(Params::of(&[("grant_type", "refresh_token"), ("refresh_token", token)]))
    }

    /// A form with what it says about itself in a body, by its registered method.
    #[must_use]
    pub fn identified(&self, form: Params) -> Params {
        match (self.method.as_str(), &self.secret) {
            ("client_secret_basic", Some(_)) => form,
            ("client_secret_post", Some(secret)) => {
                form.and("client_id", &self.id).and("client_secret", secret)
            }
            _ => form.and("client_id", &self.id),
        }
    }

    /// Sends a form to an endpoint, authenticated by its registered method.
    pub async fn send(&self, world: &World, path: &str, form: &Params) -> Answer {
        match (self.method.as_str(), &self.secret) {
            ("client_secret_basic", Some(secret)) => {
                let basic = oauth_types::basic_header(&self.id, &SecretString::from(secret.as_str()));
                world.post(path, form, &[(header::AUTHORIZATION.as_str(), &basic)]).await
            }
            _ => world.post(path, form, &[]).await,
        }
    }

    /// Redeems a code as it should.
    pub async fn redeem(&self, world: &World, code: &str) -> Answer {
        self.send(world, "/oauth/token", &self.redeeming(code)).await
    }

    /// Refreshes as it should.
    pub async fn refresh(&self, world: &World, token: &str) -> Answer {
        self.send(world, "/oauth/token", &self.refreshing(token)).await
    }

    /// Revokes a token as it should.
    pub async fn revoke(&self, world: &World, token: &str) -> Answer {
        self.send(world, "/oauth/revoke", &self.identified(Params::of(&[("token", token)]))).await
    }

    /// Sends a browser, whose person allows, through an authorization request. What comes back to the client.
    pub async fn authorize(&self, world: &World, browser: &mut Browser, asking: &Params) -> Params {
        let arrived = match open(world, browser, asking).await {
            Arrived::Page(page) => browser.press(&page.form("Allow"), "Allow").await,
            away @ Arrived::Away(_) => away,
        };
        arrived.callback().1
    }

    /// A code, from somebody who allows what this client asks by default.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn code(&self, world: &World, browser: &mut Browser) -> String {
        let callback = self.authorize(world, browser, &self.asking()).await;
        let code = callback.one("code").map(ToOwned::to_owned);
        assert!(code.is_some(), "{callback:?}");
        code.unwrap_or_default()
    }

    /// Tokens, from somebody who allows what this client asks by default.
    pub async fn connect(&self, world: &World, browser: &mut Browser) -> Tokens {
        let code = self.code(world, browser).await;
        Tokens::of(&self.redeem(world, &code).await)
    }
}

/// Opens the authorization endpoint with these parameters.
pub async fn open(world: &World, browser: &mut Browser, asking: &Params) -> Arrived {
    browser.open(&format!("{}?{}", world.issuer.endpoint("/oauth/authorize"), asking.to_query())).await
}

/// What a client says of itself that authenticates by `method` and is called back at `redirect_uri`.
#[must_use]
pub fn metadata(method: &str, redirect_uri: &str) -> Value {
    json!({
        "client_name": "Example Client",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    })
}

/// What a token response brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// `access_token`.
    pub access: String,
    /// `refresh_token`; empty if there is none.
    pub refresh: String,
    /// `scope`, its tokens in order of the alphabet.
    pub scope: Vec<String>,
}

impl Tokens {
    /// Those of an answer.
    ///
    /// # Panics
    ///
    /// If it brings none.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let json = answer.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let mut scope: Vec<_> = text("scope").split_whitespace().map(ToOwned::to_owned).collect();
        scope.sort();
        Self { access: answer.member("access_token"), refresh: text("refresh_token"), scope }
    }
}

/// A registered resource server.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Its resource identifier.
    pub resource: String,
}

impl ResourceServer {
    /// Registers one by what the administration is told.
    ///
    /// # Panics
    ///
    /// If it may not.
    pub async fn register(world: &World, body: &Value) -> Self {
        let answer = world.administer(Method::POST, "/api/servers", Some(body)).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        Self {
            id: answer.member("server_id"),
            key: answer.member("api_key"),
            resource: answer.member("resource_url"),
        }
    }

    /// Registers [`RESOURCE`], with the scopes `files:read` (the default) and `files:write`.
    pub async fn usual(world: &World) -> Self {
        let scopes = json!([
            { "name": "files:read", "description": "Read your files", "default": true },
            { "name": "files:write", "description": "Change your files" },
        ]);
        Self::register(world, &json!({ "name": "Files", "resource_url": RESOURCE, "scopes": scopes })).await
    }

    /// What it is told about a token.
    ///
    /// # Panics
    ///
    /// If it is told nothing.
    pub async fn introspect(&self, world: &World, token: &str) -> Value {
        let bearer = format!("Bearer {}", self.key);
        let form = Params::of(&[("token", token)]);
        let answer =
            world.post("/oauth/introspect", &form, &[(header::AUTHORIZATION.as_str(), &bearer)]).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    /// Whether it would let the holder of a token in.
    pub async fn accepts(&self, world: &World, token: &str) -> bool {
        self.introspect(world, token).await["active"] == Value::Bool(true)
    }
}
