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
use crate::compose::{Kept, OpenError, Portcullis};
use crate::config::{Config, ConfigError, Settings, StoreKind, UnknownVariable};
use crate::greeting::Greeting;
use crate::health;
use crate::opening::Entrance;
use crate::serve::{self as network, Reload, Room, Tls, TlsFiles};
use crate::telemetry;

/// Run the authorization server
///
/// Without any configuration it listens on http://127.0.0.1:8414, keeps its data in ./portcullis-data, makes an admin key on
/// the first run and prints what to do next.
///
/// Every setting is a flag, a variable of the environment, or a key of a TOML file, with one name: --code-lifetime,
/// PORTCULLIS_CODE_LIFETIME, code_lifetime. A flag holds before a variable, a variable before the file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SECRETS)]
pub(super) struct Serve {
    /// A TOML file with settings
    ///
    /// [variable: PORTCULLIS_CONFIG] [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

const SECRETS: &str = "\
Secrets are no flags, because other users of a machine can read those:
  PORTCULLIS_ADMIN_KEY   the key that opens /api, of 128 bits or more; openssl rand -base64 24 makes one
  PORTCULLIS_STORE       the URL of a Redis, if it holds a password
  PORTCULLIS_MASTER_KEY  base64url of 32 random bytes; openssl rand -base64 32 | tr '+/' '-_' makes one

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
    let listener = network::bind(config.listen).await?;
    let listening = listener.local_addr()?;
    if config.issuer.is_none() && !listening.ip().is_loopback() {
        tracing::warn!(
            "no issuer is set: only clients on this machine can log in. Set --issuer to the public URL"
        );
    }
    let issuer = config.issuer_at(listening).ok_or(OpenError::NoIssuer)?;
    config.issuer = Some(issuer.clone());
    let room = Room::of_this_process().with_proxies(&config.trusted_proxies);
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
    if let Some(tls) = tls.clone() {
        chores.spawn(async move { tls.keep_reading().await });
    }
    tokio::select! {
        () = &mut serving => {}
        never = keep_reloading(reload, again, &portcullis, tls.as_deref()) => match never {},
    }
    // What the last requests did is told, too.
    portcullis.audit().finish().await;
    // An aborted task holds its part of the store until it is joined.
    chores.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

/// Reads again, whenever it is told to, what may change while a server runs: limits and the certificate. What cannot be read changes
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
            Ok(config) => portcullis.change_limits(config.rates),
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be read again; all stays as it is");
                continue;
            }
        }
        match tls.map_or(Ok(false), Tls::read_again) {
            Ok(_) => {
                tracing::info!("limits and certificate are read again; other settings hold after a restart")
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
mod tests {
    use std::cell::Cell;
    use std::ffi::OsString;
    use std::io;
    use std::path::Path;

    use authz_core::{Limit, Limits, Rate};
    use http::Request;
    use http_io::{Peer, Serve as _};
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;
    use crate::cli::main;

    /// A pipe that nobody reads any more.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_first_run_that_cannot_print_the_admin_key_does_not_keep_it() {
        let home = tempfile::TempDir::new().unwrap();
        let config = || Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data: home.path().join("data"),
            ..Config::default()
        };
        let again = || Ok(config());
        assert!(matches!(run_server(config(), &again, &mut Closed).await, Err(RunError::Io(_))));
        assert!(Portcullis::open(config()).await.unwrap().new_admin_key().is_some());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_hangup_reads_limits_again_and_a_wrong_file_changes_nothing() {
        let once_a_day = |most| {
            let rates = Limits::default().with(Limit::Registration, Rate::new(most, 86_400).unwrap());
            Config { store: StoreKind::Memory, rates, ..Config::default() }
        };
        let portcullis = Portcullis::open(once_a_day(1)).await.unwrap();
        let register = async || {
            let body = r#"{"redirect_uris":["https://app.example/cb"]}"#;
            let request = Request::post("/oauth/register").header("content-type", "application/json");
            let response = portcullis.serve(request.body(body.into()).unwrap(), Peer(None)).await;
            response.status().as_u16()
        };
        let read = Cell::new(0);
        let again = || {
            read.set(read.get() + 1);
            match read.get() {
                1 => Config::load(Settings::default(), Some(Path::new("/does/not/exist")), &|_| None),
                _ => Ok(once_a_day(100)),
            }
        };
        let hang_up = async |times| {
            kill_process(getpid(), Signal::HUP).unwrap();
            while read.get() < times {
                tokio::task::yield_now().await;
            }
        };
        let reload = network::told_to_reload().unwrap();
        let told = async {
            assert_eq!((register().await, register().await), (201, 429));
            hang_up(1).await;
            assert_eq!(register().await, 429);
            hang_up(2).await;
            assert_eq!(register().await, 201);
        };
        tokio::select! {
            never = keep_reloading(reload, &again, &portcullis, None) => match never {},
            () = told => {}
        }
    }

    #[test]
    fn a_proxy_that_is_not_named_is_warned_of_once() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let arguments = ["portcullis", "serve", "--issuer", "https://auth.example.com", "--listen", &address];
        let environment = Environment { look_up: &|_| None, names: &Vec::new };
        main(arguments.map(OsString::from), &environment, &mut out, &mut errors);
        let told = String::from_utf8(errors).unwrap();
        assert_eq!(told.matches("--trusted-proxies names none").count(), 1, "{told}");
        assert!(told.contains("is in use by another program"), "{told}");
    }

    #[test]
    fn a_data_folder_that_is_not_used_is_warned_of_with_what_names_the_store() {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            settings: Settings,
        }
        for (arguments, store, warned) in [
            (&["--data", "new-data"][..], Some("redis://127.0.0.1:1"), Some("PORTCULLIS_STORE")),
            (&["--data", "new-data", "--store", "memory"], None, Some("--store")),
            (&["--data", "new-data"], Some("sqlite"), None),
            (&["--data", "new-data"], None, None),
            (&[], Some("redis://127.0.0.1:1"), None),
        ] {
            let look_up = |name: &str| match name {
                "PORTCULLIS_STORE" => store.map(OsString::from),
                "PORTCULLIS_DATA" => Some("of-the-image".into()),
                _ => None,
            };
            let flags = <Only as clap::Parser>::parse_from([&["portcullis"], arguments].concat()).settings;
            let settings = Settings::gathered(flags, None, &look_up).unwrap();
            let warning = data_unused(&settings, &Config::of(&settings, &look_up).unwrap());
            assert_eq!(warning.is_some(), warned.is_some(), "{arguments:?}: {warning:?}");
            let names = warned.map(|name| format!("nothing of --data is used: {name} says"));
            assert!(warning.zip(names).is_none_or(|(warning, names)| warning.starts_with(&names)));
        }
    }

    #[test]
    fn a_password_that_is_sent_in_the_clear_is_warned_of_and_not_shown() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let arguments = ["portcullis", "serve", "--listen", &address];
        let store = |name: &str| {
            (name == "PORTCULLIS_STORE").then(|| OsString::from("redis://:the-word@redis.example.internal"))
        };
        let environment = Environment { look_up: &store, names: &Vec::new };
        main(arguments.map(OsString::from), &environment, &mut out, &mut errors);
        let told = String::from_utf8(errors).unwrap();
        assert_eq!(told.matches("without TLS").count(), 1, "{told}");
        assert!(!told.contains("the-word"), "{told}");
    }
}
