//! The command line.

mod health;
mod migrate;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use store::StoreError;
use thiserror::Error;
use tokio::runtime::Runtime;

pub use self::migrate::MigrateUseError;
use crate::compose::{Kept, OpenError, Portcullis};
use crate::config::{Config, ConfigError, Settings, StoreKind, UnknownVariable};
use crate::greeting::Greeting;
use crate::health::HealthError;
use crate::migrate::MigrateError;
use crate::serve::{self, BindError, Room};
use crate::telemetry::{self, TelemetryError};

/// OAuth 2.1 for MCP servers: people log in here, MCP clients get their tokens here, MCP servers ask here
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<Serve>),
    Migrate(migrate::Migrate),
    Health(health::Health),
}

/// Run the authorization server
///
/// Without any configuration it listens on http://127.0.0.1:8414, keeps its data in ./portcullis-data, makes an admin key on
/// the first run and prints what to do next.
///
/// Every setting is a flag, a variable of the environment, or a key of a TOML file, with one name: --code-lifetime,
/// PORTCULLIS_CODE_LIFETIME, code_lifetime. A flag holds before a variable, a variable before the file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = SECRETS)]
struct Serve {
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
  PORTCULLIS_ADMIN_KEY   the key that opens /api: 16 characters or more
  PORTCULLIS_STORE       the URL of a Redis, if it holds a password
  PORTCULLIS_MASTER_KEY  base64url of 32 random bytes; openssl rand -base64 32 | tr '+/' '-_' makes one

It ends with status 2 if the configuration is wrong, with 1 if something else keeps it from running.
Times are written 90s, 15m, 1h or 30d; addresses 127.0.0.1:8414 or [::1]:8414.";

/// Why the program ends before it was told to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log cannot be written.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What was stored cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stores to copy from and to.
    #[error(transparent)]
    Use(#[from] MigrateUseError),
    /// Not everything was copied.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The server that was asked is not well.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// The store did not take the admin key of a first run.
    #[error(
        "the admin key that was printed may not be kept: {0}. Start again; if that prints another, the first is void"
    )]
    AdminKeyNotKept(#[source] StoreError),
    /// The operating system refuses something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RunError {
    /// The status that the process ends with: 2 if the operator wrote something wrong, else 1.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Use(_)
            | Self::Migrate(MigrateError::Same)
            | Self::Open(
                OpenError::Policy(_) | OpenError::Accounts(_) | OpenError::Mail(_) | OpenError::NoMasterKey,
            ) => 2,
            Self::Telemetry(_)
            | Self::Bind(_)
            | Self::Open(_)
            | Self::AdminKeyNotKept(_)
            | Self::Migrate(_)
            | Self::Health(_)
            | Self::Io(_) => 1,
        }
    }
}

/// The variables that the process was started with.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The value of one.
    pub look_up: &'a dyn Fn(&str) -> Option<OsString>,
    /// The names of all.
    pub names: &'a dyn Fn() -> Vec<OsString>,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

const ANOTHER_KEY: &str =
    "Another server of this store made an admin key at the same time: that one holds, this one does not.";

const ONE_ADDRESS: &str = "the issuer is https, so a proxy stands before this server, but --trusted-proxies names none: everybody \
    counts as one address, and one who guesses shuts all out of log-in, sign-up, registration and /api. Name it, for example: \
    --trusted-proxies 127.0.0.1";

/// Does what the command line says, and answers with the status to end with.
pub fn main(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment<'_>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let command_line = match CommandLine::try_parse_from(arguments) {
        Ok(command_line) => command_line,
        // Help and version are such errors too, and know where they belong.
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap_or(2);
            return match error.print() {
                Ok(()) => ExitCode::from(status),
                Err(_) => ExitCode::from(1),
            };
        }
    };
    // Before the configuration: what is wrong with that may be the name of a variable.
    let unknown = UnknownVariable::among((environment.names)());
    for variable in &unknown {
        let _ = writeln!(errors, "portcullis: {variable}");
    }
    let done = match command_line.command {
        Command::Serve(serve) => run(*serve, environment, &unknown, out, errors).map(|()| ExitCode::SUCCESS),
        Command::Migrate(migrate) => wait_for(migrate::run(migrate, environment, out))
            .map(|complete| if complete { ExitCode::SUCCESS } else { ExitCode::from(NOT_FINISHED) }),
        Command::Health(health) => {
            wait_for(health::run(health, environment, out)).map(|()| ExitCode::SUCCESS)
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // If nobody reads this, the status still tells.
            let _ = writeln!(errors, "portcullis: {}", sentence(&error));
            ExitCode::from(error.status())
        }
    }
}

/// The status of a copy that a server still wrote behind.
const NOT_FINISHED: u8 = 3;

fn wait_for<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    Runtime::new()?.block_on(work)
}

/// An error with its causes, as far as it does not name them itself.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn run(
    serve: Serve,
    environment: &Environment<'_>,
    unknown: &[UnknownVariable],
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), RunError> {
    let config = Config::load(serve.settings, serve.config.as_deref(), environment.look_up)?;
    telemetry::start(&config)?;
    for variable in unknown {
        tracing::warn!("{variable}");
    }
    if config.sees_one_address_only() {
        let _ = writeln!(errors, "portcullis: {ONE_ADDRESS}");
        tracing::warn!("{ONE_ADDRESS}");
    }
    Runtime::new()?.block_on(run_server(config, out))
}

