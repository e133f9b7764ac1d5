//! What a write that was under way when the power failed leaves in SQLite's write-ahead log.
//!
//! The end of the log is seldom the end of its file: from time to time it starts over, and what it was before stays behind it. It is
//! where the frames end whose salts and checksums go on from its header: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::clients::Dice;

/// Bytes before the first frame, and in a frame before its page.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What is left behind the last commit, which was answered or may have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Torn {
    /// What is there anyway.
    Nothing,
    /// A frame that is there already, once more, as far as it came.
    Frame(usize),
    /// What was on the disk before.
    Noise(usize),
    /// So many good frames of a commit, and the half of its last one.
    Commit(usize),
    /// The log was about to start over: so many bytes of its next header. All of it is in the database by then.
    Header(usize),
}

impl Torn {
    /// One after the other; most of them tear something.
    pub(crate) fn of(number: usize, dice: &Dice) -> Self {
        match number % 5 {
            0 => Self::Frame(1 + dice.below(9000)),
            1 => Self::Commit(dice.below(4)),
            2 => Self::Noise(1 + dice.below(9000)),
            // Shorter ones are the same in both.
            3 => Self::Header(16 + dice.below(HEADER - 16)),
            _ => Self::Nothing,
        }
    }

    /// Does it to the log beside a database that nobody has open.
    pub(crate) fn tear(self, database: &Path) -> Tears {
        if matches!(self, Self::Header(_)) {
            bring_home(database);
        }
        let path = log_of(database);
        let bytes = std::fs::read(&path).unwrap();
        let log = Log::read(&bytes);
        let (at, left) = match self {
            Self::Nothing => return Tears::default(),
            Self::Frame(length) => (log.end, first(length, log.frame(HEADER)).to_vec()),
            Self::Noise(length) => (log.end, noise(length)),
            Self::Commit(whole) => (log.end, log.next_commit(whole)),
            Self::Header(length) => (0, first(length, &log.next_header()).to_vec()),
        };
        File::options().write(true).open(path).unwrap().write_all_at(&left, at as u64).unwrap();
        let torn = bytes.get(at..at + left.len()) != Some(&left);
        Tears { torn: usize::from(torn), amid: usize::from(torn && at < bytes.len()) }
    }
}

/// What was torn so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tears {
    /// Logs.
    pub(crate) torn: usize,
    /// Those whose file goes on there, with what was in it before the log started over.
    pub(crate) amid: usize,
}

impl Tears {
    pub(crate) const fn and(self, other: Self) -> Self {
        Self { torn: self.torn + other.torn, amid: self.amid + other.amid }
    }
}

impl fmt::Display for Tears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { torn, amid } = self;
        write!(f, "{torn} logs torn, {amid} of them before the end of the file")
    }
}

pub(crate) fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

