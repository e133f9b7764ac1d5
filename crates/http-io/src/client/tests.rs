use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

const LIMITS: Limits = Limits { body: 1000, time: Duration::from_secs(60) };
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a server does once it has read the head of a request.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends this and closes.
    Whole(&'static str),
    /// Sends this and then nothing, without closing.
    Stalled(&'static str),
    /// Sends this head and then chunks for as long as somebody reads them.
    Endless(&'static str),
}

/// A server on a free port of loopback, and the heads of the requests that reach it.
async fn server(answer: Answer) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hears) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, answer, heard.clone()));
        }
    });
    (port, hears)
}

async fn talk(mut stream: TcpStream, answer: Answer, heard: mpsc::UnboundedSender<String>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let _ = heard.send(String::from_utf8_lossy(&head).into_owned());
    match answer {
        Answer::Whole(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        }
        Answer::Stalled(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.read_u8().await.map(drop)
        }
        Answer::Endless(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b"4\r\naaaa\r\n").await?;
            }
        }
    }
}

/// Answers one of these for any name, and the last one from then on; and counts.
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Resolver for Scripted {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.get(turn).or_else(|| self.answers.last());
        answer.cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

fn scripted(guard: Guard, answers: &[&[&str]]) -> (Client, Arc<Scripted>) {
    let parsed = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
    let resolver =
        Arc::new(Scripted { answers: answers.iter().map(parsed).collect(), asked: AtomicUsize::new(0) });
    (Client::with_resolver(guard, resolver.clone()).unwrap(), resolver)
}

fn strict() -> Client {
    Client::new(Guard::public_only()).unwrap()
}

fn opened() -> Client {
    Client::new(Guard::public_only().dangerous_loopback()).unwrap()
}

async fn get(client: &Client, uri: &str, limits: Limits) -> Result<Response<Bytes>, FetchError> {
    // The limit of the test, so that a missing limit of the client fails it.
    tokio::time::timeout(LIMITS.time, client.fetch(Request::get(uri).body(Bytes::new()).unwrap(), limits))
        .await
        .unwrap()
}

async fn refused(client: &Client, uri: &str) -> Refused {
    match get(client, uri, LIMITS).await {
        Err(FetchError::Refused(rule)) => rule,
        other => panic!("{uri} is not refused: {other:?}"),
    }
}

async fn asked(answer: Answer, limits: Limits) -> Result<Response<Bytes>, FetchError> {
    let (port, _hears) = server(answer).await;
    get(&opened(), &format!("http://127.0.0.1:{port}/"), limits).await
}

#[tokio::test]
async fn a_request_arrives_as_it_was_given_and_the_answer_comes_back() {
    let (port, mut hears) =
        server(Answer::Whole("HTTP/1.1 404 Not Found\r\nX-A: b\r\nContent-Length: 2\r\n\r\nno")).await;
    let request = Request::post(format!("http://localhost:{port}/a?b=c"))
        .header("authorization", "Bearer x")
        .body(Bytes::from_static(b"body"))
        .unwrap();
    let response = opened().fetch(request, LIMITS).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["x-a"], "b");
    assert_eq!(response.body().as_ref(), b"no");
    let head = hears.recv().await.unwrap();
    assert!(head.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer x\r\n") && head.contains("content-length: 4\r\n"), "{head}");
}

/// CL-16, and RFC 8414 readers that would be led elsewhere; AS-42.
#[tokio::test]
async fn a_redirect_is_returned_and_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n";
    let (port, mut hears) = server(Answer::Whole(answer)).await;
    let client = opened();
    for _ in 0..2 {
        let response = get(&client, &format!("http://127.0.0.1:{port}/here"), LIMITS).await.unwrap();
        assert_eq!(response.status(), StatusCode::FOUND);
        assert_eq!(response.headers()[header::LOCATION], "/elsewhere");
        let head = hears.recv().await.unwrap();
        assert!(head.starts_with("GET /here ") && !head.contains("cookie"), "{head}");
    }
    assert!(hears.try_recv().is_err(), "somebody went elsewhere");
}

