//! Programs that stand in for a server, and what waits when one ends.

use async_trait::async_trait;
use identity::{Letter, Mail, MailError};
use store::{Filter, Kind, Tenure};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;

#[tokio::test]
async fn who_stands_in_for_a_server_needs_one_and_knows_its_issuer_by_the_store() {
    let store = Arc::new(Memory::new());
    let (records, listed): (&dyn Store, &dyn Backend) = (&*store, &*store);
    let builder = |issuer: Option<&str>| {
        let issuer = issuer.map(|issuer| Issuer::parse(issuer).unwrap());
        let config = Config { issuer, master_key: Some(MasterKey::new([7; 32])), ..Config::default() };
        Portcullis::builder(config).store(store.clone())
    };
    let existing = async |issuer| builder(issuer).existing().open().await;
    assert!(matches!(existing(Some("https://auth.example.com")).await, Err(OpenError::NoServerYet)));
    for kind in Kind::ALL {
        assert!(listed.list(kind, Filter::All, None, 1).await.unwrap().rows.is_empty(), "{kind:?}");
    }
    drop(builder(Some("https://auth.example.com")).open().await.unwrap());
    for (named, issuer) in [
        (None, "https://auth.example.com"),
        (Some("https://new.example.com"), "https://new.example.com"),
        (None, "https://auth.example.com"),
    ] {
        assert_eq!(existing(named).await.unwrap().issuer().as_str(), issuer);
    }
    // As a server noted it that did not say where it is.
    let found = records.find::<Tenure>(Tenure::ID).await.unwrap().unwrap();
    let silent =
        Changes::replace(Mark::new([9; 16]), &found, &Tenure { issuer: None, ..found.record.clone() });
    assert_eq!(records.commit(&silent).await.unwrap(), Commit::Done);
    assert!(matches!(existing(None).await, Err(OpenError::IssuerUnknown)));
}

/// A mail server that takes its time.
struct Slow(UnboundedSender<()>);

#[async_trait]
impl Mail for Slow {
    async fn send(&self, _: &Letter) -> Result<(), MailError> {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let _listening = self.0.send(());
        Ok(())
    }
}

#[tokio::test]
async fn a_server_ends_when_its_letters_have_gone_out() {
    let (sent, mut letters) = unbounded_channel();
    let config = Config { store: StoreKind::Memory, ..Config::default() };
    let builder = Portcullis::builder(config).mail(Arc::new(Slow(sent))).password_cost(Cost::least());
    let portcullis = builder.open().await.unwrap();
    let person = r#"{"email":"ada@example.com","password":"a long enough password"}"#;
    let request = Request::post("/auth/signup").header("content-type", "application/json");
    let answer = portcullis.serve(request.body(person.into()).unwrap(), Peer(None)).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    portcullis.finish().await;
    letters.try_recv().unwrap();
    assert_eq!(portcullis.audit().waiting(), 0);
}
