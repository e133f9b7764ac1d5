//! An internet of a few URLs that says what it is told to, and remembers what it was asked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_io::{Fetch, FetchError, Limits};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Answers requests by their whole URL. What it was not told of is 404.
#[derive(Default)]
pub struct Scripted {
    lines: Mutex<BTreeMap<String, Line>>,
    asked: Mutex<Vec<Asked>>,
    moved: Notify,
}

/// A request as it was sent, and the limits that came with it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The whole request.
    pub request: Request<Bytes>,
    /// How much its answer may cost.
    pub limits: Limits,
}

#[derive(Default)]
struct Line {
    says: Says,
    hangs: bool,
}

#[derive(Clone, Default)]
enum Says {
    #[default]
    Nothing,
    Fault(FetchError),
    Answer(Answer),
}

type Answer = Arc<dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync>;

impl Scripted {
    /// Nothing answers yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// `url` answers 200 with this JSON.
    pub fn answers(&self, url: &str, json: impl fmt::Display) {
        let body = Bytes::from(json.to_string());
        self.answers_by(url, move |_| json_answer(StatusCode::OK, body.clone()));
    }

    /// `url` answers with this status and no body.
    pub fn answers_status(&self, url: &str, status: StatusCode) {
        self.answers_by(url, move |_| json_answer(status, Bytes::new()));
    }

    /// `url` answers as `answer` says.
    pub fn answers_by(
        &self,
        url: &str,
        answer: impl Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) {
        self.line(url, |line| line.says = Says::Answer(Arc::new(answer)));
    }

    /// `url` does not answer.
    pub fn fails(&self, url: &str, fault: FetchError) {
        self.line(url, |line| line.says = Says::Fault(fault));
    }

    /// `url` keeps who asks waiting, until [`let_go`](Self::let_go).
    pub fn hangs(&self, url: &str) {
        self.line(url, |line| line.hangs = true);
    }

    /// Whoever waits for `url` gets what it says by now.
    pub fn let_go(&self, url: &str) {
        self.line(url, |line| line.hangs = false);
        self.moved.notify_waiters();
    }

    /// How often `url` was asked.
    #[must_use]
    pub fn calls(&self, url: &str) -> usize {
        self.asked.lock().iter().filter(|one| one.request.uri() == url).count()
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    /// Waits until `url` was asked `times` times in all.
    pub async fn asked_times(&self, url: &str, times: usize) {
        self.until(|| self.calls(url) >= times).await;
    }

    fn line(&self, url: &str, change: impl FnOnce(&mut Line)) {
        change(self.lines.lock().entry(url.to_owned()).or_default());
    }

    fn hangs_now(&self, url: &str) -> bool {
        self.lines.lock().get(url).is_some_and(|line| line.hangs)
    }

    async fn until(&self, there: impl Fn() -> bool) {
        loop {
            let moved = self.moved.notified();
            if there() {
                return;
            }
            moved.await;
        }
    }
}

#[async_trait]
impl Fetch for Scripted {
    async fn fetch(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, FetchError> {
        let url = request.uri().to_string();
        self.asked.lock().push(Asked { request: request.clone(), limits });
        self.moved.notify_waiters();
        self.until(|| !self.hangs_now(&url)).await;
        let says = self.lines.lock().get(&url).map(|line| line.says.clone()).unwrap_or_default();
        match says {
            Says::Nothing => Ok(json_answer(StatusCode::NOT_FOUND, Bytes::new())),
            Says::Fault(fault) => Err(fault),
            Says::Answer(answer) => Ok(answer(&request)),
        }
    }
}

/// An answer with a JSON body.
#[must_use]
pub fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
