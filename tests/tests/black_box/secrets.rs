//! What is stored is no use to whoever steals it (I8).

use store::{Filter, Inspect as _, Kind};
use testkit::client::{Client, Tokens, open};
use testkit::world::{PASSWORD, World};

use crate::run::{Run, Stage};

/// Everything that the store has, as one text.
async fn dump(world: &World) -> String {
    let mut all = String::new();
    for kind in Kind::ALL {
        let page = world.store.list(kind, Filter::All, None, 1000).await.unwrap();
        for row in page.rows {
            all.push_str(&format!("{:?} {} {:?}\n", row.key, row.body, row.links));
        }
    }
    all
}

/// I8: neither a code, a token, a key, a session, a client's secret nor a password is in any record, at any time.
async fn i8_no_secret_is_ever_stored(run: Run) {
    let Stage { world, server, mut ada, .. } = run.stage().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let page = open(&world, &mut ada, &client.asking()).await.page();
    let csrf = page.form("Allow").sent_by("Allow").one("csrf").unwrap().to_owned();
    let mut stolen = dump(&world).await;
    let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
    let code = callback.one("code").unwrap().to_owned();
    stolen.push_str(&dump(&world).await);
    let first = Tokens::of(&client.redeem(&world, &code).await);
    stolen.push_str(&dump(&world).await);
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    stolen.push_str(&dump(&world).await);
    client.revoke(&world, &second.refresh).await;
    stolen.push_str(&dump(&world).await);
    let session = ada.cookie("__Host-portcullis-k-IPvZ2U").unwrap().to_owned();
    let secret = client.secret.unwrap();
    let verifier = client.verifier;
    assert!(stolen.contains("ada@example.com"), "the dump is of this world");
    for secret in [
        &code,
        &first.access,
        &first.refresh,
        &second.access,
        &second.refresh,
        &server.key,
        &session,
        &secret,
        &verifier,
        &csrf,
        &world.admin_key,
        PASSWORD,
    ] {
        assert!(!stolen.contains(secret), "{secret}");
        // Nor the part of a text that is the secret: its last 32 bytes.
        if secret.len() > 72 {
            assert!(!stolen.contains(&secret[secret.len() - 42..]), "{secret}");
        }
    }
}

stamp! {
    i8_no_secret_is_ever_stored,
}
