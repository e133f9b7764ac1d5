//! What a proxy and a server behind it could read as different requests (RFC 9112 section 11.2), and other shapes than the usual one.

use crate::server::Server;
use crate::wire::{answered, statuses};

/// What is smuggled would be answered 200.
const SMUGGLED: &str = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// What reaches the router is answered 404.
const POST: &str = "POST /nothing HTTP/1.1\r\nhost: a\r\n";

/// Bytes, and the statuses of all that is answered until the connection is closed.
type Case = (String, &'static [u16]);

async fn hold(cases: Vec<Case>) {
    let server = Server::start().await;
    let mut wrong = Vec::new();
    for (bytes, expected) in cases {
        let said = statuses(&answered(server.address(), bytes.as_bytes()).await);
        if said != expected {
            wrong.push(format!("{bytes:?}: {said:?}, and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Refused, or read in the one way that there is, after which nothing of the connection is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_twice_how_long_it_is_smuggles_nothing() {
    let with = |lines: &str, body: &str| format!("{POST}{lines}\r\n{body}{SMUGGLED}");
    hold(vec![
        // By the coding, and closed (RFC 9112 section 6.3).
        (with("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), &[404]),
        (with("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n"), &[404]),
        (with("transfer-encoding: chunked\r\ncontent-length: x\r\n", "0\r\n\r\n"), &[404]),
        (with("content-length: 4\r\ncontent-length: 5\r\n", "aaaaa"), &[400]),
        (with("content-length: 0\r\ncontent-length: 5\r\n", ""), &[400]),
        // The same length twice is that length.
        (with("content-length: 5\r\ncontent-length: 5\r\n", "aaaaa"), &[404, 200]),
        (with("content-length: 5, 5\r\n", "aaaaa"), &[400]),
        (with("content-length: 5, 6\r\n", "aaaaa"), &[400]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_is_digits_and_a_coding_is_chunked() {
    let mut cases = vec![(format!("{POST}content-length:\t5 \r\n\r\naaaaa{SMUGGLED}"), &[404, 200][..])];
    for length in ["+5", "-5", "0x5", "5 5", "5e0", "five", "", "\"5\"", "5;", "18446744073709551616"] {
        cases.push((format!("{POST}content-length: {length}\r\n\r\naaaaa{SMUGGLED}"), &[400]));
    }
    for coding in ["chunked", "Chunked", "\tchunked "] {
        cases.push((format!("{POST}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n{SMUGGLED}"), &[404, 200]));
    }
    for coding in [
        "xchunked",
        "chunkedx",
        "\"chunked\"",
        "'chunked'",
        "chunked;q=1",
        "\u{b}chunked",
        "identity",
        "gzip",
        "",
        "gzip, chunked",
        "identity, chunked",
        "chunked, identity",
        "chunked, chunked",
        "chunked\r\ntransfer-encoding: identity",
        "identity\r\ntransfer-encoding: chunked",
        "chunked\r\ntransfer-encoding: chunked",
    ] {
        cases.push((format!("{POST}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n{SMUGGLED}"), &[400]));
    }
    // HTTP/1.0 knows of none (RFC 9112 section 6.1).
    let old = POST.replace("1.1", "1.0");
    cases.push((format!("{old}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"), &[400]));
    hold(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_is_a_name_a_colon_and_a_value_in_one_line() {
    let mut cases = Vec::new();
    for lines in [
        "transfer-encoding : chunked\r\n",
        "transfer-encoding\t: chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "transfer-encoding:\r\n\tchunked\r\n",
        "x: a\r\n b\r\n",
        "x: a\rtransfer-encoding: chunked\r\n",
        "x: a\0b\r\n",
        "x\0: a\r\n",
        "x: a\u{7f}\r\n",
        "x y: a\r\n",
        "x\r\n",
        ": a\r\n",
        "(x): a\r\n",
        "x\u{e9}: a\r\n",
    ] {
        cases.push((format!("{POST}{lines}\r\n0\r\n\r\n{SMUGGLED}"), &[400][..]));
    }
    // RFC 9112 section 2.2 lets a line end so, which then ends everywhere.
    cases.push((format!("{POST}content-length: 5\n\naaaaa{SMUGGLED}"), &[404, 200]));
    hold(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_is_hexadecimal_digits_and_as_many_bytes() {
    let chunked = |body: &str| format!("{POST}transfer-encoding: chunked\r\n\r\n{body}{SMUGGLED}");
    let mut cases = vec![
        (chunked("5\r\naaaaa\r\n0\r\n\r\n"), &[404, 200][..]),
        (chunked("5;x=\"y\"\r\naaaaa\r\n0\r\n\r\n"), &[404, 200]),
        (chunked("05\r\naaaaa\r\n000\r\nx: trailer\r\n\r\n"), &[404, 200]),
    ];
    for body in [
        "g\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "\r\na\r\n0\r\n\r\n",
        "1 1\r\na\r\n0\r\n\r\n",
        "1\r\naa\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\rXa\r\n0\r\n\r\n",
        "1\na\n0\n\n",
        "1;x\ny\r\na\r\n0\r\n\r\n",
        "10000000000000001\r\na\r\n0\r\n\r\n",
    ] {
        cases.push((chunked(body), &[400]));
    }
    hold(cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_line_is_a_method_a_target_and_a_version() {
    let asked = |line: &str| format!("{line}\r\nhost: a\r\nconnection: close\r\n\r\n");
    let mut cases = vec![
        // RFC 9112 section 2.2: an empty line before it is nothing.
        (asked("\r\nGET /health HTTP/1.1"), &[200][..]),
        (asked("GET /health HTTP/1.0"), &[200]),
        // The proxy's form, whoever it names (section 3.2.2).
        (asked("GET http://other.example/health HTTP/1.1"), &[200]),
        (asked("GET https://other.example:1/health HTTP/1.1"), &[200]),
        (asked("OPTIONS * HTTP/1.1"), &[404]),
        (asked("GET //health HTTP/1.1"), &[404]),
        (asked("GET /health/../nothing HTTP/1.1"), &[404]),
        (asked("get /health HTTP/1.1"), &[405]),
        // This is no proxy.
        (asked("CONNECT auth.example.com:443 HTTP/1.1"), &[501]),
    ];
    for line in [
        "GET auth.example.com:443 HTTP/1.1",
        "GET /health",
        "GET /health HTTP/0.9",
        "GET /health HTTP/2.0",
        "GET /health HTTP/11",
        "GET /health http/1.1",
        "GET /health HTTP/1.1 ",
        "GET  /health HTTP/1.1",
        "GET\t/health\tHTTP/1.1",
        " GET /health HTTP/1.1",
        "GET /health\0 HTTP/1.1",
        "GET /he\u{7f}alth HTTP/1.1",
        "G(T /health HTTP/1.1",
        "/health HTTP/1.1",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}",
    ] {
        cases.push((asked(line), &[400]));
    }
    // Of HTTP/0.9 there is nothing but the line.
    cases.push(("GET /health\r\n".to_owned(), &[400]));
    // What HTTP/2 begins with.
    cases.push(("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(), &[]));
    hold(cases).await;
}

/// RFC 9112 section 3.2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_named_once() {
    let asked = |hosts: &str| format!("GET /health HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
    hold(vec![
        (asked("host: a\r\n"), &[200]),
        (asked("host:\r\n"), &[200]),
        (asked(""), &[400]),
        (asked("host: a\r\nhost: b\r\n"), &[400]),
        (asked("host: a\r\nhost: a\r\n"), &[400]),
        (asked("host: a, b\r\n"), &[400]),
        (asked("host: ada@a\r\n"), &[400]),
        ("GET /health HTTP/1.0\r\n\r\n".to_owned(), &[200]),
    ])
    .await;
}

/// RFC 9110 sections 7.8 and 10.1.1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_before_the_request_is_answered_or_passed_over() {
    let asked = |lines: &str| format!("{POST}{lines}connection: close\r\n");
    hold(vec![
        (asked("expect: 100-continue\r\ncontent-length: 1\r\n") + "\r\na", &[100, 404]),
        (asked("expect: 100-continue\r\ncontent-length: 65537\r\n") + "\r\n", &[413]),
        (asked("expect: 100-continue\r\n") + "\r\n", &[404]),
        (asked("expect: a cake\r\ncontent-length: 1\r\n") + "\r\na", &[404]),
        (asked("upgrade: websocket\r\nconnection: upgrade\r\n") + "\r\n", &[404]),
        (
            asked("upgrade: h2c\r\nhttp2-settings: \r\nconnection: upgrade, http2-settings\r\n") + "\r\n",
            &[404],
        ),
    ])
    .await;
}
