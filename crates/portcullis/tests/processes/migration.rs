//! Growing past one machine, step by step as `docs/deploy.md` has it, and back.

use std::path::Path;

use testkit::client::{Client, ResourceServer};
use testkit::redis_server::RedisServer;

use crate::process::{ADMIN_KEY, Process, migrate, run, world};

/// One process with its records in a data folder.
fn on_sqlite(data: &Path, more: &[(&str, &str)]) -> Process {
    let settings = [("PORTCULLIS_DATA", data.to_str().unwrap()), ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)];
    Process::start(&[settings.as_slice(), more].concat())
}

#[tokio::test]
async fn from_one_machine_to_many_and_back_nobody_is_logged_out_and_nothing_ended_comes_back() {
    let home = tempfile::tempdir().unwrap();
    let (data, back) = (home.path().join("data"), home.path().join("back"));
    let redis = RedisServer::start();
    let url = redis.url();
    let key_file = data.join("master.key");
    let key_file = key_file.to_str().unwrap();
    let with_redis = || {
        Process::start(&[
            ("PORTCULLIS_STORE", &url),
            ("PORTCULLIS_MASTER_KEY_FILE", key_file),
            ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY),
        ])
    };

    let old = on_sqlite(&data, &[]);
    let before = old.world();
    let server = ResourceServer::usual(&before).await;
    let client = Client::public(&before).await;
    let mut ada = before.person("ada@example.com").await;
    let kept = client.connect(&before, &mut ada).await;
    let revoked = client.connect(&before, &mut ada).await;

    // While it is served: nearly everything, and no server may take it for everything.
    let (status, out, told) = migrate(&data, &url);
    assert_eq!(status, 3, "{out}{told}");
    assert!(out.contains("Not finished") && told.contains("records and claims"), "{out}{told}");
    let (status, _, told) =
        run("serve", &[("PORTCULLIS_STORE", &url), ("PORTCULLIS_MASTER_KEY_FILE", key_file)]);
    assert_eq!(status, 1);
    assert!(told.contains("unfinished copy"), "{told}");

    // What happens in between.
    let next = client.refresh(&before, &kept.refresh).await;
    let (access, refresh) = (next.member("access_token"), next.member("refresh_token"));
    assert_eq!(client.revoke(&before, &revoked.refresh).await.status(), 200);
    let bob = before.person("bob@example.com").await;
    let session: Vec<(String, String)> = cookies(&bob);

    // The switch.
    old.stop();
    let (status, out, told) =
        run(&format!("migrate --switch --from sqlite:{} --to {url}", data.display()), &[]);
    assert_eq!(status, 0, "{out}{told}");
    let (status, _, told_of_old) = run("serve", &[("PORTCULLIS_DATA", data.to_str().unwrap())]);
    assert_eq!(status, 1);
    assert!(told_of_old.contains("was left for another one"), "{told_of_old}");
    assert!(told_of_old.contains("`portcullis migrate --take-back`"), "{told_of_old}");
    assert!(out.contains("The new store has everything") && out.contains("master.key"), "{out}");
    let (one, other) = (with_redis(), with_redis());
    let after = world(&[&one, &other], ADMIN_KEY);
    assert!(server.accepts(&after, &access).await && server.accepts(&after, &access).await);
    assert!(!server.accepts(&after, &revoked.access).await, "revoked after the first copy");
    let mut bob = after.browser();
    session.iter().for_each(|(name, value)| bob.plant(name, value));
    let of_bob = client.connect(&after, &mut bob).await;
    assert!(server.accepts(&after, &of_bob.access).await, "who logged in after the first copy still is");
    let next = client.refresh(&after, &refresh).await;
    assert_eq!(next.status(), 200, "{}", next.text());

    // The old store is over: nothing of it goes over what the new one knows.
    let (status, _, told) = migrate(&data, &url);
    assert_eq!(status, 1);
    assert!(told.contains("a server has used the target"), "{told}");

    // And back, into a new folder.
    let refresh = next.member("refresh_token");
    one.stop();
    other.stop();
    let on_redis = [("PORTCULLIS_STORE", url.as_str()), ("PORTCULLIS_MASTER_KEY_FILE", key_file)];
    let (status, out, told) = run(&format!("migrate --switch --to sqlite:{}", back.display()), &on_redis);
    assert_eq!(status, 0, "{out}{told}");
    assert!(out.contains(&format!("--data {}, without PORTCULLIS_STORE, ", back.display())), "{out}");
    // Whoever forgets that does not go on with what was left.
    let (status, _, told) = run(&format!("serve --data {}", back.display()), &on_redis);
    assert_eq!(status, 1, "{told}");
    assert!(told.contains("nothing of --data is used: PORTCULLIS_STORE says"), "{told}");
    assert!(told.contains("was left for another one"), "{told}");
    let alone = on_sqlite(&back, &[("PORTCULLIS_MASTER_KEY_FILE", key_file)]);
    let again = alone.world();
    assert!(server.accepts(&again, &of_bob.access).await);
    assert!(!server.accepts(&again, &revoked.access).await);
    assert_eq!(client.refresh(&again, &refresh).await.status(), 200);
}

