//! Keeping at hand what is needed to check tokens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracing::{debug, error, info};

use super::Inner;
use crate::Unavailable;
use crate::jwt::Trusted;
use crate::opaque::Source;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Watches every issuer, for ever.
pub(crate) async fn keep_ready(inner: Arc<Inner>) {
    let signed = inner.trusted.iter().map(|one| watch(Watched::Signed(one)));
    let asked = inner.sources.iter().map(|one| watch(Watched::Asked(one)));
    join_all(signed.chain(asked)).await;
    // Without any issuer to watch it still does not end.
    std::future::pending().await
}

enum Watched<'a> {
    Signed(&'a Trusted),
    Asked(&'a Source),
}

impl Watched<'_> {
    /// Fetches what is needed, and says after how long it should be fetched again.
    async fn look(&self) -> Result<Duration, Unavailable> {
        let seconds = match self {
            // While there is a fifth of the time left, nobody has to wait for the new ones.
            Self::Signed(trusted) => trusted.keys().renew().await?.fresh_for() / 5 * 4,
            Self::Asked(source) => source.look().await?,
        };
        Ok(Duration::from_secs(seconds.unsigned_abs()))
    }

    fn issuer(&self) -> String {
        match self {
            Self::Signed(trusted) => trusted.issuer().to_string(),
            Self::Asked(source) => source.issuer().to_string(),
        }
    }
}

async fn watch(watched: Watched<'_>) {
    let mut pause = FIRST_PAUSE;
    let mut down = false;
    loop {
        match watched.look().await {
            Ok(again) => {
                if down {
                    info!(issuer = watched.issuer(), "the issuer answers again");
                }
                (pause, down) = (FIRST_PAUSE, false);
                tokio::time::sleep(again).await;
            }
            Err(fault) => {
                let (code, issuer) = (fault.code(), watched.issuer());
                if down {
                    debug!(code, issuer, "still: {fault}");
                } else {
                    error!(code, issuer, "{fault}. It is tried again until it works");
                }
                down = true;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
