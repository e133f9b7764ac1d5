//! Portcullis gives the tokens, and is asked about them: both in one process, and over nothing but HTTP.

use std::sync::Arc;
use std::time::Duration;

use ambient::{ManualClock, SeededEntropy, Time};
use http::{Method, Uri};
use http_io::InProcess;
use identity::Cost;
use oauth_types::Issuer;
use portcullis::config::AdminSecret;
use portcullis::{Config, Portcullis};
use resource_server::{Protection, StepUp, Verifier, VerifierBuilder};
use secrecy::SecretString;
use serde_json::json;
use store::Memory;
use testkit::browser::Browser;
use testkit::client::{Client, RESOURCE, ResourceServer, Tokens, open};
use testkit::world::{PASSWORD, Params, Switched, World};

use crate::challenge::{challenge, reason, refused};
use crate::run::{McpServer, Run};

stamp!(
    auth_flow_completion,
    step_up_success_after_escalation,
    rfc9470_a_newer_log_in_is_demanded_and_opens,
    g04_a_token_for_another_server_is_401,
    g05_a_token_that_was_never_issued_is_401,
    g06_without_its_database_the_authorization_server_is_503_and_no_challenge,
    g06_a_key_that_is_refused_is_503_and_no_challenge,
    g08_a_revocation_bites_after_the_time_that_is_remembered,
    g08_where_nothing_is_remembered_a_revocation_bites_at_once,
    rs11_an_expired_token_is_401_and_its_refresh_is_good,
    rs12_many_requests_with_one_token_ask_once,
    rs12_tokens_are_checked_by_userinfo_as_well,
    rs17_what_is_no_token_of_the_server_is_never_shown_to_it,
);

const ISSUER: &str = "https://as.example";
const BEGINNING: Time = Time(1_800_000_000);
const ADMIN_KEY: &str = "the admin key of a test";

/// An authorization server, a server that it protects, a client, and somebody who is logged in.
struct Stage {
    world: World,
    server: ResourceServer,
    client: Client,
    ada: Browser,
}

impl Stage {
    async fn new() -> Self {
        let config = Config {
            issuer: Some(Issuer::parse(ISSUER).unwrap()),
            admin_key: Some(AdminSecret::parse(ADMIN_KEY).unwrap()),
            ..Config::default()
        };
        let store = Arc::new(Switched::over(Arc::new(Memory::new())));
        let clock = Arc::new(ManualClock::at(BEGINNING));
        let portcullis = Portcullis::builder(config)
            .clock(clock.clone())
            .entropy(Arc::new(SeededEntropy::new(1)))
            .password_cost(Cost::least())
            .store(store.clone())
            .open()
            .await
            .unwrap();
        let issuer = Issuer::parse(ISSUER).unwrap();
        let world =
            World { serve: Arc::new(portcullis), issuer, clock, admin_key: ADMIN_KEY.to_owned(), store };
        let server = ResourceServer::usual(&world).await;
        let client = Client::public(&world).await;
        let ada = world.person("ada@example.com").await;
        Self { world, server, client, ada }
    }

    /// The server, as its author protects it.
    fn protect(&self, run: Run) -> McpServer {
        self.protect_with(run, |verifier| verifier.portcullis(ISSUER, self.server.key.as_str().into()))
    }

    fn protect_with(
        &self,
        run: Run,
        configure: impl FnOnce(VerifierBuilder) -> VerifierBuilder,
    ) -> McpServer {
        let fetch = InProcess::new(self.world.serve.clone(), &Uri::from_static(ISSUER)).unwrap();
        let verifier = Verifier::builder(RESOURCE).fetch(Arc::new(fetch)).clock(self.world.clock.clone());
        let verifier = configure(verifier).build().unwrap();
        let protection = Protection::builder(verifier).require("files:read").build().unwrap();
        run.protected(protection)
    }

    async fn tokens(&mut self) -> Tokens {
        self.client.connect(&self.world, &mut self.ada).await
    }

    fn later(&self, seconds: i64) {
        self.world.clock.advance(seconds);
    }
}

