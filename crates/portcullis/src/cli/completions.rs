//! `portcullis completions`

use std::io::Write;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{CommandLine, RunError};

/// Print what completes these commands in a shell
///
/// For bash: portcullis completions bash > /etc/bash_completion.d/portcullis
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

pub(super) fn run(completions: &Completions, out: &mut dyn Write) -> Result<(), RunError> {
    // It panics where it cannot write, and memory can always be written.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut CommandLine::command(), "portcullis", &mut script);
    Ok(out.write_all(&script)?)
}
