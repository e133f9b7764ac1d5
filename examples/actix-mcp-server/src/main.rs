//! Runs it: `actix-mcp-server --help` lists what it wants to know.

use std::error::Error;
use std::process::ExitCode;

use actix_mcp_server::{Settings, application};
use actix_web::{App, HttpServer};
use clap::Parser as _;

#[actix_web::main]
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
    let server = HttpServer::new(move || App::new().configure(application.clone())).bind(settings.listen)?;
    tracing::info!("the notes of {} listen on {}", settings.public_url, settings.listen);
    Ok(server.run().await?)
}
