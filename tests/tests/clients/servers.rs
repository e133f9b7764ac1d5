//! The servers that a client talks to: a Portcullis, and one of the examples.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::rt::System;
use actix_web::{App, HttpServer};
use ambient::{Clock as _, ManualClock, SeededEntropy, SystemClock};
use identity::Cost;
use oauth_types::Issuer;
use portcullis::config::AdminSecret;
use portcullis::serve::{Room, serve};
use portcullis::{Config, Portcullis};
use secrecy::SecretString;
use serde_json::json;
use store::Memory;
use testkit::browser::Browser;
use testkit::client::ResourceServer;
use testkit::world::{Switched, World};

const ADMIN_KEY: &str = "the admin key of a test";

/// What every case begins with.
pub(crate) struct Stage {
    /// The Portcullis.
    pub(crate) world: World,
    /// Somebody who is logged in there.
    pub(crate) ada: Browser,
    /// The MCP endpoint of the example.
    pub(crate) url: String,
}

/// Starts an example.
pub(crate) type Start = fn(TcpListener, Told);

/// What an operator tells an example.
pub(crate) struct Told {
    portcullis_url: String,
    portcullis_server_key: SecretString,
    public_url: String,
    listen: SocketAddr,
}

impl Stage {
    pub(crate) async fn of(start: Start) -> Self {
        let world = authorization_server().await;
        let listener = listener();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let url = format!("{origin}/mcp");
        let scopes = json!([{ "name": "notes:read", "default": true }, { "name": "notes:write" }]);
        let asked = json!({ "name": "Notes", "resource_url": url, "scopes": scopes });
        let server = ResourceServer::register(&world, &asked).await;
        let told = Told {
            portcullis_url: world.issuer.to_string(),
            portcullis_server_key: SecretString::from(server.key),
            public_url: url.clone(),
            listen: listener.local_addr().unwrap(),
        };
        start(listener, told);
        let ada = world.person("ada@example.com").await;
        Self { world, ada, url }
    }
}

async fn authorization_server() -> World {
    let listener = listener();
    let issuer = Issuer::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let config = Config {
        issuer: Some(issuer.clone()),
        admin_key: Some(AdminSecret::parse(ADMIN_KEY).unwrap()),
        ..Config::default()
    };
    let store = Arc::new(Switched::over(Arc::new(Memory::new())));
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let portcullis = Portcullis::builder(config)
        .clock(clock.clone())
        .entropy(Arc::new(SeededEntropy::new(1)))
        .password_cost(Cost::least())
        .store(store.clone())
        .open();
    let portcullis = Arc::new(portcullis.await.unwrap());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(serve(portcullis.clone(), listener, Room::of(64), std::future::pending()));
    World { serve: portcullis, issuer, clock, admin_key: ADMIN_KEY.to_owned(), store }
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// `examples/axum-mcp-server`.
pub(crate) fn axum(listener: TcpListener, told: Told) {
    let Told { portcullis_url, portcullis_server_key, public_url, listen } = told;
    let settings = axum_mcp_server::Settings { portcullis_url, portcullis_server_key, public_url, listen };
    let application = axum_mcp_server::application(&settings).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async { axum::serve(listener, application).await.unwrap() });
}

/// `examples/actix-mcp-server`, on a thread of its own.
pub(crate) fn actix(listener: TcpListener, told: Told) {
    let Told { portcullis_url, portcullis_server_key, public_url, listen } = told;
    let settings = actix_mcp_server::Settings { portcullis_url, portcullis_server_key, public_url, listen };
    std::thread::spawn(move || {
        System::new().block_on(async {
            let application = actix_mcp_server::application(&settings).unwrap();
            let server = HttpServer::new(move || App::new().configure(application.clone()));
            server.workers(1).disable_signals().listen(listener).unwrap().run().await.unwrap();
        });
    });
}
