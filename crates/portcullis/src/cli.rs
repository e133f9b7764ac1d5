//! The command line.

mod admin;
mod backup;
mod check_config;
mod completions;
mod health;
mod migrate;
mod serve;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use store::StoreError;
use thiserror::Error;
use tokio::runtime::Runtime;

use self::admin::About;
pub use self::admin::AdminError;
pub use self::migrate::MigrateUseError;
use crate::backup::BackupError;
use crate::check_config::CheckError;
use crate::compose::OpenError;
use crate::config::{ConfigError, UnknownVariable};
use crate::health::HealthError;
use crate::migrate::MigrateError;
use crate::serve::{BindError, TlsError};
use crate::telemetry::{TelemetryError, sentence};

/// OAuth 2.1 for MCP servers: people log in here, MCP clients get their tokens here, MCP servers ask here
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    CheckConfig(Box<check_config::CheckConfig>),
    /// MCP servers: register, list, change, block, delete, and give new keys
    Server(Box<About<admin::ServerCommand>>),
    /// OAuth clients: register, list, vouch for, block, delete
    Client(Box<About<admin::ClientCommand>>),
    /// Users: make, invite, list, block, delete, and end all that they have
    User(Box<About<admin::UserCommand>>),
    /// Grants, of which clients have tokens: list and revoke
    Grant(Box<About<admin::GrantCommand>>),
    /// Consents, for which users are not asked again: list and withdraw
    Consent(Box<About<admin::ConsentCommand>>),
    /// Admin keys: make, list, revoke
    Key(Box<About<admin::KeyCommand>>),
    /// What happened: list and follow
    Event(Box<About<admin::EventCommand>>),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Migrate(migrate::Migrate),
    Health(health::Health),
    Completions(completions::Completions),
}

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
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    /// What was asked of the administration was not done.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// What is wrong was shown already, in another form than a sentence.
    #[error("see above")]
    Shown(u8),
    /// No backup was made, or none restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The configuration can be read, and not be served.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The operating system refuses something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl RunError {
    /// The status that the process ends with: 2 if the operator wrote something wrong, else 1.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Admin(error) => error.status(),
            Self::Shown(status) => *status,
            Self::Config(_)
            | Self::Tls(_)
            | Self::Use(_)
            | Self::Backup(BackupError::NotAFile)
            | Self::Check(
                CheckError::Tls(_)
                | CheckError::NoMail
                | CheckError::Open(OpenError::NoMasterKey)
                | CheckError::Store(StoreError::Misconfigured(_)),
            )
            | Self::Migrate(MigrateError::Same)
            | Self::Open(
                OpenError::Policy(_)
                | OpenError::Accounts(_)
                | OpenError::Mail(_)
                | OpenError::NoMasterKey
                | OpenError::NoServerYet
                | OpenError::IssuerUnknown
                | OpenError::KeyOfAnother(_)
                | OpenError::Store(StoreError::Misconfigured(_)),
            ) => 2,
            Self::Telemetry(_)
            | Self::Bind(_)
            | Self::Open(_)
            | Self::AdminKeyNotKept(_)
            | Self::Migrate(_)
            | Self::Health(_)
            | Self::Backup(_)
            | Self::Check(_)
            | Self::Io(_) => 1,
        }
    }
}

impl RunError {
    /// Whether nobody reads any more what is printed.
    fn is_of_a_closed_pipe(&self) -> bool {
        let (Self::Io(error) | Self::Admin(AdminError::Io(error))) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
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
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(NOBODY_READS),
                Err(_) => ExitCode::from(1),
            };
        }
    };
    // Before the configuration: what is wrong with that may be the name of a variable.
    let unknown = UnknownVariable::among((environment.names)());
    for variable in &unknown {
        let _ = writeln!(errors, "portcullis: {variable}");
    }
    let serves = matches!(command_line.command, Command::Serve(_));
    let done = match command_line.command {
        Command::Serve(serve) => {
            serve::run(*serve, environment, &unknown, out, errors).map(|()| ExitCode::SUCCESS)
        }
        Command::CheckConfig(check) => {
            wait_for(check_config::run(*check, environment, out)).map(|()| ExitCode::SUCCESS)
        }
        Command::Server(about) => administer(*about, environment, out, errors),
        Command::Client(about) => administer(*about, environment, out, errors),
        Command::User(about) => administer(*about, environment, out, errors),
        Command::Grant(about) => administer(*about, environment, out, errors),
        Command::Consent(about) => administer(*about, environment, out, errors),
        Command::Key(about) => administer(*about, environment, out, errors),
        Command::Event(about) => administer(*about, environment, out, errors),
        Command::Backup(backup) => backup::back_up(backup, environment, out).map(|()| ExitCode::SUCCESS),
        Command::Restore(restore) => {
            wait_for(backup::restore(restore, environment, out)).map(|()| ExitCode::SUCCESS)
        }
        Command::Completions(completions) => completions::run(&completions, out).map(|()| ExitCode::SUCCESS),
        Command::Migrate(migrate) => wait_for(migrate::run(migrate, environment, out))
            .map(|complete| if complete { ExitCode::SUCCESS } else { ExitCode::from(NOT_FINISHED) }),
        Command::Health(health) => {
            wait_for(health::run(health, environment, out)).map(|()| ExitCode::SUCCESS)
        }
    };
    match done {
        Ok(code) => code,
        Err(RunError::Shown(status)) => ExitCode::from(status),
        // A server that could not show its admin key must say why it ends.
        Err(error) if error.is_of_a_closed_pipe() && !serves => ExitCode::from(NOBODY_READS),
        Err(error) => {
            // If nobody reads this, the status still tells.
            let _ = writeln!(errors, "portcullis: {}", sentence(&error));
            ExitCode::from(error.status())
        }
    }
}

/// The status of a process that SIGPIPE ended, as shells tell it: whoever read has seen enough, and needs no message.
const NOBODY_READS: u8 = 128 + 13;

/// The status of a copy that a server still wrote behind.
const NOT_FINISHED: u8 = 3;

fn administer<C: Subcommand + admin::Asks>(
    about: About<C>,
    environment: &Environment<'_>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<ExitCode, RunError> {
    wait_for(admin::run(about, environment, out, errors)).map(|()| ExitCode::SUCCESS)
}

fn wait_for<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    Runtime::new()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::{SECRETS, Settings};

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
        for secret in SECRETS {
            assert!(help.contains(&format!("  {} ", secret.variable())), "{}", secret.key);
        }
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
