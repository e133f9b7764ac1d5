//! Any tower service over `http` 1.x as a route of actix-web: MCP servers that are written once, and for no framework.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BodyStream, BoxBody, MessageBody};
use actix_web::error::HttpError;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, Route, dev, rt, web};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::channel::{Channel, Sender};
use http_io::{internal_error, malformed_request};
use tower_service::Service;

use crate::convert;

/// A route that hands every request to `service`, whatever its method:
/// `web::resource("/mcp").route(tower_service(mcp)).wrap(protect(protection))`.
///
/// Bodies stream both ways as they come, server-sent events included; trailers are dropped. `service` sees the whole path, nothing
/// stripped, and is cloned for each request. What the middleware `protect` found out about the caller goes along, as an
/// `Arc<Verified>` in the extensions; what other middleware wrote into actix-web's own extensions does not.
///
/// An error of `service` is answered 500, and logged.
pub fn tower_service<S, B>(service: S) -> Route
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + 'static,
    S::Error: std::fmt::Display,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error>>,
{
    web::to(move |request: HttpRequest, body: Payload| answer(service.clone(), request, body))
}

async fn answer<S, B>(mut service: S, request: HttpRequest, body: Payload) -> Result<HttpResponse, HttpError>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: std::fmt::Display,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error>>,
{
    let Ok(head) = convert::head(&request) else { return convert::outward(malformed_request(), false) };
    let asked = head.map(|()| Incoming::of(body.into_inner()));
    #[cfg(feature = "protect")]
    let asked = crate::protect::carried(&request, asked);
    let called = match poll_fn(|cx| service.poll_ready(cx)).await {
        Ok(()) => service.call(asked).await,
        Err(error) => Err(error),
    };
    match called {
        Ok(response) => {
            let (head, body) = response.into_parts();
            convert::with_body(&head, BoxBody::new(Outgoing(Box::pin(body))))
        }
        Err(error) => {
            tracing::error!(%error, "the mounted service fails");
            convert::outward(internal_error(), false)
        }
    }
}

/// The body of a request, as it comes from the connection.
///
/// actix-web's own stays on the thread of its connection; this one may go to another.
pub struct Incoming(Channel<Bytes, BrokenOff>);

/// The client stopped in the middle of a body.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
#[non_exhaustive]
pub struct BrokenOff;

impl Incoming {
    fn of(payload: dev::Payload) -> Self {
        let (sender, channel) = Channel::new(1);
        rt::spawn(pump(BodyStream::new(payload), sender));
        Self(channel)
    }
}

