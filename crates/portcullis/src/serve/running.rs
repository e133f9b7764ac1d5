//! The requests that run, also those whose client is gone.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_io::{Peer, Serve};
use tokio::sync::{mpsc, watch};

use super::guests::Seat;

/// Knows when no request runs any more, and can end those that do.
pub(super) struct Running {
    // Told nothing, but that all who could tell something are gone.
    all_gone: mpsc::Receiver<()>,
    cut: watch::Sender<bool>,
}

impl Running {
    /// A router of `serve`, and the requests that run in it.
    pub(super) fn mount(serve: Arc<dyn Serve>) -> (Router, Self) {
        let (here, all_gone) = mpsc::channel(1);
        let (cut, cut_off) = watch::channel(false);
        let watched = Watched { serve, cut_off, _here: here };
        (adapters_axum::mount(Arc::new(watched)), Self { all_gone, cut })
    }

    /// Waits until the router, its clones, and every request in it are gone, and with them what they serve.
    pub(super) async fn ended(&mut self) {
        let _ = self.all_gone.recv().await;
    }

    /// Ends those that still run.
    pub(super) async fn cut(mut self) {
        // Nobody listens if nobody runs.
        let _ = self.cut.send(true);
        self.ended().await;
    }
}

struct Watched {
    // Dropped first: who is told that all are gone may close what it holds.
    serve: Arc<dyn Serve>,
    cut_off: watch::Receiver<bool>,
    _here: mpsc::Sender<()>,
}

#[async_trait]
impl Serve for Watched {
    async fn serve(&self, mut request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let seat = request.extensions_mut().remove::<Arc<Seat>>();
        let work = seat.as_ref().map(Seat::is_worked_for);
        if matches!(work, Some(None)) {
            return not_served();
        }
        let mut cut_off = self.cut_off.clone();
        tokio::select! {
            response = self.serve.serve(request, peer) => response,
            _ = cut_off.wait_for(|cut| *cut) => not_served(),
        }
    }
}

fn not_served() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