/// From nothing but the server's URL to an answer: auth-401-response, auth-prm-discovery, auth-prm-resource,
/// auth-prm-authorization-servers, auth-as-metadata-discovery, auth-as-metadata-fields, auth-as-dcr-supported,
/// auth-dcr-registration, auth-dcr-response, auth-token-request, auth-token-response, auth-authenticated-request,
/// auth-invalid-token-rejected.
async fn auth_flow_completion(run: Run) {
    let Stage { world, server, mut ada, .. } = Stage::new().await;
    let mcp = {
        let fetch = InProcess::new(world.serve.clone(), &Uri::from_static(ISSUER)).unwrap();
        let verifier = Verifier::builder(RESOURCE).fetch(Arc::new(fetch)).clock(world.clock.clone());
        let verifier = verifier.portcullis(ISSUER, SecretString::from(server.key.as_str())).build().unwrap();
        run.protected(Protection::builder(verifier).require("files:read").build().unwrap())
    };
    let refusal = mcp.send(Method::POST, "/mcp", &[], "{}").await;
    assert_eq!(refusal.status(), 401);
    let challenge = challenge(&refusal);
    let path = challenge["resource_metadata"].strip_prefix("https://mcp.example.com").unwrap().to_owned();
    let document = mcp.get(&path, &[]).await.json();
    assert_eq!(document["resource"], RESOURCE);
    assert_eq!(document["authorization_servers"], json!([ISSUER]));
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["registration_endpoint"], "https://as.example/oauth/register");
    let client = Client::public(&world).await;
    let asking = client.asking().with("scope", &challenge["scope"]);
    let callback = client.authorize(&world, &mut ada, &asking).await;
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    let answer = mcp.with(&tokens.access).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.json()["client"], client.id.as_str());
    assert_eq!(answer.json()["issuer"], ISSUER);
    assert_eq!(answer.json()["scope"], "files:read");
    refused(&mcp.with(&format!("{}x", tokens.access)).await, 401, "invalid_token");
}

/// step-up-403-response, step-up-scope-in-header, step-up-resource-metadata, step-up-re-auth, step-up-auth-flow.
async fn step_up_success_after_escalation(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect(run);
    let first = stage.tokens().await;
    let authorization = format!("Bearer {}", first.access);
    let answer = mcp.get("/write", &[("authorization", &authorization)]).await;
    let challenge = refused(&answer, 403, "insufficient_scope");
    assert_eq!(challenge["scope"], "files:read files:write");
    let Stage { world, client, ada, .. } = &mut stage;
    let asking = client.asking().with("scope", &challenge["scope"]);
    let callback = client.authorize(world, ada, &asking).await;
    let second = Tokens::of(&client.redeem(world, callback.one("code").unwrap()).await);
    let authorization = format!("Bearer {}", second.access);
    let answer = mcp.get("/write", &[("authorization", &authorization)]).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

/// RFC 9470: the challenge says what to ask for, and what comes of it is enough, however the token was refreshed before.
async fn rfc9470_a_newer_log_in_is_demanded_and_opens(run: Run) {
    let Stage { world, server, client, mut ada } = Stage::new().await;
    let mcp = {
        let fetch = InProcess::new(world.serve.clone(), &Uri::from_static(ISSUER)).unwrap();
        let verifier = Verifier::builder(RESOURCE).fetch(Arc::new(fetch)).clock(world.clock.clone());
        let verifier = verifier.portcullis(ISSUER, SecretString::from(server.key.as_str())).build().unwrap();
        let recent = StepUp::acr_values("1fa mfa phr").and_max_age(Duration::from_secs(60));
        let protection = Protection::builder(verifier).clock(world.clock.clone()).require_step_up(&recent);
        run.protected(protection.build().unwrap())
    };
    let tokens = client.connect(&world, &mut ada).await;
    assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    world.clock.advance(100);
    let refreshed = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    let challenge = refused(&mcp.with(&refreshed.access).await, 401, "insufficient_user_authentication");
    assert_eq!((challenge["acr_values"].as_str(), challenge["max_age"].as_str()), ("1fa mfa phr", "60"));
    let asking = client.asking().and("max_age", &challenge["max_age"]);
    let asking = asking.and("acr_values", &challenge["acr_values"]);
    let page = open(&world, &mut ada, &asking).await.page();
    let form = page.form("Log in").fill("Email", "ada@example.com").fill("Password", PASSWORD);
    let (_, callback) = ada.press(&form, "Log in").await.callback();
    let newer = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert_eq!(mcp.with(&newer.access).await.status(), 200);
}

async fn g04_a_token_for_another_server_is_401(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect(run);
    let other = "https://other.example/mcp";
    let registration = json!({ "name": "Other", "resource_url": other });
    ResourceServer::register(&stage.world, &registration).await;
    let client = Client { resource: Some(other.to_owned()), ..stage.client.clone() };
    let tokens = client.connect(&stage.world, &mut stage.ada).await;
    refused(&mcp.with(&tokens.access).await, 401, "invalid_token");
    assert_eq!(mcp.reached(), 0);
    assert_eq!(mcp.with(&stage.tokens().await.access).await.status(), 200);
}

async fn g05_a_token_that_was_never_issued_is_401(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect(run);
    let tokens = stage.tokens().await;
    let cut = &tokens.access[..tokens.access.len() - 1];
    for token in [cut, "mat_", "mat_x", &tokens.refresh, &stage.server.key, "garbage", "a.b.c"] {
        refused(&mcp.with(token).await, 401, "invalid_token");
    }
    assert_eq!(mcp.reached(), 0);
}

async fn g06_without_its_database_the_authorization_server_is_503_and_no_challenge(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect(run);
    let token = stage.tokens().await.access;
    stage.world.store.off();
    let answer = mcp.with(&token).await;
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new());
    assert!(answer.header("retry-after").is_some());
    assert_eq!(mcp.reached(), 0);
    stage.world.store.on();
    stage.later(2);
    assert_eq!(mcp.with(&token).await.status(), 200);
}

