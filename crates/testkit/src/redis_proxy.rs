//! A way to a Redis server on which things go wrong.
//!
//! It does what a network, a proxy or a driver may do to a stream of bytes, and nothing that TCP rules out: what is lost in the
//! middle of a connection is lost with all that comes after it, and what arrives twice arrives twice as requests, because a
//! client that heard nothing sends again.

#![expect(clippy::expect_used, reason = "a proxy that cannot be set up fails the test by a panic")]

use std::fmt;
use std::io;
use std::iter::Sum;
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

/// How much went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Requests and replies that were held back.
    pub delayed: u64,
    /// Replies that never arrived; those after them on their connections are not counted.
    pub dropped: u64,
    /// Replies of which the half arrived.
    pub cut: u64,
    /// Requests that arrived twice.
    pub doubled: u64,
}

impl Sum for Done {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |one, other| Self {
            delayed: one.delayed + other.delayed,
            dropped: one.dropped + other.dropped,
            cut: one.cut + other.cut,
            doubled: one.doubled + other.doubled,
        })
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delayed, dropped, cut, doubled } = self;
        write!(f, "{delayed} held back, {dropped} replies dropped, {cut} cut, {doubled} requests doubled")
    }
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
    done: Mutex<Done>,
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
            done: Mutex::default(),
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

    /// What went wrong so far.
    #[must_use]
    pub fn so_far(&self) -> Done {
        *self.told.done.lock()
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

    fn did(&self, what: impl FnOnce(&mut Done) -> &mut u64) {
        *what(&mut self.done.lock()) += 1;
    }

    async fn delay(&self) {
        if self.happens(|mischief| mischief.delayed) {
            self.did(|done| &mut done.delayed);
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
        told.did(|done| &mut done.doubled);
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
        if silent {
            continue;
        }
        if told.happens(|mischief| mischief.dropped) {
            told.did(|done| &mut done.dropped);
            silent = true;
            continue;
        }
        told.delay().await;
        if told.happens(|mischief| mischief.cut) {
            told.did(|done| &mut done.cut);
            let half = reply.get(..length / 2).unwrap_or_default();
            return to.write_all(half).await;
        }
        to.write_all(reply).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Mischief = Mischief { delayed: 0, dropped: 0, cut: 0, doubled: 0 };
    const NONE: Done = Done { delayed: 0, dropped: 0, cut: 0, doubled: 0 };

    /// A server that says back what it hears, and hangs up when it hears "bye".
    struct Echo {
        proxy: RedisProxy,
        heard: Arc<Mutex<Vec<u8>>>,
    }

    impl Echo {
        async fn behind(mischief: Mischief) -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let proxy = RedisProxy::to(listener.local_addr().unwrap().port(), 1).await;
            proxy.does(mischief);
            let heard = Arc::<Mutex<Vec<u8>>>::default();
            let hearing = Arc::clone(&heard);
            tokio::spawn(async move {
                while let Ok((mut asked, _)) = listener.accept().await {
                    let heard = Arc::clone(&hearing);
                    tokio::spawn(async move {
                        let mut bytes = [0; 100];
                        while let Ok(length @ 1..) = asked.read(&mut bytes).await {
                            heard.lock().extend(&bytes[..length]);
                            if asked.write_all(&bytes[..length]).await.is_err() || bytes.starts_with(b"bye") {
                                return;
                            }
                        }
                    });
                }
            });
            Self { proxy, heard }
        }

        async fn asked(&self, what: &[u8]) -> TcpStream {
            let mut asking = TcpStream::connect((Ipv4Addr::LOCALHOST, self.proxy.port)).await.unwrap();
            asking.write_all(what).await.unwrap();
            asking
        }

        async fn hears(&self, what: &[u8]) {
            until(|| *self.heard.lock() == what).await;
        }
    }

    async fn until(yes: impl Fn() -> bool) {
        let coming = async {
            while !yes() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), coming).await.unwrap();
    }

    /// All that is ever heard on it.
    async fn rest(mut asking: TcpStream) -> Vec<u8> {
        let mut all = Vec::new();
        tokio::time::timeout(Duration::from_secs(60), asking.read_to_end(&mut all)).await.unwrap().unwrap();
        all
    }

    #[tokio::test]
    async fn nothing_goes_wrong_by_itself() {
        let echo = Echo::behind(NOTHING).await;
        assert_eq!(rest(echo.asked(b"bye").await).await, b"bye");
        echo.hears(b"bye").await;
        assert_eq!(echo.proxy.so_far(), NONE);
    }

    #[tokio::test]
    async fn what_is_delayed_arrives() {
        let echo = Echo::behind(Mischief { delayed: 1000, ..NOTHING }).await;
        assert_eq!(rest(echo.asked(b"bye").await).await, b"bye");
        echo.hears(b"bye").await;
        assert_eq!(echo.proxy.so_far(), Done { delayed: 2, ..NONE });
    }

    #[tokio::test]
    async fn what_is_dropped_is_lost_with_all_after_it() {
        let echo = Echo::behind(Mischief { dropped: 1000, ..NOTHING }).await;
        let mut asking = echo.asked(b"first").await;
        until(|| echo.proxy.so_far().dropped == 1).await;
        echo.proxy.does(NOTHING);
        asking.write_all(b"bye").await.unwrap();
        assert_eq!(rest(asking).await, b"");
        echo.hears(b"firstbye").await;
        assert_eq!(rest(echo.asked(b"bye").await).await, b"bye", "on another connection");
        assert_eq!(echo.proxy.so_far(), Done { dropped: 1, ..NONE });
    }

    #[tokio::test]
    async fn what_is_cut_ends_in_its_middle() {
        let echo = Echo::behind(Mischief { cut: 1000, ..NOTHING }).await;
        assert_eq!(rest(echo.asked(b"question").await).await, b"ques");
        echo.hears(b"question").await;
        assert_eq!(echo.proxy.so_far(), Done { cut: 1, ..NONE });
    }

    #[tokio::test]
    async fn what_is_doubled_is_heard_twice_and_answered_once() {
        let echo = Echo::behind(Mischief { doubled: 1000, ..NOTHING }).await;
        let mut asking = echo.asked(b"again").await;
        echo.hears(b"againagain").await;
        asking.write_all(b"bye").await.unwrap();
        assert_eq!(rest(asking).await, b"againbye");
        until(|| echo.proxy.so_far() == Done { doubled: 2, ..NONE }).await;
    }

    #[tokio::test]
    async fn all_connections_are_cut_that_are_there() {
        let echo = Echo::behind(NOTHING).await;
        let asking = echo.asked(b"first").await;
        echo.hears(b"first").await;
        echo.proxy.cut_all();
        assert!(matches!(&*rest(asking).await, b"" | b"first"));
        assert_eq!(rest(echo.asked(b"bye").await).await, b"bye");
    }
}