/// Has all of the log written to the database, and leaves the log as it is.
fn bring_home(database: &Path) {
    let connection = Connection::open(database).unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    let (busy, frames, home): (i64, i64, i64) = connection
        .query_row("PRAGMA wal_checkpoint(FULL)", (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert!(busy == 0 && frames == home, "{home} of {frames} frames are in the database");
}

/// A log as its recovery reads it.
struct Log<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// Of a frame with its page, in bytes.
    frame: usize,
    /// Where the last commit ends.
    end: usize,
    /// The checksum of all before that.
    sum: [u32; 2],
}

impl<'a> Log<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        let header = bytes.get(..HEADER).unwrap();
        let big_endian = word(header) & 1 == 1;
        let mut log = Self {
            bytes,
            big_endian,
            frame: FRAME_HEADER + word(&header[8..]) as usize,
            end: HEADER,
            sum: [0; 2],
        };
        log.sum = log.summed([0; 2], &header[..24]);
        assert_eq!(log.sum, words(&header[24..]), "it has a header");
        let (mut at, mut sum) = (log.end, log.sum);
        while let Some(frame) = bytes.get(at..at + log.frame).filter(|frame| frame[8..16] == header[16..24]) {
            sum = log.summed(log.summed(sum, &frame[..8]), &frame[FRAME_HEADER..]);
            if sum != words(&frame[16..24]) {
                break;
            }
            at += log.frame;
            // The last one of a commit says how many pages the database has.
            if word(&frame[4..]) != 0 {
                (log.end, log.sum) = (at, sum);
            }
        }
        log
    }

    fn frame(&self, at: usize) -> &'a [u8] {
        first(self.frame, self.bytes.get(at..).unwrap_or_default())
    }

    /// So many frames that go on from the end, and one that ends a commit, of which the half has come.
    fn next_commit(&self, whole: usize) -> Vec<u8> {
        let (mut all, mut sum) = (Vec::new(), self.sum);
        for n in 0..=whole {
            let page = noise(self.frame - FRAME_HEADER);
            let mut frame = Vec::from((n as u32 + 1).to_be_bytes());
            frame.extend(if n == whole { 100_u32 } else { 0 }.to_be_bytes());
            sum = self.summed(self.summed(sum, &frame), &page);
            frame.extend(&self.bytes[16..24]);
            frame.extend(sum.iter().flat_map(|word| word.to_be_bytes()));
            frame.extend(page);
            all.extend(frame);
        }
        all.truncate(all.len() - self.frame / 2);
        all
    }

    /// With the next number, and other salts.
    fn next_header(&self) -> Vec<u8> {
        let mut header = self.bytes[..24].to_vec();
        for at in [12, 16, 20] {
            let next = word(&header[at..]).wrapping_add(1);
            header[at..at + 4].copy_from_slice(&next.to_be_bytes());
        }
        let sum = self.summed([0; 2], &header);
        header.extend(sum.iter().flat_map(|word| word.to_be_bytes()));
        header
    }

    fn summed(&self, [mut one, mut other]: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        for pair in bytes.chunks_exact(8) {
            let [left, right] =
                words(pair).map(|word| if self.big_endian { word } else { word.swap_bytes() });
            one = one.wrapping_add(left).wrapping_add(other);
            other = other.wrapping_add(right).wrapping_add(one);
        }
        [one, other]
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

fn words(bytes: &[u8]) -> [u32; 2] {
    [word(bytes), word(&bytes[4..])]
}

fn first(length: usize, bytes: &[u8]) -> &[u8] {
    bytes.get(..length).unwrap_or(bytes)
}

fn noise(length: usize) -> Vec<u8> {
    (1..=length).map(|n| (n * n % 251) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with so many rows, as SIGKILL leaves it: with its log.
    struct Killed {
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Killed {
        fn with(rows: usize) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (written, path) = (folder.path().join("written.db"), folder.path().join("killed.db"));
            let connection = Connection::open(&written).unwrap();
            let mode: String =
                connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
            connection.pragma_update(None, "synchronous", "off").unwrap();
            connection.execute("CREATE TABLE rows (row BLOB)", ()).unwrap();
            for _ in 0..rows {
                connection.execute("INSERT INTO rows VALUES (randomblob(600))", ()).unwrap();
            }
            std::fs::copy(&written, &path).unwrap();
            std::fs::copy(log_of(&written), log_of(&path)).unwrap();
            Self { path, _folder: folder }
        }

        fn log(&self) -> Vec<u8> {
            std::fs::read(log_of(&self.path)).unwrap()
        }

        fn open(&self) -> Connection {
            Connection::open(&self.path).unwrap()
        }

        fn rows(&self) -> usize {
            let connection = self.open();
            let whole: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
            assert_eq!(whole, "ok");
            connection.query_row("SELECT count(*) FROM rows", (), |row| row.get::<_, i64>(0)).unwrap()
                as usize
        }
    }

    /// Of a log that never started over, and of one that did and has older frames behind it.
    const ROWS: [usize; 2] = [200, 1000];

    #[test]
    fn the_end_is_where_sqlite_finds_it() {
        for (rows, amid) in ROWS.into_iter().zip([false, true]) {
            let killed = Killed::with(rows);
            let bytes = killed.log();
            let log = Log::read(&bytes);
            assert_eq!(log.end < bytes.len(), amid, "{rows} rows");
            let frames = (log.end - HEADER) / log.frame;
            let found: i64 =
                killed.open().query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| row.get(1)).unwrap();
            assert_eq!(found as usize, frames, "{rows} rows");
        }
    }

    #[test]
    fn whatever_is_torn_all_that_was_committed_is_there() {
        let tears = [
            Torn::Nothing,
            Torn::Frame(1),
            Torn::Frame(9000),
            Torn::Noise(1),
            Torn::Noise(9000),
            Torn::Commit(0),
            Torn::Commit(3),
            Torn::Header(16),
            Torn::Header(31),
        ];
        for rows in ROWS {
            for torn in tears {
                let killed = Killed::with(rows);
                let before = killed.log();
                let tears = torn.tear(&killed.path);
                assert_eq!(tears.torn == 1, killed.log() != before, "{torn:?}");
                assert!(tears.torn == 1 || matches!(torn, Torn::Nothing | Torn::Frame(1)), "{torn:?}");
                let amid = rows == ROWS[1] || matches!(torn, Torn::Header(_));
                assert_eq!(tears.amid == 1, tears.torn == 1 && amid, "{torn:?}");
                assert_eq!(killed.rows(), rows, "{torn:?}");
            }
        }
    }

    /// What is torn begins right behind the last commit, so whoever loses that one is found out.
    #[test]
    fn one_byte_earlier_the_last_commit_is_gone() {
        for rows in ROWS {
            let killed = Killed::with(rows);
            let end = Log::read(&killed.log()).end as u64;
            let log = File::options().write(true).open(log_of(&killed.path)).unwrap();
            let last = killed.log()[end as usize - 1];
            log.write_all_at(&[!last], end - 1).unwrap();
            assert_eq!(killed.rows(), rows - 1);
        }
    }
}
