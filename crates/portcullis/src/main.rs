//! OAuth 2.1 for MCP servers: the authorization server that one command starts.

use std::process::ExitCode;
use std::{env, io};

use portcullis::cli::Environment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = Environment {
        look_up: &|name| env::var_os(name),
        names: &|| env::vars_os().map(|(name, _)| name).collect(),
    };
    portcullis::cli::main(env::args_os(), &environment, &mut io::stdout(), &mut io::stderr())
}
