//! A backend beside [`Memory`], which is the specification.

use ambient::{Entropy, SeededEntropy, Time};

use super::{FUTURE, Sample, Subject};
use crate::{Backend, Changes, Claim, ClaimKind, Filter, Guard, Key, Kind, Look, Mark, Memory};

/// Something to ask of a store. Small numbers name ids, people, marks and owners, so that steps often meet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Step {
    /// A commit.
    Commit {
        /// Which record.
        id: u8,
        /// Under which guard: absent, whatever is there, or one of the marks.
        guard: u8,
        /// The mark that it writes.
        mark: u8,
        /// What it says.
        content: u8,
    },
    /// A read, and a look at the same record.
    Look {
        /// Which record.
        id: u8,
        /// What else.
        beside: u8,
    },
    /// A page of a listing.
    List {
        /// By whom.
        filter: u8,
        /// Behind which record.
        after: u8,
        /// How many.
        at_most: u8,
    },
    /// A claim.
    Claim {
        /// What.
        key: u8,
        /// By whom.
        owner: u8,
        /// Instead of whom.
        instead_of: u8,
    },
    /// The end of a claim.
    Release {
        /// What.
        key: u8,
        /// By whom.
        owner: u8,
    },
    /// A sweep of everything that is due.
    Sweep {
        /// When.
        now: u8,
    },
}

impl Step {
    /// A step made of any six bytes, so that a fuzzer or a generator can make them.
    #[must_use]
    pub const fn of([which, one, two, three, four, _]: [u8; 6]) -> Self {
        match which % 8 {
            0..=2 => Self::Commit { id: one, guard: two, mark: three, content: four },
            3 => Self::Look { id: one, beside: two },
            4 => Self::List { filter: one, after: two, at_most: three },
            5 => Self::Claim { key: one, owner: two, instead_of: three },
            6 => Self::Release { key: one, owner: two },
            _ => Self::Sweep { now: one },
        }
    }
}

/// Takes each step on `store`, which must be empty, and on [`Memory`].
///
/// # Panics
///
/// At the first answer that differs.
pub async fn compare(store: &dyn Backend, steps: impl IntoIterator<Item = Step>) {
    let memory = Memory::new();
    for (n, step) in steps.into_iter().enumerate() {
        let (expected, answer) = (take(&memory, step).await, take(store, step).await);
        assert_eq!(answer, expected, "step {n}: {step:?}");
    }
}

/// The same everywhere, sweeps left out: a backend may forget by a clock of its own.
pub async fn a_thousand_random_steps_answer_as_memory_does(store: Subject) {
    let entropy = SeededEntropy::new(7);
    let entropy: &dyn Entropy = &entropy;
    let steps = std::iter::repeat_with(|| Step::of(entropy.draw()));
    compare(&*store, steps.filter(|step| !matches!(step, Step::Sweep { .. })).take(1000)).await;
}

async fn take(store: &dyn Backend, step: Step) -> String {
    match step {
        Step::Commit { id, guard, mark, content } => {
            let changes = write(id, guard, mark, content);
            let answer = store.commit(&changes).await.unwrap();
            format!("{answer:?} {:?}", store.read(changes.key()).await.unwrap())
        }
        Step::Look { id, beside } => {
            let look = Look { record: key(id), beside: (beside % 4 > 0).then(|| key(beside)) };
            format!("{:?} {:?}", store.look(&look).await.unwrap(), store.read(&look.record).await.unwrap())
        }
        Step::List { filter, after, at_most } => {
            let who = (filter / 4 % 3).to_string();
            let by = match filter % 4 {
                0 | 1 => Filter::All,
                2 => Filter::OfClient(&who),
                _ => Filter::OfPerson(&who),
            };
            let Key { kind, id } = key(after);
            let page = store.list(kind, by, (after >= 16).then_some(&*id), u32::from(at_most % 6)).await;
            format!("{:?}", page.unwrap())
        }
        Step::Claim { key, owner, instead_of } => {
            let (key, owner, instead_of) = text(key, owner, instead_of);
            let until = (instead_of == "0").then_some(Time(FUTURE + 2));
            let instead_of = Some(&*instead_of);
            let claim =
                Claim { kind: ClaimKind::Email, key: &key, owner: &owner, since: Time(1), until, instead_of };
            let answer = store.claim(&claim).await.unwrap();
            format!("{answer:?} {:?}", store.holder(ClaimKind::Email, &key).await.unwrap())
        }
        Step::Release { key, owner } => {
            let (key, owner, _) = text(key, owner, 0);
            store.release(ClaimKind::Email, &key, &owner).await.unwrap();
            format!("{:?}", store.holder(ClaimKind::Email, &key).await.unwrap())
        }
        Step::Sweep { now } => {
            format!("{}", store.sweep(Time(FUTURE + i64::from(now % 6)), u32::MAX).await.unwrap())
        }
    }
}

fn text(key: u8, owner: u8, other: u8) -> (String, String, String) {
    ((key % 3).to_string(), (owner % 3).to_string(), (other % 4).to_string())
}

/// The kinds that links lead to, and one that they do not; few ids, so that they meet.
fn key(id: u8) -> Key {
    let kinds = [Kind::Grant, Kind::Grant, Kind::Client, Kind::Person, Kind::Consent, Kind::Server];
    Key::new(kinds[usize::from(id) % kinds.len()], id / 6 % 3)
}

fn write(id: u8, guard: u8, mark: u8, content: u8) -> Changes {
    let marked = |mark: u8| Mark::new([mark % 8; 16]);
    let guard = match guard % 8 {
        0 | 1 => Guard::Absent,
        2 => Guard::Any,
        _ => Guard::This(marked(guard / 8)),
    };
    let Key { kind, id } = key(id);
    let (low, high) = ((content % 4).to_string(), (content / 4 % 4).to_string());
    let mut sample = Sample::new(kind, id).body(content.to_string());
    sample.row.ended = matches!(guard, Guard::Any) || content % 8 == 7;
    sample.row.sweep = (!content.is_multiple_of(3)).then_some(Time(FUTURE + i64::from(content % 5)));
    sample.row.links.client = (!content.is_multiple_of(2)).then_some(low.clone());
    sample.row.links.person = (!content.is_multiple_of(5)).then_some(high);
    sample.row.links.consent = (!content.is_multiple_of(7)).then_some(low);
    sample.under_as(guard, marked(mark))
}
