//! Serves the example on <http://127.0.0.1:8414>, with one user: `ada`, whose password is `difference engine`.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use oauth_types::Issuer;
use own_login::{RESOURCE, Users, application};
use secrecy::ExposeSecret as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut users = Users::new()?;
    users.add("ada", "Ada Lovelace", "ada@example.org", "difference engine")?;

    let (application, server_key) = application(Issuer::parse("http://127.0.0.1:8414")?, users).await?;
    writeln!(io::stdout(), "The key of {RESOURCE}, which another start exchanges for another:\n")?;
    writeln!(io::stdout(), "    export PORTCULLIS_SERVER_KEY={}\n", server_key.expose_secret())?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8414").await?;
    writeln!(io::stdout(), "It listens on http://127.0.0.1:8414")?;
    axum::serve(listener, application.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
