//! Spans of a server that runs, as a collector receives them (OTLP 1 over HTTP; W3C Trace Context).
#![cfg(all(unix, feature = "otel"))]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of a test fail by a panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[test]
fn a_request_is_a_span_in_the_trace_of_its_caller_and_is_sent_before_the_end() {
    let collector = Collector::start();
    let server = Server::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.address))]);
    server.ask(
        "/oauth/authorize?client_id=cid_AAAAAAAAAAAAAAAAAAAAAA",
        &format!("traceparent: 00-{TRACE}-{CALLER}-01\r\ntracestate: stranger=says-so\r\n"),
    );
    server.end();

    let (head, spans) = collector.received.recv().unwrap();
    assert!(head.starts_with("POST /v1/traces "), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    let request = spans.iter().find(|span| span.name == "GET authorize").unwrap();
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, CALLER), "{spans:?}");
    assert_eq!(request.kind, 2, "a server span");
    for said in ["http.response.status_code", "http.route", "portcullis.request_id"] {
        assert!(request.attributes.iter().any(|name| name == said), "{request:?}");
    }
    let below = spans.iter().find(|span| span.parent == request.id).unwrap();
    assert!(below.name == "store read" && below.trace == TRACE, "{below:?}");
    assert!(!spans.iter().any(|span| span.raw.contains("stranger")), "a tracestate is a stranger's text");
}

#[test]
fn what_the_caller_does_not_sample_is_not_sent_and_what_has_no_caller_has_a_trace_of_its_own() {
    let collector = Collector::start();
    let endpoint = format!("http://{}/v1/traces", collector.address);
    let server = Server::start(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint),
        ("OTEL_SERVICE_NAME", "the-gate"),
        // The log has its own level.
        ("PORTCULLIS_LOG", "error"),
    ]);
    server.ask("/ready", &format!("traceparent: 00-{TRACE}-{CALLER}-00\r\n"));
    server.ask("/ready", "");
    server.end();

    let (_, spans) = collector.received.recv().unwrap();
    let requests: Vec<_> = spans.iter().filter(|span| span.name == "GET operations").collect();
    assert_eq!(requests.len(), 1, "{spans:?}");
    assert!(requests[0].trace != TRACE && requests[0].parent.is_empty(), "{spans:?}");
    assert!(spans[0].resource.contains("the-gate"));
    assert!(spans.iter().all(|span| span.trace != TRACE), "{spans:?}");
}

#[derive(Debug, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    attributes: Vec<String>,
    raw: String,
    resource: String,
}

/// A collector that takes one batch.
struct Collector {
    address: SocketAddr,
    received: Receiver<(String, Vec<Span>)>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (send, received) = channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let (head, length) = head_of(&mut stream);
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let answer =
                b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            let _ = send.send((head, spans_of(&body)));
        });
        Self { address, received }
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["serve", "--store", "memory", "--listen", "127.0.0.1:0"])
            .env_clear()
            // It goes when the server ends: nothing is sent before.
            .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("it does not start: {line}")), child }
    }

    fn ask(&self, path: &str, fields: &str) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{fields}\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }

    fn end(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn head_of(stream: &mut BufReader<TcpStream>) -> (String, usize) {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if line == "\r\n" {
            return (head, length);
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
}

/// The spans of an `ExportTraceServiceRequest` (opentelemetry/proto/collector/trace/v1/trace_service.proto).
fn spans_of(request: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in messages(request, 1) {
        let resource = messages(of_resource, 1).concat();
        for of_scope in messages(of_resource, 2) {
            for raw in messages(of_scope, 2) {
                let hex = |number| -> String {
                    messages(raw, number).concat().iter().map(|byte| format!("{byte:02x}")).collect()
                };
                let attributes = messages(raw, 9).into_iter().map(|pair| text(&messages(pair, 1).concat()));
                spans.push(Span {
                    trace: hex(1),
                    id: hex(2),
                    parent: hex(4),
                    name: text(&messages(raw, 5).concat()),
                    kind: fields(raw)
                        .into_iter()
                        .find_map(|(number, field)| match field {
                            Field::Number(kind) if number == 6 => Some(kind),
                            Field::Number(_) | Field::Bytes(_) => None,
                        })
                        .unwrap_or_default(),
                    attributes: attributes.collect(),
                    raw: text(raw),
                    resource: text(&resource),
                });
            }
        }
    }
    spans
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

fn messages(of: &[u8], number: u64) -> Vec<&[u8]> {
    let named = fields(of).into_iter().filter(|(own, _)| *own == number);
    named.filter_map(|(_, field)| if let Field::Bytes(bytes) = field { Some(bytes) } else { None }).collect()
}

/// The fields of a message in protobuf's wire format.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            kind @ (1 | 5) => Field::Bytes(take(&mut bytes, if kind == 1 { 8 } else { 4 })),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                Field::Bytes(take(&mut bytes, length))
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> &'b [u8] {
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    head
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}
