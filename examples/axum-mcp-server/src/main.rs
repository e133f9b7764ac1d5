//! Runs it: `axum-mcp-server --help` lists what it wants to know.

use std::error::Error;
use std::process::ExitCode;

use axum_mcp_server::{Settings, application};
use clap::Parser as _;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    // A sentence for the operator, and no `Debug`, which is all that `main` itself makes of an error.
    run(&Settings::parse()).await.map_or_else(
        |error| {
            tracing::error!("{error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

async fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let application = application(settings)?;
    let listener = TcpListener::bind(settings.listen).await?;
    tracing::info!("the notes of {} listen on {}", settings.public_url, settings.listen);
    Ok(axum::serve(listener, application).await?)
}
