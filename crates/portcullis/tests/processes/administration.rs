//! `portcullis server|client|user|grant|consent|key|event`, on a server that runs and on the data folder of one that does not.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use testkit::mail::{MailServer, Manners};
use testkit::redis_server::RedisServer;

use crate::process::{ADMIN_KEY, MASTER_KEY, Process, command, on_redis, run};

/// The settings of a command, and of the server that it may find.
type Settings<'a> = Vec<(&'a str, &'a str)>;

/// Runs a command that must succeed; answers what it printed.
fn done(arguments: &str, settings: &Settings<'_>) -> String {
    let (status, out, told) = run(arguments, settings);
    assert_eq!((status, told.as_str()), (0, ""), "{arguments}: {out}");
    out
}

/// The same with `--json`, of which there is one document.
fn document(arguments: &str, settings: &Settings<'_>) -> Value {
    let out = done(&format!("{arguments} --json"), settings);
    assert_eq!(out.lines().count(), 1, "{arguments}: {out}");
    serde_json::from_str(&out).unwrap()
}

/// Runs a command that must fail with this status, and say this.
fn refused(arguments: &str, settings: &Settings<'_>, expected: i32, words: &str) {
    let (status, out, told) = run(arguments, settings);
    assert_eq!((status, out.as_str()), (expected, ""), "{arguments}: {told}");
    assert!(told.contains(words) && told.lines().count() == 1, "{arguments}: {told}");
}

fn text(document: &Value, member: &str) -> String {
    document[member].as_str().unwrap_or_else(|| panic!("no {member} in {document}")).to_owned()
}

