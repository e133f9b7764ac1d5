//! Stories of a grant, written in lines.

use std::sync::Arc;

use store::Memory;

use crate::bare::Party;
use crate::model::story::{Asked, Beginning, Named, Operation, Pace, Shown, Step, Trouble, Verified};
use crate::model::{Ground, live_through};

/// The server and the reference model live through the same story, and must tell the same.
///
/// The first line says how the story begins: `z` no leeway, `p` a client without refresh tokens, `r` with a remembered consent, `q` where
/// things end sooner. Each other line is an operation by its first letter, and what is unusual about it by more of them:
///
/// | | | |
/// |---|---|---|
/// | `y` | Ada says yes | `b` by name, `l` to less, `m` to more, `e` in another browser |
/// | `n`, `c` | she says no; her browser goes on | `e` in another browser |
/// | `r` | a code is redeemed | `w` wrong, `x` no verifier; `u`, `U` no, another redirect URI; `a`, `A` no, another resource |
/// | `f` | a refresh token is used | `b`, `l`, `m` as above; `a`, `A` as above |
/// | `t`, `T` | an access token is revoked; a refresh token | |
/// | `i`, `u` | a resource server asks about an access token; it is used | `o` one that it is not meant for |
/// | `w` | time passes | a number of seconds |
/// | `C`, `P`, `S` | client, person, server are blocked | `-` no longer |
/// | `D`, `E`, `F` | the client is deleted; all grants of the client end, of Ada | |
/// | `v`, `V` | she withdraws a consent; gives it again | |
/// | `k`, `g`, `h` | a backup; back to it; housekeeping | |
/// | `x` | another server over the same store | |
///
/// A digit counts tokens, codes and backups back from the newest, `!` is a forged one, and `o` another client. Of the write that it needs, `#` fails,
/// the answer to `~` is lost, and before `=` somebody else writes.
pub fn grant_model(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = Line(lines.next().unwrap_or_default());
    let beginning = Beginning {
        leeway: if first.has(b'z') { 0 } else { 30 },
        refreshable: !first.has(b'p'),
        remembered: first.has(b'r'),
        pace: if first.has(b'q') { Pace::Quick } else { Pace::Usual },
    };
    let story: Vec<Step> = lines.filter_map(step).take(LONGEST).collect();
    let lived = super::now(live_through(Ground::over(Arc::new(Memory::new())), beginning, &story));
    if let Err(counterexample) = lived {
        panic!("{counterexample}");
    }
}

/// More than that would make each try slow, and tell little that is new.
const LONGEST: usize = 64;

fn step(line: &[u8]) -> Option<Step> {
    let trouble = match (Line(line).has(b'#'), Line(line).has(b'~'), Line(line).has(b'=')) {
        (true, _, _) => Trouble::WriteFails,
        (false, true, _) => Trouble::AnswerLost,
        (false, false, true) => Trouble::Outrun,
        (false, false, false) => Trouble::None,
    };
    Some(Step { operation: operation(line)?, trouble })
}

fn operation(line: &[u8]) -> Option<Operation> {
    let (first, rest) = line.split_first()?;
    let rest = Line(rest);
    let (elsewhere, blocked) = (rest.has(b'e'), !rest.has(b'-'));
    let (token, party) = (rest.shown(), rest.party());
    Some(match first {
        b'y' => Operation::Approve { scope: rest.asked(), elsewhere },
        b'n' => Operation::Deny { elsewhere },
        b'c' => Operation::Continue { elsewhere },
        b'r' => {
            let verifier = match (rest.has(b'w'), rest.has(b'x')) {
                (false, false) => Verified::Right,
                (true, _) => Verified::Wrong,
                (false, true) => Verified::Missing,
            };
            let (redirect, resource) = (rest.named(b'u', b'U'), rest.named(b'a', b'A'));
            Operation::Redeem { code: token, party, verifier, redirect, resource }
        }
        b'f' => Operation::Refresh { token, party, scope: rest.asked(), resource: rest.named(b'a', b'A') },
        b't' => Operation::RevokeAccess { token, party },
        b'T' => Operation::RevokeRefresh { token, party },
        b'i' => Operation::Introspect { token, by_other: party == Party::Other },
        b'u' => Operation::UserInfo { token },
        b'w' => Operation::Wait { seconds: rest.number() },
        b'C' => Operation::BlockClient(blocked),
        b'P' => Operation::BlockPerson(blocked),
        b'S' => Operation::BlockServer(blocked),
        b'D' => Operation::DeleteClient,
        b'E' => Operation::EndAllOfClient,
        b'F' => Operation::EndAllOfPerson,
        b'v' => Operation::Withdraw,
        b'V' => Operation::ConsentAgain,
        b'k' => Operation::Keep,
        b'g' => Operation::GoBack { to: token },
        b'h' => Operation::Sweep,
        b'x' => Operation::Restart,
        _ => return None,
    })
}

/// What is unusual about an operation.
#[derive(Clone, Copy)]
struct Line<'a>(&'a [u8]);

impl Line<'_> {
    fn has(self, letter: u8) -> bool {
        self.0.contains(&letter)
    }

    fn shown(self) -> Shown {
        let digit = self.0.iter().find(|byte| byte.is_ascii_digit());
        if self.has(b'!') { Shown::Forged } else { Shown::Back(digit.map_or(0, |digit| digit - b'0')) }
    }

    fn party(self) -> Party {
        if self.has(b'o') { Party::Other } else { Party::Own }
    }

    fn asked(self) -> Asked {
        match (self.has(b'b'), self.has(b'l'), self.has(b'm')) {
            (false, false, false) => Asked::All,
            (true, _, _) => Asked::Both,
            (false, true, _) => Asked::Less,
            (false, false, true) => Asked::More,
        }
    }

    fn named(self, absent: u8, wrong: u8) -> Named {
        match (self.has(absent), self.has(wrong)) {
            (false, false) => Named::Same,
            (true, _) => Named::Absent,
            (false, true) => Named::Wrong,
        }
    }

    /// At most some years.
    fn number(self) -> i64 {
        let digits = self.0.iter().filter(|byte| byte.is_ascii_digit()).take(8);
        digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
    }
}
