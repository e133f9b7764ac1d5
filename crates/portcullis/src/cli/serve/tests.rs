use std::cell::Cell;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use authz_core::{Limit, Limits, Rate};
use http::Request;
use http_io::{Peer, Serve as _};
use rustix::process::{Signal, getpid, kill_process};

use super::*;
use crate::cli::main;
use crate::telemetry::tests::logged;

/// A pipe that nobody reads any more.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_first_run_that_cannot_print_the_admin_key_does_not_keep_it() {
    let home = tempfile::TempDir::new().unwrap();
    let config =
        || Config { listen: ([127, 0, 0, 1], 0).into(), data: home.path().join("data"), ..Config::default() };
    let again = || Ok(config());
    assert!(matches!(run_server(config(), &again, &mut Closed).await, Err(RunError::Io(_))));
    assert!(Portcullis::open(config()).await.unwrap().new_admin_key().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn a_hangup_reads_limits_again_and_a_wrong_file_changes_nothing() {
    let once_a_day = |most| {
        let rates = Limits::default().with(Limit::Registration, Rate::new(most, 86_400).unwrap());
        Config { store: StoreKind::Memory, rates, ..Config::default() }
    };
    let portcullis = Portcullis::open(once_a_day(1)).await.unwrap();
    let register = async || {
        let body = r#"{"redirect_uris":["https://app.example/cb"]}"#;
        let request = Request::post("/oauth/register").header("content-type", "application/json");
        let response = portcullis.serve(request.body(body.into()).unwrap(), Peer(None)).await;
        response.status().as_u16()
    };
    let read = Cell::new(0);
    let again = || {
        read.set(read.get() + 1);
        match read.get() {
            1 => Config::load(Settings::default(), Some(Path::new("/does/not/exist")), &|_| None),
            _ => Ok(once_a_day(100)),
        }
    };
    let hang_up = async |times| {
        kill_process(getpid(), Signal::HUP).unwrap();
        while read.get() < times {
            tokio::task::yield_now().await;
        }
    };
    let reload = network::told_to_reload().unwrap();
    let told = async {
        assert_eq!((register().await, register().await), (201, 429));
        hang_up(1).await;
        assert_eq!(register().await, 429);
        hang_up(2).await;
        assert_eq!(register().await, 201);
    };
    tokio::select! {
        never = keep_reloading(reload, &again, &portcullis, None) => match never {},
        () = told => {}
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_hangup_reads_name_logo_and_colour_again_and_what_is_wrong_with_them_keeps_those_before() {
    let home = tempfile::TempDir::new().unwrap();
    let (file, logo) = (home.path().join("portcullis.toml"), home.path().join("logo.svg"));
    let write = |name: &str, picture: &str| {
        std::fs::write(&logo, picture).unwrap();
        let settings =
            format!("store = \"memory\"\nname = {name:?}\ncolour = \"#006d5b\"\nlogo_file = {logo:?}\n");
        std::fs::write(&file, settings).unwrap();
    };
    let load = || Config::load(Settings::default(), Some(&file), &|_| None);
    let picture = |of: &str| format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><title>{of}</title></svg>");
    write("Widget Works", &picture("first"));
    let portcullis = Portcullis::open(load().unwrap()).await.unwrap();
    let shown = async |path: &str| {
        let request = Request::get(path).body(bytes::Bytes::new()).unwrap();
        let response = portcullis.serve(request, Peer(None)).await;
        String::from_utf8(response.into_body().to_vec()).unwrap()
    };
    let read = Cell::new(0);
    let again = || {
        let loaded = load();
        read.set(read.get() + 1);
        loaded
    };
    let reload = network::told_to_reload().unwrap();
    let hang_up = async || {
        let before = read.get();
        kill_process(getpid(), Signal::HUP).unwrap();
        while read.get() == before {
            tokio::task::yield_now().await;
        }
    };
    let told = async {
        assert!(shown("/login").await.contains("Widget Works"));
        write("Works of Widgets", &picture("second"));
        hang_up().await;
        assert!(shown("/login").await.contains("Works of Widgets"));
        assert!(shown("/assets/logo").await.contains("second"));
        for (name, logo) in [("x".repeat(61).as_str(), picture("third")), ("Third", "no picture".to_owned())]
        {
            write(name, &logo);
            hang_up().await;
            assert!(shown("/login").await.contains("Works of Widgets"));
            assert!(shown("/assets/logo").await.contains("second"));
        }
    };
    let reloading = async {
        tokio::select! {
            never = keep_reloading(reload, &again, &portcullis, None) => match never {},
            () = told => {}
        }
    };
    let ((), log) = logged(reloading).await;
    assert_eq!(log.matches("cannot be read again; all stays as it is").count(), 2, "{log}");
    assert!(log.contains("logo_file") && log.contains("limits, looks and certificate"), "{log}");
}

#[test]
fn a_proxy_that_is_not_named_is_warned_of_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let arguments = ["portcullis", "serve", "--issuer", "https://auth.example.com", "--listen", &address];
    let environment = Environment { look_up: &|_| None, names: &Vec::new };
    main(arguments.map(OsString::from), &environment, &mut out, &mut errors);
    let told = String::from_utf8(errors).unwrap();
    assert_eq!(told.matches("--trusted-proxies names none").count(), 1, "{told}");
    assert!(told.contains("is in use by another program"), "{told}");
}

#[test]
fn a_data_folder_that_is_not_used_is_warned_of_with_what_names_the_store() {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        settings: Settings,
    }
    for (arguments, store, warned) in [
        (&["--data", "new-data"][..], Some("redis://127.0.0.1:1"), Some("PORTCULLIS_STORE")),
        (&["--data", "new-data", "--store", "memory"], None, Some("--store")),
        (&["--data", "new-data"], Some("sqlite"), None),
        (&["--data", "new-data"], None, None),
        (&[], Some("redis://127.0.0.1:1"), None),
    ] {
        let look_up = |name: &str| match name {
            "PORTCULLIS_STORE" => store.map(OsString::from),
            "PORTCULLIS_DATA" => Some("of-the-image".into()),
            _ => None,
        };
        let flags = <Only as clap::Parser>::parse_from([&["portcullis"], arguments].concat()).settings;
        let settings = Settings::gathered(flags, None, &look_up).unwrap();
        let warning = data_unused(&settings, &Config::of(&settings, &look_up).unwrap());
        assert_eq!(warning.is_some(), warned.is_some(), "{arguments:?}: {warning:?}");
        let names = warned.map(|name| format!("nothing of --data is used: {name} says"));
        assert!(warning.zip(names).is_none_or(|(warning, names)| warning.starts_with(&names)));
    }
}

#[test]
fn a_password_that_is_sent_in_the_clear_is_warned_of_and_not_shown() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let arguments = ["portcullis", "serve", "--listen", &address];
    let store = |name: &str| {
        (name == "PORTCULLIS_STORE").then(|| OsString::from("redis://:the-word@redis.example.internal"))
    };
    let environment = Environment { look_up: &store, names: &Vec::new };
    main(arguments.map(OsString::from), &environment, &mut out, &mut errors);
    let told = String::from_utf8(errors).unwrap();
    assert_eq!(told.matches("without TLS").count(), 1, "{told}");
    assert!(!told.contains("the-word"), "{told}");
}