/// Everything that there is to do, with its answers.
fn everything(settings: &Settings<'_>, home: &Path) {
    let made = document(
        "server create --name Notes --resource-url http://127.0.0.1:3000/mcp --scope notes:read",
        settings,
    );
    let server = text(&made, "server_id");
    assert!(text(&made, "api_key").starts_with("sak_") && made["scopes"][0]["name"] == "notes:read");
    refused(
        "server create --name Two --resource-url http://127.0.0.1:3000/mcp",
        settings,
        5,
        "registered already",
    );
    refused(
        "server create --name Two --resource-url http://a.example",
        settings,
        2,
        "resource_url must be https",
    );
    refused("server show srv_nothing", settings, 4, "There is no such server");
    let shown = done("server list", settings);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("SERVER ") && lines[0].contains("RESOURCE"), "{shown}");
    assert!(lines[1].starts_with(&server) && lines[1].contains("notes:read") && lines.len() == 2, "{shown}");
    let changed =
        document(&format!("server change {server} --name Other --owner-email a@example.com"), settings);
    assert_eq!((&changed["name"], &changed["owner_email"]), (&"Other".into(), &"a@example.com".into()));
    refused(&format!("server change {server}"), settings, 2, "say what to change");
    let scopes = |changed: &Value| {
        let scopes = changed["scopes"].as_array().unwrap().iter();
        scopes.map(|scope| (text(scope, "name"), scope["default"] == true)).collect::<Vec<_>>()
    };
    let changed = document(&format!("server change {server} --add-scope notes:admin"), settings);
    assert_eq!(scopes(&changed), [("notes:read".to_owned(), true), ("notes:admin".to_owned(), false)]);
    refused(&format!("server change {server} --remove-scope other"), settings, 4, "has no scope \"other\"");
    refused(&format!("server change {server} --scope all"), settings, 3, "nothing was done: say --yes");
    let changed = document(&format!("server change {server} --remove-scope notes:admin"), settings);
    assert_eq!(scopes(&changed), [("notes:read".to_owned(), true)]);
    let changed = document(&format!("server change {server} --scope all --yes"), settings);
    assert_eq!(scopes(&changed), [("all".to_owned(), true)]);
    assert_eq!(document(&format!("server block {server}"), settings)["status"], "blocked");
    assert_eq!(document(&format!("server unblock {server}"), settings)["status"], "active");
    let rotated = document(&format!("server rotate-key {server} --grace 60"), settings);
    assert_ne!(rotated["api_key"], made["api_key"]);

    let created =
        format!("client create --name Tool --redirect-uri https://tool.example/cb --server {server}");
    let client = text(&document(&created, settings), "client_id");
    let changed = document(&format!("client change {client} --first-party true"), settings);
    assert_eq!((&changed["vouched"], &changed["first_party"]), (&true.into(), &true.into()));
    assert_eq!(document(&format!("client block {client}"), settings)["status"], "blocked");
    assert!(done("client list", settings).contains("Tool"));

    let password = home.join("password");
    std::fs::write(&password, "correct horse battery staple\n").unwrap();
    let created = format!(
        "user create --name Ada --email Ada@Example.com --password-file {} --verified",
        password.display()
    );
    let user = text(&document(&created, settings), "user_id");
    let found = document("user list --email ada@example.com", settings);
    assert_eq!(found["users"][0]["password"], true);
    let invited = document("user invite", settings);
    assert!(text(&invited, "link").starts_with("https://auth.example.com/"), "{invited}");
    assert_eq!(document(&format!("user block {user}"), settings)["status"], "blocked");
    assert_eq!(document(&format!("user unblock {user}"), settings)["status"], "active");
    assert!(done(&format!("user end {user} --yes"), settings).contains("have ended"));
    assert!(done(&format!("user reset-factors {user} --yes"), settings).contains("are gone"));

    assert_eq!(done(&format!("grant list --user {user} --connected"), settings), "No grants.\n");
    assert_eq!(document(&format!("grant revoke --client {client} --yes"), settings)["revoked"], 0);
    let (status, _, told) = run("grant revoke --json --yes", settings);
    assert!(status == 2 && told.contains("required"), "{told}");
    let once = "key create once --idempotency-key deploy-7";
    assert!(document(once, settings)["admin_key"].is_string());
    assert_eq!(document(once, settings)["admin_key"], Value::Null, "it was made before");
    done("key revoke once --yes", settings);
    refused("event list --limit 0", settings, 2, "limit");
    assert!(
        done("event list --all --since 2026-01-01 --until 2100-01-01T00:00:00Z", settings).contains("EVENT")
    );
    assert_eq!(document(&format!("consent list --user {user}"), settings)["next"], Value::Null);
    refused(
        &format!("consent withdraw --user {user} --client {client} --server {server} --yes"),
        settings,
        4,
        "no such consent",
    );

    let key = document("key create ci --read-only", settings);
    assert!(text(&key, "admin_key").starts_with("adm_"));
    assert!(done("key list", settings).contains("ci "));
    assert_eq!(done("key revoke ci --yes", settings), "The key is withdrawn.\n");
    refused("key create ci", settings, 5, "has had this name before");

    // Nobody sits at a test, so nobody can say yes.
    for what in
        [format!("user delete {user}"), format!("client delete {client}"), format!("server delete {server}")]
    {
        refused(&what, settings, 3, "nothing was done: say --yes");
        assert!(done(&format!("{what} --yes"), settings).contains("is deleted"));
        let shown = what.replace("delete", "show");
        let (status, out, told) = run(&format!("{shown} --json"), settings);
        assert_eq!((status, out.as_str()), (4, ""));
        let problem: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&problem["status"], &problem["error"]), (&404.into(), &"not_found".into()));
    }
}

#[test]
fn all_commands_do_the_same_to_a_server_that_runs_and_to_the_data_folder_of_one_that_does_not() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let folder: Settings<'_> = vec![("PORTCULLIS_DATA", data.to_str().unwrap())];
    let with_key: Settings<'_> = [folder.as_slice(), &[("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)]].concat();
    let server = Process::start(&with_key);
    everything(&with_key, home.path());
    refused("server list", &folder, 6, "set PORTCULLIS_KEY");
    server.stop();

    std::fs::remove_file(data.join("portcullis.db")).unwrap();
    std::fs::remove_file(data.join("master.key")).unwrap();
    refused("server list", &folder, 2, "there is no database");
    Process::start(&folder).stop();
    everything(&folder, home.path());
    // The operator did it, and the trail knows.
    let told = document("event list --name server_registered --limit 1", &folder);
    assert_eq!(told["events"][0]["actor"], "operator", "{told}");
    refused("event follow", &folder, 2, "nothing happens in it");
}

#[test]
fn what_is_done_without_a_server_is_there_when_it_starts() {
    let home = tempfile::tempdir().unwrap();
    let folder: Settings<'_> = vec![("PORTCULLIS_DATA", home.path().to_str().unwrap())];
    let first = Process::start(&folder).stop();
    assert!(first.contains("PORTCULLIS_KEY=adm_"), "{first}");
    let made = document("key create mine", &folder);
    let server = document("server create --name Notes --resource-url https://notes.example/mcp", &folder);
    let _server = Process::start(&folder);
    let key = text(&made, "admin_key");
    let with_key = [folder.as_slice(), &[("PORTCULLIS_KEY", &key)]].concat();
    let listed = document("server list", &with_key);
    assert_eq!(listed["servers"][0]["server_id"], server["server_id"]);
}

