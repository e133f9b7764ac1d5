//! A way to a server that can lose what is on it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on, but for what it is told to lose.
pub(crate) struct Proxy {
    port: u16,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    loses_reply: AtomicBool,
    requests: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let orders = Arc::new(Orders::default());
        let told = Arc::clone(&orders);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&told)));
            }
        });
        Self { port, orders }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The next reply is read and thrown away, and the connection ends.
    pub(crate) fn lose_the_next_reply(&self) {
        self.orders.loses_reply.store(true, Ordering::SeqCst);
    }

    /// Whether it still has to.
    pub(crate) fn has_lost_it(&self) -> bool {
        !self.orders.loses_reply.load(Ordering::SeqCst)
    }

    /// How many times a client has written something.
    pub(crate) fn requests(&self) -> usize {
        self.orders.requests.load(Ordering::SeqCst)
    }
}

async fn pass(mut client: TcpStream, server: u16, orders: Arc<Orders>) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                orders.requests.fetch_add(1, Ordering::SeqCst);
                if server.write_all(&asked[..length]).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if orders.loses_reply.swap(false, Ordering::SeqCst) { return }
                if client.write_all(&answered[..length]).await.is_err() { return }
            }
        }
    }
}
