//! A server that answers as a test wants it to.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Starts one that gives these answers to each command, in small letters, or else `OK`; its port.
pub(crate) async fn fake(answers: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let answers = Arc::clone(&answers);
            tokio::spawn(async move { serve(client, &*answers).await });
        }
    });
    port
}

/// An array of texts.
pub(crate) fn array(texts: &[&str]) -> String {
    let texts: String = texts.iter().map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
    format!("*{}\r\n{texts}", texts.matches('$').count())
}

async fn serve(client: TcpStream, answers: &(impl Fn(&str) -> Option<String> + Sync)) -> Option<()> {
    let (client, mut write) = client.into_split();
    let mut client = BufReader::new(client);
    loop {
        let mut words = Vec::new();
        for _ in 0..number(&mut client).await? {
            let mut word = vec![0; number(&mut client).await? + 2];
            client.read_exact(&mut word).await.ok()?;
            words.push(String::from_utf8_lossy(&word).trim_end().to_lowercase());
        }
        let answer = answers(&words.join(" ")).unwrap_or_else(|| "+OK\r\n".to_owned());
        write.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// How many there are of what comes next.
async fn number(client: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> Option<usize> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}
