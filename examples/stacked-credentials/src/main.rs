//! Runs it: `stacked-credentials --help` lists what it wants to know. It makes a user and prints their API key.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use ambient::SystemEntropy;
use clap::Parser;
use resource_server::{ExposeSecret as _, Issuer, Resource, Scope, SecretString, Verifier};
use stacked_credentials::Server;
use stacked_credentials::users::{EVERYTHING, Users};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Settings {
    /// The issuer: the URL that Portcullis greets with.
    #[arg(long, env, default_value = "http://127.0.0.1:8414")]
    portcullis_url: String,
    /// The `sak_` key of this server, which Portcullis showed when it was registered.
    #[arg(long, env, hide_env_values = true)]
    portcullis_server_key: SecretString,
    /// This server, exactly as its clients know it: the `resource_url` that it was registered with.
    #[arg(long, env, default_value = "http://127.0.0.1:3004/me")]
    public_url: String,
    /// Where it listens.
    #[arg(long, env, default_value = "127.0.0.1:3004")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    // A sentence for the operator, and no `Debug`, which is all that `main` itself makes of an error.
    run(Settings::parse()).await.map_or_else(
        |error| {
            tracing::error!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let resource = Resource::parse(&settings.public_url)?;
    let ours = Issuer::parse(&resource.origin())?;

    let users = Users::default();
    let key = users.new_key(&users.add("Ada"), Scope::parse(EVERYTHING)?, &SystemEntropy);
    writeln!(io::stdout(), "The API key of user 1:\n\n    export API_KEY={}\n", key.expose_secret())?;

    let tokens = Verifier::builder(resource.as_str())
        .portcullis(&settings.portcullis_url, settings.portcullis_server_key);
    let routes = Server::new(users, ours).routes(tokens)?;
    Ok(axum::serve(TcpListener::bind(settings.listen).await?, routes).await?)
}