#[tokio::test]
async fn a_body_that_announces_too_much_or_never_ends_is_too_large() {
    let exact = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\naaaa";
    let limits = Limits { body: 4, ..LIMITS };
    assert_eq!(asked(Answer::Whole(exact), limits).await.unwrap().body().len(), 4);
    // Nothing of the body is waited for: the rest never comes.
    let announced = Answer::Stalled("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(asked(announced, limits).await.unwrap_err(), FetchError::TooLarge);
    let endless = Answer::Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(asked(endless, LIMITS).await.unwrap_err(), FetchError::TooLarge);
    let to_the_end = Answer::Whole("HTTP/1.1 200 OK\r\n\r\naaaaa");
    assert_eq!(asked(to_the_end, limits).await.unwrap_err(), FetchError::TooLarge);
}

#[tokio::test]
async fn a_head_or_a_body_that_stalls_is_timed_out() {
    let limits = Limits { time: Duration::from_millis(200), ..LIMITS };
    for stalled in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\naaaa"] {
        assert_eq!(
            asked(Answer::Stalled(stalled), limits).await.unwrap_err(),
            FetchError::TimedOut,
            "{stalled}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_malformed_and_what_breaks_off_is_unreachable() {
    for garbage in ["SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
    {
        assert_eq!(
            asked(Answer::Whole(garbage), LIMITS).await.unwrap_err(),
            FetchError::Malformed,
            "{garbage}"
        );
    }
    let broken = FetchError::Unreachable(Unreached::Interrupted);
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\naaaa"] {
        assert_eq!(asked(Answer::Whole(part), LIMITS).await.unwrap_err(), broken, "{part}");
    }
}

#[tokio::test]
async fn how_far_a_request_came_is_told_apart() {
    let (client, _) = scripted(Guard::public_only(), &[]);
    let name = get(&client, "https://nobody.example/", LIMITS).await.unwrap_err();
    assert_eq!(name, FetchError::Unreachable(Unreached::Name));
    let free = TcpListener::bind((LOOPBACK, 0)).await.unwrap().local_addr().unwrap().port();
    let nothing = get(&opened(), &format!("http://127.0.0.1:{free}/"), LIMITS).await.unwrap_err();
    assert_eq!(nothing, FetchError::Unreachable(Unreached::Connection));
    let plain = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
        stream.read_u8().await
    });
    let tls = get(&opened(), &format!("https://127.0.0.1:{port}/"), LIMITS).await.unwrap_err();
    assert_eq!(tls, FetchError::Unreachable(Unreached::Tls));
}

/// The resolver is not asked for them. In whatever notation: the address is that which would be dialled.
#[tokio::test]
async fn literals_are_judged_before_anything_is_sent() {
    let (port, mut hears) = server(Answer::Whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let client = strict();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:7f00:1]",
    ] {
        assert_eq!(refused(&client, &format!("https://{host}:{port}/")).await, Refused::Loopback, "{host}");
    }
    for (host, rule) in [
        ("10.0.0.1", Refused::Private),
        ("[fd00::1]", Refused::Private),
        ("169.254.169.254", Refused::Special),
        ("0.0.0.0", Refused::Special),
        ("[::]", Refused::Special),
        ("[64:ff9b::7f00:1]", Refused::Special),
    ] {
        assert_eq!(refused(&client, &format!("https://{host}:{port}/")).await, rule, "{host}");
        assert_eq!(refused(&opened(), &format!("https://{host}:{port}/")).await, rule, "{host}");
    }
    assert!(hears.try_recv().is_err(), "something was sent");
}

