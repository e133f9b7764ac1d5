//! `portcullis serve`

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::{Environment, RunError};
use crate::check_config;
use crate::compose::{Kept, OpenError, Portcullis};
use crate::config::{Config, ConfigError, SECRETS, Settings, StoreKind, UnknownVariable};
use crate::greeting::Greeting;
use crate::health;
use crate::opening::Entrance;
use crate::serve::{self as network, Reload, Tls, TlsFiles};
use crate::telemetry;

/// Run the authorization server
///
/// Without any configuration it listens on http://127.0.0.1:8414, keeps its data in ./portcullis-data, makes an admin key on
/// the first run and prints what to do next.
///
/// Every setting is a flag, a variable of the environment, or a key of a TOML file, with one name: --code-lifetime,
/// PORTCULLIS_CODE_LIFETIME, code_lifetime. A flag holds before a variable, a variable before the file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = secrets())]
pub(super) struct Serve {
    /// A TOML file with settings
    ///
    /// [variable: PORTCULLIS_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

fn secrets() -> String {
    let mut help =
        "Secrets are no flags, because other users of a machine can read those; each may be in a file instead:\n".to_owned();
    let lines = SECRETS.iter().map(|secret| (secret.variable(), secret.about));
    for (variable, about) in lines.chain([("PORTCULLIS_STORE".to_owned(), STORE_AS_SECRET)]) {
        help.push_str(&format!("  {variable:<22} {about}\n"));
    }
    help + HOW_IT_ENDS
}

const STORE_AS_SECRET: &str = "the URL of a Redis, if it holds a password";

const HOW_IT_ENDS: &str = "
It ends with status 2 if the configuration is wrong, with 1 if something else keeps it from running.
Times are written 90s, 15m, 1h or 30d; addresses 127.0.0.1:8414 or [::1]:8414.";

const ANOTHER_KEY: &str =
    "Another server of this store made an admin key at the same time: that one holds, this one does not.";

const ONE_ADDRESS: &str = "the issuer is https, so a proxy stands before this server, but --trusted-proxies names none: everybody \
    counts as one address, and one who guesses shuts all out of log-in, sign-up, registration and /api. Name it, for example: \
    --trusted-proxies 127.0.0.1";

const PASSWORD_SHOWN: &str = "the password of Redis is sent to another machine without TLS, where others on the way can read it. Begin the \
    URL with rediss if that network is not yours alone";

pub(super) fn run(
    serve: Serve,
    environment: &Environment<'_>,
    unknown: &[UnknownVariable],
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), RunError> {
    let gathered =
        || Settings::gathered(serve.settings.clone(), serve.config.as_deref(), environment.look_up);
    let again = || Config::of(&gathered()?, environment.look_up);
    let settings = gathered()?;
    let config = Config::of(&settings, environment.look_up)?;
    let telemetry = telemetry::start(&config)?;
    for variable in unknown {
        tracing::warn!("{variable}");
    }
    for warning in warnings(&settings, &config) {
        let _ = writeln!(errors, "portcullis: {warning}");
        tracing::warn!("{warning}");
    }
    let served = Runtime::new()?.block_on(run_server(config, &again, out));
    telemetry.finish();
    served
}

/// What is wise to change, though it can be served.
pub(super) fn warnings(settings: &Settings, config: &Config) -> impl Iterator<Item = String> + use<> {
    let warnings = [
        config.sees_one_address_only().then(|| ONE_ADDRESS.to_owned()),
        config.shows_a_password().then(|| PASSWORD_SHOWN.to_owned()),
        config.tls.as_ref().and_then(TlsFiles::warning),
        data_unused(settings, config),
    ];
    warnings.into_iter().flatten()
}

/// Whoever goes back to a data folder and leaves the old setting where it was would serve what was left.
fn data_unused(settings: &Settings, config: &Config) -> Option<String> {
    let elsewhere = match config.store {
        StoreKind::Sqlite => None,
        StoreKind::Memory | StoreKind::Redis(_) => settings.names_store(),
    }?;
    settings.ask_for_data().then(|| {
        format!(
            "nothing of --data is used: {elsewhere} says that records are elsewhere. Remove one of the two"
        )
    })
}

async fn run_server(
    mut config: Config,
    again: &dyn Fn() -> Result<Config, ConfigError>,
    out: &mut dyn Write,
) -> Result<(), RunError> {
    let (stop, reload) = (network::told_to_stop()?, network::told_to_reload()?);
    let tls = config.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
    // First the port: who starts it twice is told so before anything is made.
    let listener = network::bind(config.listen)?;
    let listening = listener.local_addr()?;
    if config.issuer.is_none() && !listening.ip().is_loopback() {
        tracing::warn!(
            "no issuer is set: only clients on this machine can log in. Set --issuer to the public URL"
        );
    }
    let issuer = config.issuer_at(listening).ok_or(OpenError::NoIssuer)?;
    config.issuer = Some(issuer.clone());
    let room = config.connections.room().with_proxies(&config.trusted_proxies);
    let entrance = Arc::new(Entrance::new(issuer));
    tracing::info!(%listening, "listening");

    let mut serving = pin!(async {
        let entrance = Arc::clone(&entrance) as Arc<dyn http_io::Serve>;
        match tls.clone() {
            Some(tls) => network::serve_tls(entrance, listener, room, tls, stop).await,
            None => network::serve(entrance, listener, room, stop).await,
        }
    });
    let portcullis = tokio::select! {
        opened = open(&config, listening, &entrance, out) => opened?,
        () = &mut serving => {
            tracing::info!("stopped before the store was open");
            return Ok(());
        }
    };
    tracing::info!(%listening, issuer = %portcullis.issuer(), "started");
    let mut chores = JoinSet::new();
    chores.spawn(Arc::clone(&portcullis).keep_sweeping());
    chores.spawn(Arc::clone(&portcullis).keep_writing());
    chores.spawn(Arc::clone(&portcullis).keep_watching());
    let mailing = config.clone();
    chores.spawn(async move { warn_of_mail(&mailing).await });
    if let Some(tls) = tls.clone() {
        chores.spawn(async move { tls.keep_reading().await });
    }
    tokio::select! {
        () = &mut serving => {}
        never = keep_reloading(reload, again, &portcullis, tls.as_deref()) => match never {},
    }
    // What the last requests did is told, too, and those whom they wrote to read of it.
    portcullis.finish().await;
    // An aborted task holds its part of the store until it is joined.
    chores.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// Else the first whom it is told to is somebody who waits for a letter.
async fn warn_of_mail(config: &Config) {
    if let Err(error) = check_config::check_mail(config, None).await {
        tracing::warn!("{}", telemetry::sentence(&error));
    }
}

/// Reads again, whenever it is told to, what may change while a server runs: limits, the operator's name, logo and colour, and the
/// certificate. What cannot be read changes
/// nothing.
async fn keep_reloading(
    mut reload: Reload,
    again: &dyn Fn() -> Result<Config, ConfigError>,
    portcullis: &Portcullis,
    tls: Option<&Tls>,
) -> Infallible {
    loop {
        reload.told().await;
        match again() {
            Ok(config) => {
                portcullis.change_limits(config.rates);
                portcullis.change_brand(config.brand);
            }
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be read again; all stays as it is");
                continue;
            }
        }
        match tls.map_or(Ok(false), Tls::read_again) {
            Ok(_) => {
                tracing::info!(
                    "limits, looks and certificate are read again; other settings hold after a restart"
                )
            }
            Err(error) => {
                tracing::error!(%error, "the certificate cannot be read again; the one before is used")
            }
        }
    }
}

/// Opens the store, shows the operator what there is to see, and lets everybody in.
async fn open(
    config: &Config,
    listening: SocketAddr,
    entrance: &Entrance,
    out: &mut dyn Write,
) -> Result<Arc<Portcullis>, RunError> {
    let portcullis = Arc::new(entrance.opened(config).await?);
    let greeting = Greeting {
        listening,
        issuer: portcullis.issuer(),
        new_admin_key: portcullis.new_admin_key(),
        first_run: portcullis.is_first_run(),
        forgetful: matches!(config.store, StoreKind::Memory),
        tls: config.tls.is_some(),
    };
    // Shown before it is kept: of a key that could not be printed the next start makes another.
    greeting.print(out)?;
    match entrance.kept_admin_key(&portcullis).await.map_err(RunError::AdminKeyNotKept)? {
        Kept::This => {}
        Kept::Another => {
            writeln!(out, "{ANOTHER_KEY}")?;
            out.flush()?;
        }
    }
    // For the other commands of this program; it serves without it, too.
    let issuer = portcullis.issuer();
    let url = match config.tls {
        // Its certificate is for that name.
        Some(_) => issuer.endpoint(""),
        None => format!("{}{}", health::base_of(listening), issuer.path()),
    };
    if let Err(error) = portcullis.tell(&url) {
        tracing::warn!(error = &error as &dyn std::error::Error, "other commands will not find this server");
    }
    entrance.let_in(Arc::clone(&portcullis));
    Ok(portcullis)
}

#[cfg(test)]
mod tests;
