//! `portcullis serve` with a clock that can be put wrong: by as many seconds as the file `PORTCULLIS_TEST_SKEW` says at that moment.
//!
//! It is put together from the same public parts, with the same configuration. The program that is shipped has no such clock.

use std::env;
use std::error::Error;
use std::future::pending;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Clock, SystemClock, Time};
use portcullis::config::Settings;
use portcullis::serve::{self, Room};
use portcullis::{Config, Portcullis};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Connections at once.
const PLACES: usize = 1024;

/// How often what has expired is removed: the program does it once a minute, which no clock here is wrong for.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::var_os("PORTCULLIS_TEST_SKEW").ok_or("PORTCULLIS_TEST_SKEW names no file")?;
    let config = Config::load(Settings::default(), None, &|name| env::var_os(name))?;
    Runtime::new()?.block_on(serve(config, Arc::new(Skewed(file.into()))))
}

async fn serve(config: Config, clock: Arc<Skewed>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(config.listen).await?;
    let portcullis = Arc::new(Portcullis::builder(config).clock(clock).open().await?);
    tokio::spawn(keep_sweeping(Arc::clone(&portcullis)));
    tokio::spawn(Arc::clone(&portcullis).keep_writing());
    writeln!(stdout(), "listens on http://{}", listener.local_addr()?)?;
    serve::serve(portcullis, listener, Room::of(PLACES), pending()).await;
    Ok(())
}

async fn keep_sweeping(portcullis: Arc<Portcullis>) {
    loop {
        // What cannot be removed now is left for the next time.
        let _ = portcullis.sweep().await;
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// The machine's clock, so many seconds ahead or behind.
struct Skewed(PathBuf);

impl Clock for Skewed {
    fn now(&self) -> Time {
        let skew = std::fs::read_to_string(&self.0).ok().and_then(|skew| skew.trim().parse().ok());
        SystemClock.now().plus(skew.unwrap_or_default())
    }
}
