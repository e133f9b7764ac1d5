//! Runs it, told by `OAUTH_ISSUER_URL`, `OAUTH_AUDIENCE`, `PUBLIC_URL`, and `LISTEN` if it is not to listen on 127.0.0.1:3000.

use std::error::Error;
use std::process::ExitCode;

use oidc_mcp_server::application;
use resource_server::Environment;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    // A sentence for the operator, and no `Debug`, which is all that `main` itself makes of an error.
    run().await.map_or_else(
        |error| {
            tracing::error!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

async fn run() -> Result<(), Box<dyn Error>> {
    let application = application(&Environment::from_process()?)?;
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&listen).await?;
    tracing::info!("the notes listen on {listen}");
    Ok(axum::serve(listener, application).await?)
}