/// The cookies of a browser, as it keeps them.
fn cookies(browser: &testkit::browser::Browser) -> Vec<(String, String)> {
    let set = browser.set.iter().filter_map(|set| set.split(';').next()?.split_once('='));
    set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn what_is_no_store_or_not_ours_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (data, others) = (home.path().join("data"), home.path().join("others"));
    for folder in [&data, &others] {
        on_sqlite(folder, &[]).stop();
    }
    let redis = RedisServer::start();
    let url = redis.url();
    let (status, out, told) = migrate(&others, &url);
    assert_eq!(status, 0, "{out}{told}");
    for (arguments, status, fault) in [
        (
            format!("migrate --from sqlite:{} --to {url}", data.display()),
            1,
            "the records of another instance",
        ),
        (format!("migrate --from sqlite:{0} --to sqlite:{0}", data.display()), 2, "are the same store"),
        (format!("migrate --from sqlite:{} --to {url}", home.path().display()), 1, "there is no database"),
        (format!("migrate --from sqlite:{} --to redis://:word@a", data.display()), 2, "holds a password"),
        (
            format!("migrate --from sqlite:{} --to redis://127.0.0.1:1", data.display()),
            1,
            "the target cannot be opened",
        ),
        (format!("migrate --to {url} --config {}", home.path().display()), 2, "cannot be read"),
        ("migrate".to_owned(), 2, "name the store to copy from"),
    ] {
        let (ended, _, told) = run(&arguments, &[]);
        assert_eq!(ended, status, "{arguments}: {told}");
        assert!(told.contains(fault), "{arguments}: {told}");
    }
    let careless = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let (status, _, told) = migrate(&data, &careless.url());
    assert_eq!(status, 1);
    assert!(told.contains("maxmemory-policy is allkeys-lru"), "{told}");
    assert_eq!(careless.ask(&["KEYS", "*grant*"]), "");
    assert!(!home.path().join("portcullis.db").exists() && !home.path().join("lock").exists());
    // The configured store stands in for what is left out, and may hold the password.
    let (status, out, told) =
        run(&format!("migrate --from sqlite:{}", others.display()), &[("PORTCULLIS_STORE", &url)]);
    assert_eq!(status, 0, "{out}{told}");
}

#[test]
fn what_was_left_can_be_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let data_setting = [("PORTCULLIS_DATA", data.to_str().unwrap())];
    on_sqlite(&data, &[]).stop();
    let redis = RedisServer::start();
    let from = format!("--from sqlite:{}", data.display());
    let (status, out, told) = run(&format!("migrate --take-back {from}"), &[]);
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("was not left"), "{out}");

    let (status, out, told) = run(&format!("migrate --switch {from} --to {}", redis.url()), &[]);
    assert_eq!(status, 0, "{out}{told}");
    assert_eq!(run("serve", &data_setting).0, 1, "it was left");
    // The configured store is the one that the server refused.
    let (status, out, told) = run("migrate --take-back", &data_setting);
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("may start with sqlite:"), "{out}");
    on_sqlite(&data, &[]).stop();

    for arguments in ["migrate --take-back --switch", "migrate --take-back --to redis://a"] {
        let (status, _, told) = run(arguments, &data_setting);
        assert_eq!(status, 2, "{arguments}: {told}");
    }
}

#[test]
fn each_side_has_a_password_a_prefix_and_an_authority_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let (data, back, url) =
        (home.path().join("data"), home.path().join("back"), home.path().join("new-store.url"));
    on_sqlite(&data, &[]).stop();
    let redis = RedisServer::start_with(&["--requirepass", "the-word"]);
    let with_password = redis.url().replace("redis://", "redis://:the-word@");
    std::fs::write(&url, format!("{with_password}\n")).unwrap();
    let (data, url) = (data.display(), url.display());
    // What is configured for another Redis: an authority that a server without TLS has nothing to do with.
    let authority = home.path().join("ca.pem");
    std::fs::write(&authority, "-----BEGIN CERTIFICATE-----\n").unwrap();
    let authority = authority.to_str().unwrap();
    let configured = [("PORTCULLIS_REDIS_CA_FILE", authority), ("PORTCULLIS_REDIS_PREFIX", "configured")];

    let mut told = Vec::new();
    for (arguments, status, words) in [
        (format!("migrate --from sqlite:{data} --to-file {url}"), 0, "(configured:)"),
        (
            format!("migrate --from-file {url} --to-file {url} --to-prefix another"),
            0,
            "PORTCULLIS_REDIS_PREFIX=another",
        ),
        (
            format!("migrate --from-file {url} --to-file {url} --from-prefix configured"),
            2,
            "are the same store",
        ),
        (
            format!("migrate --from-file {url} --from-prefix another --to sqlite:{}", back.display()),
            0,
            "everything",
        ),
        (
            format!("migrate --from-file {url} --to-file {url} --to-prefix a{{b"),
            2,
            "--to-prefix: a prefix is",
        ),
        (
            format!("migrate --from sqlite:{data} --from-prefix a --to-file {url}"),
            2,
            "--from-prefix is for a Redis",
        ),
        (format!("migrate --from sqlite:{data} --to-file {url}.none"), 2, "--to-file: "),
        (
            format!("migrate --from sqlite:{data} --to-file {url} --to-ca-file {authority}"),
            1,
            "asks for no TLS",
        ),
        (
            format!("migrate --from sqlite:{data} --to-file {authority}"),
            2,
            "--to-file: it must be sqlite:FOLDER",
        ),
        (format!("migrate --from sqlite:{data} --to {with_password}"), 2, "--to: the URL holds a password"),
    ] {
        let (ended, out, errors) = run(&arguments, &configured);
        assert_eq!(ended, status, "{arguments}: {out}{errors}");
        assert!(format!("{out}{errors}").contains(words), "{arguments}: {out}{errors}");
        told.push(format!("{out}{errors}"));
    }
    assert!(!told.concat().contains("the-word"), "{told:?}");
}