#[test]
fn a_server_is_found_by_its_folder_or_its_url_and_has_its_folder_to_itself() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap().to_owned();
    let settings: Settings<'_> = vec![("PORTCULLIS_DATA", &data), ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)];
    let server = Process::start(&settings);
    let (status, out, told) = run("serve", &settings);
    assert!(status == 1 && told.contains("another portcullis uses the data folder"), "{out}{told}");
    let wrong =
        vec![("PORTCULLIS_DATA", data.as_str()), ("PORTCULLIS_ADMIN_KEY", "another key that is long")];
    refused("server list", &wrong, 6, "This is no admin key");

    // A key in a file, and a server that is named.
    let key = home.path().join("key");
    let reader = text(&document("key create reader --read-only", &settings), "admin_key");
    std::fs::write(&key, format!("{reader}\n")).unwrap();
    let named = format!("--url {} --key-file {}", server.base(), key.display());
    assert_eq!(done(&format!("server list {named}"), &vec![]), "No servers.\n");
    refused(&format!("key create another {named}"), &vec![], 6, "may read, and not change");
    for (url, status, words) in [
        ("127.0.0.1:8414", 2, "--url: it must be a URL"),
        ("http://127.0.0.1:1", 1, "cannot be reached"),
        ("http://8.8.8.8", 1, "its scheme is not https"),
    ] {
        refused(&format!("server list --url {url} --key-file {}", key.display()), &vec![], status, words);
    }
    let elsewhere = format!("server list --url {}/elsewhere --key-file {}", server.base(), key.display());
    refused(&elsewhere, &vec![], 1, "not as the administration");
    refused("server list", &vec![("PORTCULLIS_STORE", "memory")], 2, "name the server by --url");
}

#[test]
fn with_records_in_redis_the_store_is_opened_while_servers_use_it() {
    let redis = RedisServer::start();
    let url = redis.url();
    let _server = Process::start(&on_redis(&url));
    let settings = vec![("PORTCULLIS_STORE", url.as_str()), ("PORTCULLIS_MASTER_KEY", MASTER_KEY)];
    let server = document("server create --name Notes --resource-url https://notes.example/mcp", &settings);
    let listed = document("server list", &settings);
    assert_eq!(listed["servers"][0]["server_id"], server["server_id"]);

    // The store knows where the server is, whatever the operator's shell knows.
    let mut invite = command("user invite --json", &settings);
    let invited = invite.env_remove("PORTCULLIS_ISSUER").output().unwrap();
    let invited: Value = serde_json::from_slice(&invited.stdout).unwrap();
    assert!(text(&invited, "link").starts_with("https://auth.example.com/invitation?"), "{invited}");
}

#[test]
fn a_command_makes_no_servers_store_of_one_that_no_server_has_used() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    Process::start(&[("PORTCULLIS_DATA", data.to_str().unwrap())]).stop();
    let redis = RedisServer::start();
    let url = redis.url();
    let key = data.join("master.key");
    let target =
        vec![("PORTCULLIS_STORE", url.as_str()), ("PORTCULLIS_MASTER_KEY_FILE", key.to_str().unwrap())];
    // Empty, and then a copy that can still be brought up to date.
    for _ in 0..2 {
        refused("server list", &target, 2, "no server has used this store yet");
        let (status, out, told) =
            run(&format!("migrate --switch --from sqlite:{} --to {url}", data.display()), &[]);
        assert_eq!(status, 0, "{out}{told}");
        run(&format!("migrate --take-back --from sqlite:{}", data.display()), &[]);
    }
    let server = Process::start(&target);
    assert_eq!(done("server list", &target), "No servers.\n");
    assert!(!server.stop().contains("no server has used"));
}