async fn run_server(mut config: Config, out: &mut dyn Write) -> Result<(), RunError> {
    let stop = serve::told_to_stop()?;
    // First the port: who starts it twice is told so before anything is made.
    let listener = serve::bind(config.listen).await?;
    let listening = listener.local_addr()?;
    if config.issuer.is_none() && !listening.ip().is_loopback() {
        tracing::warn!(
            "no issuer is set: only clients on this machine can log in. Set --issuer to the public URL"
        );
    }
    config.issuer = config.issuer_at(listening);
    let room = Room::of_this_process().with_proxies(&config.trusted_proxies);
    let forgetful = matches!(config.store, StoreKind::Memory);
    let portcullis = Arc::new(Portcullis::open(config).await?);
    let greeting = Greeting {
        listening,
        issuer: portcullis.issuer(),
        new_admin_key: portcullis.new_admin_key(),
        first_run: portcullis.is_first_run(),
        forgetful,
    };
    // Shown before it is kept: of a key that could not be printed the next start makes another.
    greeting.print(out)?;
    match portcullis.keep_new_admin_key().await.map_err(RunError::AdminKeyNotKept)? {
        Kept::This => {}
        Kept::Another => {
            writeln!(out, "{ANOTHER_KEY}")?;
            out.flush()?;
        }
    }
    tracing::info!(%listening, issuer = %portcullis.issuer(), "started");

    let sweeper = tokio::spawn(Arc::clone(&portcullis).keep_sweeping());
    serve::serve(Arc::clone(&portcullis) as Arc<dyn http_io::Serve>, listener, room, stop).await;
    sweeper.abort();
    // An aborted task holds its part of the store until it is joined.
    let _ = sweeper.await;
    tracing::info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_help_names_every_setting_with_flag_variable_and_default() {
        CommandLine::command().debug_assert();
        let mut command = CommandLine::command();
        let help = command.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        for key in Settings::KEYS {
            let flag = format!("--{} <", key.replace('_', "-"));
            let variable = format!("[variable: PORTCULLIS_{}]", key.to_uppercase());
            assert!(help.contains(&flag), "{flag}");
            let told = help.split(&flag).nth(1).unwrap();
            let about = told.split("\n      --").next().unwrap();
            assert!(about.contains(&variable), "{variable} in {about}");
            assert!(about.contains("[default: "), "{about}");
        }
        for secret in ["PORTCULLIS_ADMIN_KEY ", "PORTCULLIS_MASTER_KEY "] {
            assert!(help.contains(secret), "{secret}");
        }
    }

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
        assert!(matches!(run_server(config(), &mut Closed).await, Err(RunError::Io(_))));
        assert!(Portcullis::open(config()).await.unwrap().new_admin_key().is_some());
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
    fn the_help_says_which_limits_can_be_switched_off() {
        let mut command = CommandLine::command();
        let help = command.find_subcommand_mut("serve").unwrap().render_long_help().to_string();
        let about = help.split("--limits <").nth(1).unwrap().split("\n      --").next().unwrap();
        for word in
            ["registrations", "log-ins", "sign-ups", "wait for consent", "Wrong admin keys are limited"]
        {
            assert!(about.contains(word), "{word} in {about}");
        }
    }

    #[test]
    fn a_bad_setting_ends_with_2_and_one_sentence() {
        let run = |arguments: &[&str], variables: &[(&str, &str)]| {
            let (mut out, mut errors) = (Vec::new(), Vec::new());
            let look_up = |name: &str| {
                variables.iter().find(|(own, _)| *own == name).map(|(_, value)| OsString::from(value))
            };
            let names = || variables.iter().map(|(name, _)| OsString::from(name)).collect();
            let arguments = ["portcullis", "serve"].iter().chain(arguments).map(OsString::from);
            let environment = Environment { look_up: &look_up, names: &names };
            let code = main(arguments, &environment, &mut out, &mut errors);
            assert!(out.is_empty());
            (format!("{code:?}"), String::from_utf8(errors).unwrap())
        };
        let two = format!("{:?}", ExitCode::from(2));
        let (code, told) = run(&["--issuer", "https://a.example/"], &[]);
        assert_eq!(code, two);
        assert_eq!(told.lines().count(), 1);
        assert!(told.starts_with("portcullis: --issuer: the URL ends with a slash"), "{told}");
        let (code, told) = run(&[], &[("PORTCULLIS_ADMIN_KEY", "")]);
        assert_eq!(code, two);
        assert!(told.contains("PORTCULLIS_ADMIN_KEY"), "{told}");
        let (code, told) = run(&["--limits", "no"], &[("PORTCULLIS_SIGNUP", "closed"), ("HOME", "/")]);
        assert_eq!(code, two);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].ends_with("did you mean PORTCULLIS_SIGN_UP?"), "{told}");
        assert!(lines.len() == 2 && lines[1].starts_with("portcullis: --limits"), "{told}");
    }
}
