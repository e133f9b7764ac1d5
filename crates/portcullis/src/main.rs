//! OAuth 2.1 for MCP servers: the authorization server that one command starts.

use std::process::ExitCode;
use std::{env, io};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    portcullis::cli::main(env::args_os(), &|name| env::var_os(name), &mut io::stdout(), &mut io::stderr())
}