/// One piece ahead at most: whoever reads slowly slows the client down, and whoever stops reading ends this.
async fn pump(mut body: BodyStream<dev::Payload>, mut sender: Sender<Bytes, BrokenOff>) {
    while let Some(piece) = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
        let Ok(piece) = piece else { return sender.abort(BrokenOff) };
        if sender.send_data(piece).await.is_err() {
            return;
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

/// The body of an answer, as the service makes it.
struct Outgoing<B>(Pin<Box<B>>);

impl<B> MessageBody for Outgoing<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error>>,
{
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.0.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        loop {
            let Some(frame) = ready!(self.0.as_mut().poll_frame(cx)?) else { return Poll::Ready(None) };
            if let Ok(data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix_web::body::to_bytes;
    use actix_web::test::{TestRequest, init_service, try_call_service};
    use actix_web::{App, error::PayloadError};
    use futures_util::{StreamExt as _, future, stream};
    use http::HeaderMap;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;

    /// A tower service of a function.
    #[derive(Clone)]
    struct Says<F>(F);

    impl<F, T, B> Service<Request<Incoming>> for Says<F>
    where
        F: Fn(Request<Incoming>) -> T,
        T: Future<Output = Result<Response<B>, &'static str>>,
    {
        type Response = Response<B>;
        type Error = &'static str;
        type Future = T;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Incoming>) -> T {
            (self.0)(request)
        }
    }

    async fn send(route: Route, request: TestRequest) -> HttpResponse {
        let application = init_service(App::new().default_service(route)).await;
        try_call_service(&application, request.to_request()).await.unwrap().into_parts().1
    }

    #[test]
    fn request_and_answer_pass_whole() {
        rt::System::new().block_on(async {
            let echo = Says(async |request: Request<Incoming>| {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let said =
                    format!("{} {} {}", head.method, head.uri, head.headers["x-told"].to_str().unwrap());
                Ok(Response::builder().status(202).header("x-said", said).body(Full::new(body)).unwrap())
            });
            let request = TestRequest::patch().uri("/mcp?a=%20").insert_header(("x-told", "hi"));
            let answer = send(tower_service(echo), request.set_payload("the body")).await;
            assert_eq!(answer.status().as_u16(), 202);
            assert_eq!(answer.headers().get("x-said").unwrap(), "PATCH /mcp?a=%20 hi");
            assert_eq!(answer.body().size(), BodySize::Sized(8));
            assert_eq!(to_bytes(answer.into_body()).await.unwrap(), "the body");
        });
    }

    /// A stream whose second piece never comes: whoever waited for the whole would wait for ever.
    #[test]
    fn an_answer_streams_and_its_trailers_are_dropped() {
        rt::System::new().block_on(async {
            let events = Says(async |_| {
                let first = stream::iter([
                    Ok::<_, Infallible>(Frame::trailers(HeaderMap::new())),
                    Ok(Frame::data(Bytes::from("data: 1\n\n"))),
                ]);
                Ok(Response::new(StreamBody::new(first.chain(stream::pending()))))
            });
            let mut body = send(tower_service(events), TestRequest::get()).await.into_body();
            assert_eq!(body.size(), BodySize::Stream);
            let first = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.unwrap().unwrap();
            assert_eq!(first, "data: 1\n\n");
        });
    }

    #[test]
    fn a_request_streams_and_is_read_no_further_than_it_is_wanted() {
        rt::System::new().block_on(async {
            let given = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&given);
            let pieces = stream::repeat_with(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, PayloadError>(Bytes::from("piece"))
            });
            let reader = Says(async |request: Request<Incoming>| {
                let piece = request.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
                Ok(Response::new(Full::new(piece)))
            });
            let application = init_service(App::new().default_service(tower_service(reader))).await;
            let payload = dev::Payload::Stream { payload: pieces.boxed_local() };
            let request = TestRequest::post().to_request().replace_payload(payload).0;
            let answer = try_call_service(&application, request).await.unwrap();
            assert_eq!(to_bytes(answer.into_body()).await.unwrap(), "piece");
            assert!(given.load(Ordering::SeqCst) <= 4, "{given:?}");
        });
    }

    #[test]
    fn a_request_that_breaks_off_is_an_error_and_no_end() {
        rt::System::new().block_on(async {
            let pieces = stream::iter([Ok(Bytes::from("half")), Err(PayloadError::Incomplete(None))]);
            let reader = Says(async |request: Request<Incoming>| {
                let end = request.into_body().collect().await.map(|_| ());
                Ok(Response::new(Full::new(Bytes::from(end.unwrap_err().to_string()))))
            });
            let application = init_service(App::new().default_service(tower_service(reader))).await;
            let payload = dev::Payload::Stream { payload: pieces.boxed_local() };
            let request = TestRequest::post().to_request().replace_payload(payload).0;
            let answer = try_call_service(&application, request).await.unwrap();
            assert_eq!(to_bytes(answer.into_body()).await.unwrap(), "the body broke off");
        });
    }

    #[test]
    fn a_service_that_fails_is_500_without_details() {
        rt::System::new().block_on(async {
            let failing = Says(|_| future::ready(Err::<Response<Full<Bytes>>, _>("a secret")));
            let answer = send(tower_service(failing), TestRequest::get()).await;
            assert_eq!(answer.status().as_u16(), 500);
            let body = to_bytes(answer.into_body()).await.unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("secret"), "{body:?}");
        });
    }
}
