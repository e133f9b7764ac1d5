use std::net::Ipv4Addr;

use ambient::{ManualClock, Time};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_io::Peer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// More than the buffers of a connection take.
const LARGE: usize = 32 * 1024 * 1024;

/// Says that a request has come, and answers when it is told to.
#[derive(Default)]
pub(super) struct Slow {
    came: Notify,
    go_on: Notify,
    done: Notify,
}

#[async_trait]
impl Serve for Slow {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        if request.uri().path() == "/slow" {
            self.came.notify_one();
            self.go_on.notified().await;
            self.done.notify_one();
        }
        if request.uri().path() == "/large" {
            return Response::new(Bytes::from(vec![b'a'; LARGE]));
        }
        let said = format!("{:?} {}", peer.0, request.body().len());
        Response::builder().status(StatusCode::OK).body(Bytes::from(said)).unwrap()
    }
}

struct Running {
    address: SocketAddr,
    slow: Arc<Slow>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn running() -> Running {
    running_in(Room::of(1000)).await
}

async fn running_in(room: Room) -> Running {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let slow = Arc::new(Slow::default());
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve(slow.clone(), listener, room, stopped));
    Running { address, slow, stop, server }
}

async fn connect(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_request_in_flight_is_answered_after_the_server_was_told_to_stop() {
    let Running { address, slow, stop, server } = running().await;
    let idle = connect(address, "").await;
    let busy = connect(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.came.notified().await;
    stop.send(()).unwrap();
    // Nobody is let in any more, and who asks for nothing is let go, while the other one still waits.
    assert_eq!(rest(idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!server.is_finished());
    slow.go_on.notify_one();
    let answer = rest(busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("Some(127.0.0.1) 0"), "{answer}");
    server.await.unwrap();
}

/// RFC 9112 section 9.6.
#[tokio::test]
async fn who_closes_their_half_after_a_request_gets_its_answer() {
    let Running { address, slow, stop, server } = running().await;
    let mut busy = connect(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.came.notified().await;
    busy.shutdown().await.unwrap();
    // Two others come and go: by then the server has seen it.
    for _ in 0..2 {
        rest(connect(address, ASK).await).await;
    }
    slow.go_on.notify_one();
    let answer = rest(busy).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn who_owes_a_request_does_not_keep_the_server_from_stopping() {
    let Running { address, slow, stop, server } = running().await;
    let began = Instant::now();
    let busy = connect(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.came.notified().await;
    let half_a_head = connect(address, "GET / HT").await;
    let half_a_body = connect(address, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await;
    rest(connect(address, ASK).await).await;
    stop.send(()).unwrap();
    assert_eq!((rest(half_a_head).await, rest(half_a_body).await), (String::new(), String::new()));
    assert!(!server.is_finished());
    slow.go_on.notify_one();
    assert!(rest(busy).await.starts_with("HTTP/1.1 200"));
    server.await.unwrap();
    assert!(began.elapsed() < GRACE / 2, "{:?}", began.elapsed());
}

/// The system keeps for each connection what it keeps for its listener, and no limit of this process counts it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_system_keeps_of_requests_and_answers_is_bounded() {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let socket = TcpSocket::from_std_stream(stream.into_std().unwrap());
    let most = 2 * KEPT_BY_THE_SYSTEM;
    assert!(socket.recv_buffer_size().unwrap() <= most && socket.send_buffer_size().unwrap() <= most);
}

#[tokio::test]
async fn a_request_whose_client_is_gone_runs_to_its_end_and_the_server_waits_for_it() {
    let Running { address, slow, stop, server } = running().await;
    for _ in 0..2 {
        let busy = connect(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
        slow.came.notified().await;
        drop(busy);
    }
    // Two others come and go: by then the server has seen that nobody is there.
    for _ in 0..2 {
        rest(connect(address, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await).await;
    }
    slow.go_on.notify_one();
    slow.done.notified().await;
    stop.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.is_finished(), "one of them still runs");
    slow.go_on.notify_one();
    slow.done.notified().await;
    server.await.unwrap();
    assert_eq!(Arc::strong_count(&slow), 1, "the store would stay open");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_does_not_keep_the_server_from_stopping() {
    let Running { address, slow, stop, server } = running().await;
    let busy = connect(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.came.notified().await;
    stop.send(()).unwrap();
    server.await.unwrap();
    assert_eq!(rest(busy).await, "");
    assert_eq!(Arc::strong_count(&slow), 1, "the store would stay open");
}

#[tokio::test(start_paused = true)]
async fn a_head_or_body_that_does_not_arrive_holds_no_connection() {
    let Running { address, stop, server, .. } = running().await;
    for silent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let answer = rest(connect(address, silent).await).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{silent:?}: {answer}");
    }
    let half = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = rest(connect(address, half).await).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn a_head_of_more_than_32_kib_is_431() {
    let Running { address, stop, server, .. } = running().await;
    for (length, status) in [(31 * 1024, "HTTP/1.1 200"), (33 * 1024, "HTTP/1.1 431")] {
        let head = format!("GET /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "a".repeat(length));
        let answer = rest(connect(address, &head).await).await;
        assert!(answer.starts_with(status), "{length}: {answer}");
    }
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_holds_no_connection() {
    let Running { address, stop, server, .. } = running().await;
    let mut stream = connect(address, "GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
    // Time that is paused goes on when everybody waits.
    sleep(2 * Patience::default().client).await;
    let mut read = Vec::new();
    // Cut off, by an end or by a reset.
    let _ = stream.read_to_end(&mut read).await;
    assert!(read.starts_with(b"HTTP/1.1 200") && read.len() < LARGE, "{}", read.len());
    stop.send(()).unwrap();
    server.await.unwrap();
}

const ASK: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// What comes back, nothing if the server hangs up before.
async fn asked(mut stream: TcpStream) -> String {
    let mut read = Vec::new();
    let _ = stream.write_all(ASK.as_bytes()).await;
    let _ = stream.read_to_end(&mut read).await;
    String::from_utf8(read).unwrap()
}

// Only there the whole of 127.0.0.0/8 is this machine.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_host_with_idle_connections_shuts_nobody_else_out() {
    let stay = Duration::from_secs(600);
    let room = Room { each: 3, free: Vec::new(), stay, ..Room::of(8) };
    let Running { address, stop, server, .. } = running_in(room).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    for beyond in idle.drain(3..) {
        assert_eq!(rest(beyond).await, "", "hung up on");
    }
    let other = TcpSocket::new_v4().unwrap();
    other.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let answer = asked(other.connect(address).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(asked(TcpStream::connect(address).await.unwrap()).await, "");
    // Who lets one go may have another.
    drop(idle.pop());
    while asked(TcpStream::connect(address).await.unwrap()).await.is_empty() {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    server.await.unwrap();
}

/// As behind a proxy that is one address, or from a thousand of them.
#[tokio::test]
async fn when_all_places_are_taken_the_connection_that_waited_longest_is_closed_for_a_new_one() {
    let stay = Duration::from_millis(1);
    let Running { address, slow, stop, server } = running_in(Room { stay, ..Room::of(100) }).await;
    let busy = connect(address, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    slow.came.notified().await;
    let (mut idle, mut idle_since) = (Vec::new(), Vec::new());
    for _ in 0..99 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    for longest in idle.drain(..20) {
        let answer = asked(TcpStream::connect(address).await.unwrap()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // Who asked is gone; one more takes that place.
        idle_since.push(TcpStream::connect(address).await.unwrap());
        assert_eq!(rest(longest).await, "");
    }
    slow.go_on.notify_one();
    stop.send(()).unwrap();
    assert!(rest(busy).await.starts_with("HTTP/1.1 200"), "nobody is sent away who is worked for");
    server.await.unwrap();
}

/// Whoever is worked for stays, and one who asks the next thing with the one before would be worked for all the time.
#[tokio::test(start_paused = true)]
async fn who_asks_without_a_pause_makes_room_for_somebody_new() {
    let room = Room { each: 100, free: Vec::new(), spare: 0, ..Room::of(1) };
    let Running { address, stop, server, .. } = running_in(room).await;
    let (mut answers, mut asks) = connect(address, "").await.into_split();
    let asking = tokio::spawn(async move {
        let many = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
        while asks.write_all(many.as_bytes()).await.is_ok() {}
    });
    let reading = tokio::spawn(async move {
        let mut some = [0; 4096];
        while answers.read(&mut some).await.is_ok_and(|length| length > 0) {}
    });
    let answer = asked(TcpStream::connect(address).await.unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    reading.await.unwrap();
    asking.await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap();
}

/// RFC 9112 section 9.3: a connection is used again; most proxies keep one for a minute.
#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_between_requests_for_longer_than_a_head_may_take() {
    let Running { address, stop, server, .. } = running().await;
    let patience = Patience::default();
    for (said, kept) in [("", patience.idle), ("GET / HT", patience.client)] {
        let mut stream = connect(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut some = [0; 1024];
        assert!(stream.read(&mut some).await.unwrap() > 0);
        let began = Instant::now();
        stream.write_all(said.as_bytes()).await.unwrap();
        rest(stream).await;
        let took = began.elapsed();
        assert!(took >= kept && took < kept + Duration::from_secs(2), "{said:?}: {took:?}");
    }
    stop.send(()).unwrap();
    server.await.unwrap();
}

/// RFC 9112 sections 3.2, 6.1 and 6.3.
#[tokio::test]
async fn what_two_readers_could_read_as_two_requests_is_refused_and_nothing_after_it_is_read() {
    let Running { address, stop, server, .. } = running().await;
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let answer = rest(connect(address, &format!("{head}{ASK}")).await).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head}: {answer}");
    }
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_file_descriptors_it_neither_spins_nor_floods_the_log() {
    let (tries, began) = (std::cell::Cell::new(0), Instant::now());
    let clock = ManualClock::at(Time(0));
    let next = || {
        tries.set(tries.get() + 1);
        clock.advance(1);
        let answer = match tries.get() {
            1..=600 => Err(io::Error::from_raw_os_error(24)),
            _ => Ok("connection"),
        };
        std::future::ready(answer)
    };
    let lines = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let writer = Arc::clone(&lines);
    let log = tracing_subscriber::fmt().with_writer(move || Lines(Arc::clone(&writer))).finish();
    let guard = tracing::subscriber::set_default(log);
    assert_eq!(accept(next, &Complaints::new(), &clock).await, "connection");
    drop(guard);
    assert!(began.elapsed() >= Duration::from_secs(600));
    let text = String::from_utf8(lines.lock().clone()).unwrap();
    assert_eq!(text.lines().count(), 10, "{text}");
}

struct Lines(Arc<parking_lot::Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let first = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = first.local_addr().unwrap();
    let told = bind(address).unwrap_err().to_string();
    assert!(told.contains(&address.to_string()) && told.contains("--listen"), "{told}");
    let told = bind("192.0.2.1:8414".parse().unwrap()).unwrap_err().to_string();
    assert!(told.contains("not an address of this machine"), "{told}");
}
