//! `portcullis backup`, `restore`, `check-config` and `completions`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use testkit::mail::{MailServer, Manners};
use testkit::redis_server::RedisServer;

use crate::process::{ADMIN_KEY, MASTER_KEY, Process, command, run};

fn register(name: &str, settings: &[(&str, &str)]) {
    let arguments = format!("server create --name {name} --resource-url https://{name}.example");
    let (status, _, told) = run(&arguments, settings);
    assert_eq!(status, 0, "{told}");
}

#[test]
fn a_backup_of_a_running_server_is_restored_when_it_has_stopped() {
    let home = tempfile::tempdir().unwrap();
    let (data, file) = (home.path().join("data"), home.path().join("a.backup"));
    let settings = [("PORTCULLIS_DATA", data.to_str().unwrap()), ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)];
    let server = Process::start(&settings);
    register("before", &settings);
    let (backup, restore) = (format!("backup {}", file.display()), format!("restore {}", file.display()));
    let (status, out, told) = run(&backup, &settings);
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("The master key is not in it") && out.contains("master.key"), "{out}");
    let (status, _, told) = run(&backup, &settings);
    assert!(status == 1 && told.contains("nothing is written over it"), "{told}");
    register("after", &settings);
    let (status, _, told) = run(&restore, &settings);
    assert!(status == 1 && told.contains("another portcullis uses the data folder"), "{told}");
    server.stop();

    let (status, _, told) = run(&restore, &settings);
    assert!(status == 1 && told.contains("with --replace"), "{told}");
    let (status, out, told) = run(&format!("{restore} --replace"), &settings);
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("portcullis.db.before-1 now") && !out.contains("master key"), "{out}");
    let _server = Process::start(&settings);
    let (_, listed, told) = run("server list", &settings);
    assert!(listed.contains("before.example") && !listed.contains("after.example"), "{listed}{told}");
}

/// The attack: to come back with what was ended after the backup was taken.
#[test]
fn a_backup_is_restored_with_all_that_it_brings_back_ended() {
    let home = tempfile::tempdir().unwrap();
    let (data, file) = (home.path().join("data"), home.path().join("a.backup"));
    let settings = [("PORTCULLIS_DATA", data.to_str().unwrap())];
    let key_of = |said: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix("export PORTCULLIS_KEY="));
        line.unwrap_or_else(|| panic!("no key in {said}")).to_owned()
    };
    let old = key_of(&Process::start(&settings).stop());
    let (status, _, told) = run(&format!("backup {}", file.display()), &settings);
    assert_eq!((status, told.as_str()), (0, ""));
    let restore = format!("restore {} --replace --end-everything", file.display());
    let (status, out, told) = run(&restore, &settings);
    assert_eq!((status, told.as_str()), (0, ""), "{out}");
    let new = key_of(&out);
    let server = Process::start(&settings);
    for (key, expected) in [(&old, 6), (&new, 0)] {
        let with_key = [settings.as_slice(), &[("PORTCULLIS_ADMIN_KEY", key)]].concat();
        assert_eq!(run("key list", &with_key).0, expected);
    }
    assert!(!server.stop().contains("PORTCULLIS_KEY="), "no other one is made");
}

#[test]
fn a_backup_needs_the_master_key_that_is_not_in_it() {
    let home = tempfile::tempdir().unwrap();
    let (data, anew, file) =
        (home.path().join("data"), home.path().join("anew"), home.path().join("a.backup"));
    let settings = [("PORTCULLIS_DATA", data.to_str().unwrap())];
    Process::start(&settings).stop();
    register("before", &settings);
    assert_eq!(run(&format!("backup {}", file.display()), &settings).0, 0);
    let (status, out, told) =
        run(&format!("restore {} --data {}", file.display(), anew.display()), &settings);
    assert_eq!(status, 0, "{told}");
    assert!(out.contains("put it into") && out.contains("PORTCULLIS_MASTER_KEY"), "{out}");
    let list = format!("server list --data {}", anew.display());
    let (status, _, told) = run(&list, &[]);
    assert!(status == 1 && told.contains("master.key is gone"), "{told}");
    std::fs::copy(data.join("master.key"), anew.join("master.key")).unwrap();
    let (status, out, told) = run(&list, &[]);
    assert!(status == 0 && out.contains("before.example"), "{told}");
    let (status, _, told) = run(&format!("backup {}", file.display()), &[("PORTCULLIS_STORE", "memory")]);
    assert!(status == 2 && told.contains("the configured store is no file"), "{told}");
}