#[tokio::test]
async fn an_invitation_by_command_has_gone_out_when_the_command_ends_or_its_link_is_shown() {
    let home = tempfile::tempdir().unwrap();
    let mut mail = MailServer::start(Manners::default()).await.unwrap();
    let (data, url) = (home.path().to_str().unwrap().to_owned(), mail.url(None));
    Process::start(&[("PORTCULLIS_DATA", &data)]).stop();
    let invite = async |url: &str| {
        let (data, url) = (data.clone(), url.to_owned());
        let invited = tokio::task::spawn_blocking(move || {
            let settings = vec![
                ("PORTCULLIS_DATA", data.as_str()),
                ("PORTCULLIS_SMTP_URL", &url),
                ("PORTCULLIS_MAIL_FROM", "no-reply@example.com"),
            ];
            document("user invite --email ada@example.com", &settings)
        });
        invited.await.unwrap()
    };
    let invited = invite(&url).await;
    assert_eq!((&invited["letter"], &invited["link"]), (&"sent".into(), &Value::Null));
    let letter = mail.letter().await.unwrap();
    assert!(letter.text.contains("https://auth.example.com/invitation?ticket="), "{}", letter.text);
    drop(mail);
    let invited = invite(&url).await;
    assert_eq!(invited["letter"], "none");
    assert!(text(&invited, "link").starts_with("https://auth.example.com/invitation?ticket="), "{invited}");
}

#[test]
fn who_asks_a_server_needs_none_of_the_settings_that_it_runs_with() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let settings: Settings<'_> = vec![("PORTCULLIS_DATA", data), ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)];
    let server = Process::start(&settings);
    let broken: Settings<'_> = vec![
        ("PORTCULLIS_DATA", data),
        ("PORTCULLIS_KEY", ADMIN_KEY),
        ("PORTCULLIS_ADMIN_KEY_FILE", "/nowhere"),
        ("PORTCULLIS_SMTP_URL_FILE", "/nowhere"),
        ("PORTCULLIS_SIGN_UP", "example.com"),
    ];
    assert_eq!(done("server list", &broken), "No servers.\n");
    let backup = home.path().join("a.backup");
    done(&format!("backup {}", backup.display()), &broken);
    server.stop();
    refused("server list", &broken, 2, "PORTCULLIS_SMTP_URL_FILE");
}

/// The trap: who exports the key of a command, and starts a server in the same shell.
#[test]
fn a_key_that_was_made_for_somebody_is_not_taken_for_the_operators_own() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let folder: Settings<'_> = vec![("PORTCULLIS_DATA", data)];
    let first = Process::start(&folder).stop();
    let first = first.lines().find_map(|line| line.trim().strip_prefix("export PORTCULLIS_KEY=")).unwrap();
    let key = text(&document("key create dashboard --read-only", &folder), "admin_key");
    let with = |name, key| [folder.as_slice(), &[(name, key)]].concat();
    let (status, out, told) = run("serve", &with("PORTCULLIS_ADMIN_KEY", &key));
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(told.contains("is the admin key \"dashboard\" of this store"), "{told}");
    let server = Process::start(&with("PORTCULLIS_KEY", &key));
    assert_eq!(done("server list", &with("PORTCULLIS_KEY", first)), "No servers.\n");
    refused("key create ci", &with("PORTCULLIS_KEY", &key), 6, "may read, and not change");
    server.stop();
    Process::start(&with("PORTCULLIS_ADMIN_KEY", first)).stop();
}

#[test]
fn pages_are_followed_to_the_end_or_to_as_many_as_are_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let settings: Settings<'_> = vec![("PORTCULLIS_DATA", home.path().to_str().unwrap())];
    Process::start(&settings).stop();
    for number in 0..3 {
        done(&format!("server create --name S --resource-url https://s{number}.example"), &settings);
    }
    assert_eq!(done("server list", &settings).lines().count(), 4);
    let two = document("server list --limit 2", &settings);
    assert_eq!(two["servers"].as_array().unwrap().len(), 2);
    assert!(two["next"].is_string(), "{two}");
}

/// A process that is ended with this value.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn events_are_followed_as_they_happen() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let settings: Settings<'_> = vec![("PORTCULLIS_DATA", data), ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)];
    let _server = Process::start(&settings);
    let mut follow = command("event follow --since 0 --name admin_key_made --json", &settings);
    let mut following = Following(follow.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(following.0.stdout.take().unwrap()).lines();
    for name in ["one", "two"] {
        done(&format!("key create {name}"), &settings);
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!((&event["name"], &event["outcome"]), (&"admin_key_made".into(), &"done".into()));
        assert!(event["detail"].to_string().contains(name), "{event}");
    }
}
