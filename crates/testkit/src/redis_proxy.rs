//! A way to a Redis server on which things go wrong.
//!
//! It does what a network, a proxy or a driver may do to a stream of bytes, and nothing that TCP rules out: what is lost in the
//! middle of a connection is lost with all that comes after it, and what arrives twice arrives twice as requests, because a
//! client that heard nothing sends again.

#![expect(clippy::expect_used, reason = "a proxy that cannot be set up fails the test by a panic")]

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ambient::{Entropy, SeededEntropy};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How much goes wrong, in thousandths. By default nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mischief {
    /// Of requests, and of replies: they are held back for up to [`DELAY`].
    pub delayed: u16,
    /// Of replies: this one and all after it on its connection never arrive, and nobody is told.
    pub dropped: u16,
    /// Of replies: its first half arrives, and the connection ends.
    pub cut: u16,
    /// Of connections: all that is asked there is asked once more, a little earlier or later, and those replies are nobody's.
    pub doubled: u16,
}

/// The longest that something is held back.
pub const DELAY: Duration = Duration::from_millis(40);

/// Passes on what is sent to a Redis server, and does [`Mischief`] to it.
///
/// It ends with the runtime that it was started in.
#[derive(Debug)]
pub struct RedisProxy {
    port: u16,
    told: Arc<Told>,
}

#[derive(Debug)]
struct Told {
    server: u16,
    mischief: Mutex<Mischief>,
    dice: SeededEntropy,
    // The number of the last call of `cut_all`.
    cuts: watch::Sender<u64>,
}

impl RedisProxy {
    /// Leads to the server on this port of 127.0.0.1, honestly until it is told otherwise.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    pub async fn to(server: u16, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there are free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let told = Arc::new(Told {
            server,
            mischief: Mutex::default(),
            dice: SeededEntropy::new(seed),
            cuts: watch::Sender::new(0),
        });
        let telling = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let told = Arc::clone(&telling);
                tokio::spawn(async move {
                    let mut cuts = told.cuts.subscribe();
                    cuts.mark_unchanged();
                    tokio::select! {
                        // Whichever end closes, or breaks: the other is closed, too.
                        _ = pass(client, &told) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { port, told }
    }

    /// Its address, for a store.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What goes wrong from now on; connections are doubled from their beginnings or not at all.
    pub fn does(&self, mischief: Mischief) {
        *self.told.mischief.lock() = mischief;
    }

    /// Ends all connections.
    pub fn cut_all(&self) {
        self.told.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Told {
    /// Whether what happens in this many of a thousand cases happens now.
    fn happens(&self, which: impl FnOnce(Mischief) -> u16) -> bool {
        let often = which(*self.mischief.lock());
        let entropy: &dyn Entropy = &self.dice;
        often > 0 && u16::from_be_bytes(entropy.draw()) % 1000 < often
    }

    async fn delay(&self) {
        if self.happens(|mischief| mischief.delayed) {
            let entropy: &dyn Entropy = &self.dice;
            let [share] = entropy.draw();
            tokio::time::sleep(DELAY * u32::from(share) / 255).await;
        }
    }
}

async fn pass(client: TcpStream, told: &Told) -> io::Result<()> {
    let server = connect(told).await?;
    client.set_nodelay(true)?;
    let twin = if told.happens(|mischief| mischief.doubled) { Some(twin(told).await?) } else { None };
    let (mut asking, mut answered) = client.into_split();
    let (mut answering, mut asked) = server.into_split();
    tokio::select! {
        ended = requests(&mut asking, &mut asked, twin, told) => ended,
        ended = replies(&mut answering, &mut answered, told) => ended,
    }
}

async fn connect(told: &Told) -> io::Result<TcpStream> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, told.server)).await?;
    server.set_nodelay(true)?;
    Ok(server)
}

/// One more connection, whose replies nobody reads but this.
async fn twin(told: &Told) -> io::Result<OwnedWriteHalf> {
    let (mut replies, requests) = connect(told).await?.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut replies, &mut tokio::io::sink()).await });
    Ok(requests)
}

async fn requests(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut twin: Option<OwnedWriteHalf>,
    told: &Told,
) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut bytes).await?;
        let Some(request) = bytes.get(..length).filter(|request| !request.is_empty()) else { return Ok(()) };
        let Some(twin) = &mut twin else {
            told.delay().await;
            to.write_all(request).await?;
            continue;
        };
        let entropy: &dyn Entropy = &told.dice;
        if entropy.draw::<1>() < [128] {
            to.write_all(request).await?;
            told.delay().await;
            twin.write_all(request).await?;
        } else {
            twin.write_all(request).await?;
            told.delay().await;
            to.write_all(request).await?;
        }
    }
}

async fn replies(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    told: &Told,
) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    let mut silent = false;
    loop {
        let length = from.read(&mut bytes).await?;
        let Some(reply) = bytes.get(..length).filter(|reply| !reply.is_empty()) else { return Ok(()) };
        silent |= told.happens(|mischief| mischief.dropped);
        if silent {
            continue;
        }
        told.delay().await;
        if told.happens(|mischief| mischief.cut) {
            let half = reply.get(..length / 2).unwrap_or_default();
            return to.write_all(half).await;
        }
        to.write_all(reply).await?;
    }
}