fn checked(arguments: &str, settings: &[(&str, &str)], status: i32, words: &[&str]) {
    let (ended, out, told) = run(format!("check-config {arguments}").trim(), settings);
    let all = format!("{out}{told}");
    assert_eq!(ended, status, "{all}");
    for word in words {
        assert!(all.contains(word), "{word} in {all}");
    }
    for secret in [ADMIN_KEY, MASTER_KEY, "the-word"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

/// The line of a setting, in its three parts.
fn line(data: &Path, key: &str) -> Vec<String> {
    let settings = [("PORTCULLIS_DATA", data.to_str().unwrap()), ("PORTCULLIS_CODE_LIFETIME", "90s")];
    let (_, out, _) = run("check-config --sign-up closed", &settings);
    let line = out
        .lines()
        .find(|line| line.starts_with(&format!("{key} ")))
        .unwrap_or_else(|| panic!("{key} in {out}"));
    line.split("  ").map(str::trim).filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
}

#[test]
fn a_server_with_a_certificate_says_https_and_is_asked_how_it_is_by_that() {
    let home = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["auth.example.com".to_owned()]).unwrap();
    let (certificate, key) = (home.path().join("cert.pem"), home.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings = [
        ("PORTCULLIS_STORE", "memory"),
        ("PORTCULLIS_TLS_CERTIFICATE_FILE", certificate.to_str().unwrap()),
        ("PORTCULLIS_TLS_KEY_FILE", key.to_str().unwrap()),
    ];
    let server = Process::start(&settings);
    let base = server.base();
    let address = base.strip_prefix("http://").unwrap();
    let there = [settings.as_slice(), &[("PORTCULLIS_LISTEN", address)]].concat();
    let (status, out, told) = run("health --ready", &there);
    assert_eq!((status, told.as_str()), (0, ""), "{out}");
    let line = format!("listens on https://{address}, issuer https://auth.example.com");
    let said = server.stop();
    assert!(said.contains(&line), "{said}");
}

#[tokio::test]
async fn check_config_asks_the_mail_server_and_sends_a_letter_if_it_is_told_to() {
    let mut mail = MailServer::start(Manners::default()).await.unwrap();
    let url = mail.url(None);
    let checks = async |arguments: &'static str, status: i32, words: &'static str| {
        let url = url.clone();
        let checking = tokio::task::spawn_blocking(move || {
            let from = ("PORTCULLIS_MAIL_FROM", "no-reply@example.com");
            let settings = [("PORTCULLIS_STORE", "memory"), ("PORTCULLIS_SMTP_URL", &url), from];
            checked(arguments, &settings, status, &[words]);
        });
        checking.await.unwrap();
    };
    checks("", 0, "The mail server can be reached, and lets us in").await;
    checks("--letter-to ada@example.com", 0, "The mail server took the letter").await;
    assert_eq!(mail.letter().await.unwrap().to, ["ada@example.com"]);
    drop(mail);
    checks("", 1, "no letters can be sent").await;
    let without = [("PORTCULLIS_STORE", "memory")];
    checked("--letter-to ada@example.com", &without, 2, &["set PORTCULLIS_SMTP_URL"]);
}

#[test]
fn check_config_shows_what_serve_would_read_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    assert_eq!(line(&data, "code_lifetime"), ["code_lifetime", "90s", "PORTCULLIS_CODE_LIFETIME"]);
    assert_eq!(line(&data, "sign_up"), ["sign_up", "closed", "--sign-up"]);
    assert_eq!(line(&data, "access_lifetime"), ["access_lifetime", "1h", "default"]);
    let folder = [("PORTCULLIS_DATA", data.to_str().unwrap()), ("PORTCULLIS_ADMIN_KEY", ADMIN_KEY)];
    checked("", &folder, 0, &["the first run makes one", "admin_key", "(set, and not shown)"]);
    assert!(!data.exists());
    checked("--code-lifetime 1x", &folder, 2, &["--code-lifetime"]);
    checked("", &[("PORTCULLIS_STORE", "memory")], 0, &["forgotten", "A server can be run"]);

    let server = Process::start(&folder);
    checked("", &folder, 0, &["answers at http://127.0.0.1:", "is ready"]);
    server.stop();
    let files = || {
        let entries = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let before = files();
    checked("", &folder, 0, &["the master key opens it", "--trusted-proxies names none"]);
    assert!(files() == before, "something was written");
    checked("", &[folder[0], ("PORTCULLIS_ADMIN_KEY", "a short one")], 2, &["takes 128 bits"]);
    let other = [folder.as_slice(), &[("PORTCULLIS_MASTER_KEY", MASTER_KEY)]].concat();
    checked("", &other, 1, &["the master key is not the one"]);
    std::fs::write(data.join("portcullis.db"), "text".repeat(2_000)).unwrap();
    checked("", &folder, 1, &["the store cannot be used"]);
}

#[test]
fn check_config_reaches_for_redis_and_shows_no_password() {
    let redis = RedisServer::start_with(&["--requirepass", "the-word"]);
    let url = redis.url().replace("redis://", "redis://:the-word@");
    let settings = [("PORTCULLIS_STORE", url.as_str()), ("PORTCULLIS_MASTER_KEY", MASTER_KEY)];
    checked("", &settings, 0, &["no server has used it yet"]);
    checked("", &settings[..1], 2, &["PORTCULLIS_MASTER_KEY"]);
    drop(redis);
    checked("", &settings, 1, &["the store cannot be used"]);
}

#[test]
fn check_config_writes_nothing_to_redis() {
    let redis = RedisServer::start();
    let settings = [("PORTCULLIS_STORE", &*redis.url()), ("PORTCULLIS_MASTER_KEY", MASTER_KEY)]
        .map(|(name, value)| (name, value.to_owned()));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    checked("", &settings, 0, &["no server has used it yet"]);
    assert_eq!(redis.ask(&["DBSIZE"]), "0");
    Process::on_redis(&redis.url()).stop();
    let before = redis.ask(&["INFO", "commandstats"]);
    checked("", &settings, 0, &["the master key opens it"]);
    let after = redis.ask(&["INFO", "commandstats"]);
    let writes = |said: &str| {
        // Those within scripts as well.
        let writing =
            ["set", "del", "zadd", "zrem", "zremrangebyscore", "hset", "expire", "pexpire", "pexpireat"];
        let of = |line: &&str| {
            line.strip_prefix("cmdstat_")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(name, _)| writing.contains(&name))
        };
        let calls = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
        said.lines().filter(of).map(calls).collect::<Vec<_>>()
    };
    assert_eq!(writes(&before), writes(&after));
}

#[test]
fn shells_complete_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, out, told) = run(&format!("completions {shell}"), &[]);
        assert!(status == 0 && out.contains("check-config") && out.contains("rotate-key"), "{told}");
    }
}

/// Who reads has seen enough: that is no error to tell of.
#[test]
fn what_nobody_reads_any_more_ends_silently() {
    for arguments in ["completions bash", "--help", "check-config"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(arguments, &[("PORTCULLIS_STORE", "memory")]);
        let ended = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), told.as_str()), (Some(141), ""), "{arguments}");
    }
}