#[tokio::test]
async fn only_https_without_credentials_is_sent_for() {
    let client = strict();
    for (uri, rule) in [
        ("http://127.0.0.1/", Refused::Scheme),
        ("http://service.example/", Refused::Scheme),
        ("ftp://service.example/", Refused::Scheme),
        ("https://user@service.example/", Refused::Credentials),
        ("https://:secret@service.example/", Refused::Credentials),
        ("https://256.256.256.256/", Refused::Url),
        ("/relative", Refused::Url),
    ] {
        assert_eq!(refused(&client, uri).await, rule, "{uri}");
    }
    assert_eq!(refused(&opened(), "http://8.8.8.8/").await, Refused::Scheme);
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused() {
    for (answer, rule) in [
        (["127.0.0.1"], Refused::Loopback),
        (["::ffff:127.0.0.1"], Refused::Loopback),
        (["192.168.0.1"], Refused::Private),
        (["169.254.169.254"], Refused::Special),
    ] {
        let (client, resolver) = scripted(Guard::public_only(), &[&answer]);
        assert_eq!(refused(&client, "https://service.example/").await, rule, "{answer:?}");
        assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    }
    let (client, _) = scripted(Guard::public_only(), &[&["10.0.0.1", "127.0.0.1"]]);
    assert_eq!(refused(&client, "https://service.example/").await, Refused::Private);
    assert_eq!(refused(&strict(), "https://localhost/").await, Refused::Loopback);
}

#[tokio::test]
async fn plain_http_to_a_name_goes_only_to_what_a_danger_opened() {
    let (client, _) = scripted(Guard::public_only().dangerous_loopback(), &[&["8.8.8.8"]]);
    assert_eq!(refused(&client, "http://service.example/").await, Refused::Scheme);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_are_dialled() {
    let (port, mut hears) = server(Answer::Whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let (client, _) =
        scripted(Guard::public_only().dangerous_loopback(), &[&["10.0.0.1", "169.254.1.1", "127.0.0.1"]]);
    get(&client, &format!("http://service.example:{port}/"), LIMITS).await.unwrap();
    assert!(hears.recv().await.unwrap().contains(&format!("host: service.example:{port}\r\n")));
}

#[test]
fn an_address_that_may_not_be_dialled_does_not_hide_behind_one_that_may() {
    let found: Vec<IpAddr> = ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1", "169.254.169.254"]
        .map(|address| address.parse().unwrap())
        .to_vec();
    let left: Vec<_> = dialled(&found, |address| Guard::public_only().address(address)).unwrap().collect();
    assert_eq!(left.iter().map(SocketAddr::ip).collect::<Vec<_>>(), [found[1], found[3]]);
}

/// The address that was judged is the one that is dialled: each connection resolves once and is judged anew.
#[tokio::test]
async fn a_name_that_changes_its_meaning_gains_nothing() {
    let (port, _hears) =
        server(Answer::Whole("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")).await;
    let (client, resolver) =
        scripted(Guard::public_only().dangerous_loopback(), &[&["127.0.0.1"], &["10.0.0.1"]]);
    let uri = format!("http://service.example:{port}/");
    get(&client, &uri, LIMITS).await.unwrap();
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 1);
    assert_eq!(refused(&client, &uri).await, Refused::Private);
    assert_eq!(resolver.asked.load(Ordering::Relaxed), 2);
}

/// The variables are set for a process of its own, which runs the test below.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    let (proxy, mut proxied) =
        server(Answer::Whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy")).await;
    let (port, mut hears) = server(Answer::Whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let proxy = format!("http://127.0.0.1:{proxy}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "client::tests::one_request_where_the_environment_says"])
        .env(WHERE, port.to_string());
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env(variable, &proxy);
    }
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    assert!(hears.recv().await.unwrap().starts_with("GET /direct "));
    assert!(proxied.try_recv().is_err(), "the proxy was asked");
}

const WHERE: &str = "PORTCULLIS_TEST_FETCH_PORT";

#[tokio::test]
async fn one_request_where_the_environment_says() {
    let port = match std::env::var(WHERE) {
        Ok(port) => port,
        Err(_) => server(Answer::Whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await.0.to_string(),
    };
    let response = get(&opened(), &format!("http://127.0.0.1:{port}/direct"), LIMITS).await.unwrap();
    assert_eq!(response.body().len(), 0);
}
