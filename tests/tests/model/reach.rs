//! A story that never gets anywhere proves nothing: where the stories come.

use std::collections::BTreeMap;

use proptest::strategy::ValueTree as _;
use testkit::bare::BEGINNING;
use testkit::model::story::End;
use testkit::model::{Answer, Expected, Model};

use super::*;

/// How often each answer, refusal, event, trouble and end is met by a thousand stories.
fn met() -> BTreeMap<String, usize> {
    let mut runner = TestRunner::deterministic();
    let mut met = BTreeMap::<String, usize>::new();
    for _ in 0..1000 {
        let (beginning, story) = stories(LONGEST).new_tree(&mut runner).unwrap().current();
        let mut model = Model::new(BEGINNING.0, beginning);
        for step in &story {
            let before = model.clone();
            let Expected { answer, told, written } = model.follow(step);
            let mut names: Vec<_> = told.into_iter().map(str::to_owned).collect();
            names.push(match answer {
                Answer::Refused(refusal) => format!("{refusal:?}"),
                other => format!("{other:?}").chars().take_while(|one| one.is_alphabetic()).collect(),
            });
            if written || before.clone().follow(&Step::from(step.operation)).written {
                names.push(format!("{:?} of {}", step.trouble, kind(step)));
            }
            // Time passes over the end, and what comes next is seen after it; or it stops a moment before.
            for end in End::ALL {
                let Some(at) = before.end_of(end).filter(|at| *at > before.now()) else { continue };
                if model.now() >= at {
                    names.push(format!("{end:?} passes"));
                }
                if model.now() == at - 1 {
                    names.push(format!("a second before {end:?}"));
                }
            }
            for name in names {
                *met.entry(name).or_default() += 1;
            }
        }
    }
    met
}

fn kind(step: &Step) -> String {
    format!("{:?}", step.operation).chars().take_while(|one| one.is_alphabetic()).collect()
}

#[test]
fn the_stories_reach_every_answer_every_end_and_every_trouble() {
    let passing = End::ALL.map(|end| [format!("{end:?} passes"), format!("a second before {end:?}")]);
    let operations = ["Approve", "Deny", "Continue", "Redeem", "Refresh", "RevokeAccess", "RevokeRefresh"];
    let troubles = ["None", "WriteFails", "AnswerLost", "Outrun"];
    let troubled = operations.map(|operation| troubles.map(|trouble| format!("{trouble} of {operation}")));
    let met = met();
    for name in ANSWERS.map(str::to_owned).into_iter().chain(passing.concat()).chain(troubled.concat()) {
        assert!(met.contains_key(&name), "{name} in {met:#?}");
    }
}

/// And the reasons and events behind them.
const ANSWERS: [&str; 45] = [
    "Asked",
    "Connected",
    "Taken",
    "Code",
    "Tokens",
    "Revoked",
    "Active",
    "Inactive",
    "Unavailable",
    "ClientUnknown",
    "ClientBlocked",
    "PersonBlocked",
    "RequestGone",
    "RequestOfAnother",
    "RequestOutdated",
    "ConsentExceedsRequest",
    "CodeUnknown",
    "CodeExpired",
    "CodeOfAnotherClient",
    "RedirectUriMismatch",
    "TargetMismatch",
    "VerifierMissing",
    "VerifierMismatch",
    "CodeReplayed",
    "CodeOver",
    "ConsentWithdrawn",
    "RefreshForged",
    "GrantOver",
    "GrantExpired",
    "RefreshOfAnotherClient",
    "RefreshReplayed",
    "RepeatDiffers",
    "ScopeExceedsGrant",
    "TokenInvalid",
    "TargetGone",
    "ServerKeyWrong",
    "Consented",
    "Denied",
    "CodeRedeemed",
    "VerifierMismatched",
    "Refreshed",
    "RefreshRepeated",
    "StoreWentBack",
    "AccessTokenRevoked",
    "GrantRevoked",
];