/// The operator's fault: a client that is told 401 would throw its token away and log in again, for ever.
async fn g06_a_key_that_is_refused_is_503_and_no_challenge(run: Run) {
    let mut stage = Stage::new().await;
    let wrong = format!("sak_{}", "A".repeat(40));
    let mcp = stage.protect_with(run, |verifier| verifier.portcullis(ISSUER, wrong.into()));
    let answer = mcp.with(&stage.tokens().await.access).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new());
    assert_eq!(mcp.reached(), 0);
}

/// WB-4: 10 seconds by default, and it is said what that means.
async fn g08_a_revocation_bites_after_the_time_that_is_remembered(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect(run);
    let tokens = stage.tokens().await;
    assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    assert_eq!(stage.client.revoke(&stage.world, &tokens.refresh).await.status(), 200);
    stage.later(9);
    assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    stage.later(2);
    let answer = mcp.with(&tokens.access).await;
    refused(&answer, 401, "invalid_token");
    assert_eq!(reason(&answer), "token_inactive");
}

async fn g08_where_nothing_is_remembered_a_revocation_bites_at_once(run: Run) {
    let mut stage = Stage::new().await;
    let key = SecretString::from(stage.server.key.as_str());
    let mcp = stage.protect_with(run, |b| b.portcullis(ISSUER, key).remember(Duration::ZERO));
    let tokens = stage.tokens().await;
    assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    assert_eq!(stage.client.revoke(&stage.world, &tokens.access).await.status(), 200);
    refused(&mcp.with(&tokens.access).await, 401, "invalid_token");
}

/// What is remembered is never remembered beyond the end of the token.
async fn rs11_an_expired_token_is_401_and_its_refresh_is_good(run: Run) {
    let mut stage = Stage::new().await;
    let key = SecretString::from(stage.server.key.as_str());
    let mcp = stage.protect_with(run, |b| b.portcullis(ISSUER, key).remember(Duration::from_secs(300)));
    let tokens = stage.tokens().await;
    stage.later(3590);
    assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    stage.later(11);
    refused(&mcp.with(&tokens.access).await, 401, "invalid_token");
    let fresh = Tokens::of(&stage.client.refresh(&stage.world, &tokens.refresh).await);
    assert_eq!(mcp.with(&fresh.access).await.status(), 200);
}

/// With the database gone, whoever was let in a moment ago still is, without a question asked.
async fn rs12_many_requests_with_one_token_ask_once(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect(run);
    let tokens = stage.tokens().await;
    assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    stage.world.store.off();
    for _ in 0..20 {
        assert_eq!(mcp.with(&tokens.access).await.status(), 200);
    }
    assert_eq!(mcp.reached(), 21);
}

/// WB-1: it says for whom the token is, and one for another server is refused.
async fn rs12_tokens_are_checked_by_userinfo_as_well(run: Run) {
    let mut stage = Stage::new().await;
    let mcp = stage.protect_with(run, |verifier| verifier.userinfo(ISSUER));
    let tokens = stage.tokens().await;
    let answer = mcp.with(&tokens.access).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let other = "https://other.example/mcp";
    ResourceServer::register(&stage.world, &json!({ "name": "Other", "resource_url": other })).await;
    let client = Client { resource: Some(other.to_owned()), ..stage.client.clone() };
    let tokens = client.connect(&stage.world, &mut stage.ada).await;
    refused(&mcp.with(&tokens.access).await, 401, "invalid_token");
    refused(&mcp.with("mat_x").await, 401, "invalid_token");
}

/// A token goes to nobody whom it is not from: the authorization server is not even asked, and so it does not matter that it is down.
async fn rs17_what_is_no_token_of_the_server_is_never_shown_to_it(run: Run) {
    let stage = Stage::new().await;
    let mcp = stage.protect(run);
    stage.world.store.off();
    for token in ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "sk-live", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"] {
        refused(&mcp.with(token).await, 401, "invalid_token");
    }
    let form = Params::of(&[("token", "mat_x")]);
    assert_ne!(stage.world.post("/oauth/introspect", &form, &[]).await.status(), 200);
}
