//! Runs it: `oidc-mcp-server --help` lists the variables that tell it what to do.

use std::error::Error;
use std::io;
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
    if std::env::args().nth(1).is_some() {
        return Ok(help(&mut io::stdout())?);
    }
    let application = application(&Environment::from_process()?)?;
    let listen = std::env::var("LISTEN").unwrap_or_else(|_| LISTEN.to_owned());
    let listener = TcpListener::bind(&listen).await?;
    tracing::info!("the notes listen on {listen}");
    Ok(axum::serve(listener, application).await?)
}

/// It takes no arguments, so whatever comes asks for this.
fn help(out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(
        out,
        "An MCP server for people who log in at an OpenID Connect provider. It is told by variables:\n"
    )?;
    for variable in Environment::VARIABLES {
        writeln!(out, "  {variable}")?;
    }
    writeln!(out, "  LISTEN  Where it listens; by default {LISTEN}")
}

const LISTEN: &str = "127.0.0.1:3003";
