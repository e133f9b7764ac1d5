//! Serves the example on <http://127.0.0.1:8414>, with one user: `ada`, whose password is `difference engine`.

use std::error::Error;
use std::net::SocketAddr;

use oauth_types::Issuer;
use own_login::{Users, application};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut users = Users::new()?;
    users.add("ada", "Ada Lovelace", "ada@example.org", "difference engine")?;

    let application = application(Issuer::parse("http://127.0.0.1:8414")?, users).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8414").await?;
    axum::serve(listener, application.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
