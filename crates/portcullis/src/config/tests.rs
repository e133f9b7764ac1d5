use std::fs;

use super::*;

const NONE: &dyn Fn(&str) -> Option<OsString> = &|_| None;

/// What is said about one setting in each of the three places.
fn told(key: &str, value: &str) -> [String; 3] {
    let flags = flags(&[&format!("--{}={value}", key.replace('_', "-"))]);
    let by_flag = Config::load(flags, None, NONE);
    let look_up = |name: &str| (name == given::variable(key)).then(|| OsString::from(value));
    let by_variable = Config::load(Settings::default(), None, &look_up);
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portcullis.toml");
    fs::write(&file, toml_line(key, value)).unwrap();
    let by_file = Config::load(Settings::default(), Some(&file), NONE);
    [by_flag, by_variable, by_file].map(|loaded| match loaded {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    })
}

fn toml_line(key: &str, value: &str) -> String {
    format!("{key} = {}\n", serde_json::Value::from(value))
}

fn flags(arguments: &[&str]) -> Settings {
    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        settings: Settings,
    }
    let arguments = std::iter::once(&"portcullis").chain(arguments);
    <Only as clap::Parser>::try_parse_from(arguments).unwrap().settings
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let look_up =
        |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| OsString::from(value));
    Config::load(Settings::default(), None, &look_up)
}

#[test]
fn a_bad_setting_is_refused_with_its_name_the_fault_and_an_example() {
    for (key, value, fault) in [
        ("issuer", "", "it is empty"),
        ("issuer", "https://auth.example.com/", "ends with a slash"),
        ("issuer", "https://auth.example.com\n", "line break"),
        ("issuer", " https://auth.example.com", "begins or ends with a space"),
        ("issuer", "http://auth.example.com", "an issuer is https, or http on 127.0.0.1"),
        ("issuer", "https://auth.example.com?a=b", "no query"),
        ("issuer", "https://auth.example.com#a", "no fragment"),
        ("issuer", "https://user@auth.example.com", "no user name"),
        ("issuer", "auth.example.com", "not an absolute URI"),
        ("listen", "8414", "not an IP address with a port"),
        ("listen", "localhost:8414", "not an IP address with a port"),
        ("listen", "127.0.0.1:70000", "not an IP address with a port"),
        ("trusted_proxies", "10.0.0.1,proxy", "`proxy` is not an IP address"),
        ("connections", "many", "not a whole number"),
        ("connections", "15", "it is 15; it must be 16 to 1000000"),
        ("connections_by_address", "0", "it is 0; it must be 1 to 1000000"),
        ("client_timeout", "0", "it is 0 seconds; it must be 1 to 300"),
        ("client_timeout", "500ms", "not a time"),
        ("idle_timeout", "29s", "it is 29 seconds; it must be 30 to 3600"),
        ("data", "", "it is empty"),
        ("data", "/var/lib\n", "line break"),
        (
            "store",
            "postgres",
            "neither sqlite nor memory nor the URL of a Redis: it must begin with redis://",
        ),
        ("store", "redis://a,b", "redis:// names one host"),
        ("store_file", "/does/not/exist", "the file cannot be read"),
        ("redis_prefix", "a{b}", "a prefix is 1 to 64 letters"),
        ("redis_ca_file", "/does/not/exist", "the file cannot be read"),
        ("redis_wait_replicas", "-1", "not a number of replicas"),
        ("redis_wait_replicas", "17", "not a number of replicas"),
        ("redis_timeout", "0", "it is 0 seconds; it must be 1 to 120"),
        ("redis_timeout", "500ms", "not a time"),
        ("admin_key_file", "/does/not/exist", "the file cannot be read"),
        ("master_key_file", "/does/not/exist", "the file cannot be read"),
        ("access_lifetime", "1 hour", "not a time"),
        ("access_lifetime", "-1", "not a time"),
        ("access_lifetime", "99999999999d", "not a time"),
        ("access_lifetime", "5s", "it is 5 seconds; it must be 60 to 86400"),
        ("access_lifetime", "2d", "must be 60 to 86400"),
        ("refresh_idle_lifetime", "1m", "must be 3600 to"),
        ("refresh_total_lifetime", "1d", "must be 2592000 to"),
        ("code_lifetime", "1h", "must be 10 to 600"),
        ("request_lifetime", "1s", "must be 60 to 3600"),
        ("refresh_leeway", "10m", "must be 0 to 300"),
        ("session_lifetime", "1m", "must be 300 to 31536000"),
        ("scopes", "files:read \"x\"", "scope token"),
        ("sign_up", "on", "none of open, closed and invited, and a domain is"),
        ("sign_up", "example.com", "`sign_up` needs mail"),
        ("require_verified_email", "on", "`require_verified_email` needs mail"),
        ("require_verified_email", "yes", "`yes` is none of: on, off"),
        ("password_length", "9", "must be 10 to 128"),
        ("password_length", "ten", "not a whole number"),
        ("password_cost", "19456,2,1", "m=…,t=…,p=…"),
        ("password_cost", "m=4096,t=2,p=1", "7168 to 1048576 KiB"),
        ("password_cost", "m=19456,t=2,p=1,x=1", "m=…,t=…,p=…"),
        ("session_idle_lifetime", "1m", "must be 300 to"),
        ("session_idle_lifetime", "60d", "must be 5184000 to"),
        ("mail", "post", "`post` is none of: smtp, folder, terminal, off"),
        ("mail", "smtp", "need PORTCULLIS_SMTP_URL"),
        ("mail_from", "nobody", "not an address"),
        ("smtp_url_file", "/does/not/exist", "the file cannot be read"),
        ("name", "a\tb", "1 to 60 characters"),
        ("logo_file", "/does/not/exist", "the file cannot be read"),
        ("logo_file", "/dev/zero", "at most 256 KiB"),
        ("colour", "green", "six hexadecimal digits"),
        ("ask_for_first_party", "yes", "`yes` is none of: on, off"),
        ("private_use_schemes", "yes", "`yes` is none of: on, off"),
        ("limits", "none", "`none` is none of: on, off"),
        ("limit_registration", "60", "not a number, 1 to 999999, within a time"),
        ("limit_log_in", "0/1m", "not a number, 1 to 999999, within a time"),
        ("limit_log_in_account", "10/1 minute", "not a time"),
        ("limit_log_in_anywhere", "-1/1m", "not a number"),
        ("limit_sign_up", "20/2d", "not a number"),
        ("limit_letter", "5/0", "not a number"),
        ("limit_requests", "many", "not a number"),
        ("limit_administration", "10/", "not a time"),
        ("limit_token", "1000000/1m", "not a number"),
        ("metrics_from", "prometheus", "`prometheus` is not an IP address"),
        ("audit_retention", "1h", "must be 86400 to 157766400"),
        ("audit_retention", "for ever", "not a time"),
        ("log_format", "xml", "`xml` is none of: text, json"),
        ("log", "info,=,", "not a filter"),
    ] {
        let flag = format!("--{}", key.replace('_', "-"));
        let names = [flag, given::variable(key), key.to_owned()];
        for (told, name) in told(key, value).iter().zip(&names) {
            assert!(told.starts_with(&format!("{name}: ")), "{key}={value:?}: {told:?} does not name {name}");
            assert!(told.contains(fault), "{key}={value:?}: {told:?} does not say {fault:?}");
            if !key.ends_with("_file") {
                assert!(told.contains(&format!(". For example: {name}")), "{key}={value:?}: {told:?}");
            }
        }
    }
}

#[test]
fn tls_needs_both_files_and_an_issuer_that_says_so() {
    let files =
        [("PORTCULLIS_TLS_CERTIFICATE_FILE", "/tls/cert.pem"), ("PORTCULLIS_TLS_KEY_FILE", "/tls/key.pem")];
    let (issuer, plain) =
        (("PORTCULLIS_ISSUER", "https://a.example"), ("PORTCULLIS_ISSUER", "http://127.0.0.1:8414"));
    let config = with_variables(&[files[0], files[1], issuer]).unwrap();
    assert_eq!(config.tls.as_ref().unwrap().key, Path::new("/tls/key.pem"));
    assert!(!config.sees_one_address_only(), "no proxy stands before it");
    for (given, needed) in [
        (vec![files[0], issuer], "TLS needs a key"),
        (vec![files[1], issuer], "TLS needs a certificate"),
        (vec![files[0], files[1]], "an issuer that begins with https"),
        (vec![files[0], files[1], plain], "an issuer that begins with https"),
    ] {
        let told = with_variables(&given).unwrap_err().to_string();
        assert!(told.starts_with("PORTCULLIS_TLS_") && told.contains(needed), "{told}");
    }
}

#[test]
fn the_admin_key_is_refused_without_being_quoted() {
    for (value, fault) in [
        ("", "it is empty"),
        ("short-secret", "takes 128 bits"),
        ("an admin key that is long\n", "line break"),
        (" an admin key that is long", "space at an end"),
        ("sixteen\u{7}characters", "control character"),
    ] {
        let told = with_variables(&[("PORTCULLIS_ADMIN_KEY", value)]).unwrap_err().to_string();
        assert!(told.starts_with("PORTCULLIS_ADMIN_KEY: ") && told.contains(fault), "{value:?}: {told}");
        assert!(told.contains("For example: PORTCULLIS_ADMIN_KEY=$(openssl rand"), "{told}");
        assert!(value.is_empty() || !told.contains(value.trim()), "{told}");
    }
}

#[test]
fn the_master_key_is_32_bytes_in_base64url() {
    let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for text in [good.to_owned(), format!("{good}=")] {
        let config = with_variables(&[("PORTCULLIS_MASTER_KEY", &text)]).unwrap();
        let key = config.master_key.unwrap();
        assert_eq!((key.bytes()[1], key.bytes()[31]), (1, 31));
        assert_eq!(*key.text(), good);
        assert!(!format!("{key:?}").contains("AAEC"));
    }
    for text in [
        "",
        "AAEC",
        &format!("{good}AA"),
        &format!("{good}\n"),
        "++++AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    ] {
        let told = with_variables(&[("PORTCULLIS_MASTER_KEY", text)]).unwrap_err().to_string();
        assert!(told.starts_with("PORTCULLIS_MASTER_KEY: "), "{told}");
        assert!(told.contains("For example: PORTCULLIS_MASTER_KEY=$(openssl rand -base64 32"), "{told}");
    }
}

#[test]
fn a_secret_may_stand_in_a_file_with_one_line_but_not_in_two_places() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("admin.key");
    fs::write(&file, "an admin key that is long\n").unwrap();
    let path = file.to_str().unwrap();
    let config = with_variables(&[("PORTCULLIS_ADMIN_KEY_FILE", path)]).unwrap();
    assert_eq!(config.admin_key, Some(AdminSecret::parse("an admin key that is long").unwrap()));

    fs::write(&file, "an admin key that is long\n\n").unwrap();
    assert!(with_variables(&[("PORTCULLIS_ADMIN_KEY_FILE", path)]).is_err());

    let both = [("PORTCULLIS_ADMIN_KEY_FILE", path), ("PORTCULLIS_ADMIN_KEY", "an admin key that is long")];
    let told = with_variables(&both).unwrap_err().to_string();
    assert_eq!(told, "PORTCULLIS_ADMIN_KEY and PORTCULLIS_ADMIN_KEY_FILE are both set; keep one of them");
}

#[test]
fn a_flag_holds_before_a_variable_and_a_variable_before_the_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portcullis.toml");
    fs::write(&file, "issuer = \"https://file.example\"\ncode_lifetime = \"1m\"\nlimits = false\nscopes = [\"a\", \"b\"]\naccess_lifetime = 120\n")
        .unwrap();
    let look_up = |name: &str| match name {
        "PORTCULLIS_CONFIG" => Some(file.clone().into_os_string()),
        "PORTCULLIS_ISSUER" => Some("https://variable.example".into()),
        "PORTCULLIS_CODE_LIFETIME" => Some("2m".into()),
        _ => None,
    };
    let config = Config::load(flags(&["--issuer", "https://flag.example"]), None, &look_up).unwrap();
    assert_eq!(config.issuer.unwrap().as_str(), "https://flag.example");
    assert_eq!(config.policy.code.as_seconds(), 120);
    assert_eq!(config.policy.access.as_seconds(), 120);
    assert_eq!(config.policy.own_scopes.as_str(), "a b");
    assert!(!config.limits);
}

#[test]
fn a_key_of_the_file_that_does_not_exist_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("portcullis.toml");
    for (content, expected) in [
        ("isuer = \"https://a.example\"", "`isuer`"),
        ("admin_key = \"an admin key that is long\"", "`admin_key`"),
        ("[log]\nformat = \"json\"", "expected a text"),
        ("issuer = ", "TOML parse error"),
    ] {
        fs::write(&file, content).unwrap();
        let told = Config::load(Settings::default(), Some(&file), NONE).unwrap_err().to_string();
        assert!(told.contains(expected) && told.contains("portcullis.toml"), "{content}: {told}");
    }
    let gone = folder.path().join("gone.toml");
    let told = Config::load(Settings::default(), Some(&gone), NONE).unwrap_err().to_string();
    assert!(told.contains("gone.toml cannot be read"), "{told}");
}

#[test]
fn without_an_issuer_it_follows_the_address() {
    let config = Config::load(Settings::default(), None, NONE).unwrap();
    for (listening, issuer) in [
        ("127.0.0.1:8414", "http://127.0.0.1:8414"),
        ("127.0.0.1:41234", "http://127.0.0.1:41234"),
        ("[::1]:8414", "http://[::1]:8414"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
    ] {
        assert_eq!(config.issuer_at(listening.parse().unwrap()).unwrap().as_str(), issuer, "{listening}");
    }
    let set = with_variables(&[("PORTCULLIS_ISSUER", "https://auth.example.com/t1")]).unwrap();
    assert_eq!(
        set.issuer_at("127.0.0.1:1".parse().unwrap()).unwrap().as_str(),
        "https://auth.example.com/t1"
    );
}

#[test]
fn the_defaults_need_no_configuration() {
    let config = Config::load(Settings::default(), None, NONE).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8414");
    assert_eq!(config.data, Path::new("portcullis-data"));
    assert!(matches!(config.store, StoreKind::Sqlite) && config.limits);
    assert!(matches!(config.mail, MailKind::Off) && !config.accounts.withholds_consent());
    assert_eq!(config.accounts.sign_up, identity::SignUp::Open);
    assert!(config.admin_key.is_none() && config.master_key.is_none() && config.trusted_proxies.is_empty());
}

#[test]
fn a_mail_server_is_used_when_it_is_set_and_its_password_is_never_quoted() {
    let url = ("PORTCULLIS_SMTP_URL", "smtps://ada:hunter2hunter2@mail.example");
    let from = ("PORTCULLIS_MAIL_FROM", "Portcullis <no-reply@example.com>");
    let config = with_variables(&[url, from]).unwrap();
    assert!(matches!(config.mail, MailKind::Smtp { .. }));
    assert!(config.accounts.require_verified_email, "on with a mail server");
    assert!(!format!("{config:?}").contains("hunter2"));
    let off = with_variables(&[url, from, ("PORTCULLIS_MAIL", "off")]).unwrap();
    assert!(matches!(off.mail, MailKind::Off) && !off.accounts.require_verified_email);
    let told = with_variables(&[url]).unwrap_err().to_string();
    assert!(told.starts_with("mail_from: letters by a mail server need an address to be from"), "{told}");
    let wrong = ("PORTCULLIS_SMTP_URL", "https://ada:hunter2hunter2@mail.example");
    let told = with_variables(&[wrong, from]).unwrap_err().to_string();
    assert!(told.starts_with("PORTCULLIS_SMTP_URL: ") && !told.contains("hunter2"), "{told}");

    let folder = with_variables(&[("PORTCULLIS_MAIL", "folder")]).unwrap();
    assert!(matches!(folder.mail, MailKind::Folder) && !folder.accounts.require_verified_email);
    let domains = [("PORTCULLIS_MAIL", "terminal"), ("PORTCULLIS_SIGN_UP", "example.com, example.org")];
    let domains = with_variables(&domains).unwrap();
    assert!(domains.accounts.withholds_consent());
}

#[test]
fn a_short_session_is_idle_no_longer_than_it_lasts() {
    let config = with_variables(&[("PORTCULLIS_SESSION_LIFETIME", "1h")]).unwrap();
    assert_eq!(config.accounts.session_idle.as_seconds(), 3600);
    assert_eq!(config.accounts.session_total.as_seconds(), 3600);
    let config = with_variables(&[("PORTCULLIS_PASSWORD_COST", "m=65536,t=3,p=2")]).unwrap();
    assert_eq!(config.accounts.cost, identity::Cost::new(65_536, 3, 2).unwrap());
}

#[test]
fn the_url_of_a_redis_is_a_secret_as_soon_as_it_holds_a_password() {
    const URL: &str = "redis://ada:the-password@127.0.0.1:6379/1";
    let [by_flag, by_variable, by_file] = told("store", URL);
    assert!(
        by_flag.contains("--store: it holds a password") && by_flag.contains("PORTCULLIS_STORE_FILE"),
        "{by_flag}"
    );
    assert_eq!(by_variable, "");
    assert!(by_file.contains("store: it holds a password"), "{by_file}");
    for told in [&by_flag, &by_file] {
        assert!(!told.contains("the-password"), "{told}");
    }
    for wrong in ["redis//ada:the-password@a", "redis://ada:the-password@a,b", "the-password"] {
        for told in told("store", wrong) {
            assert!(!told.is_empty() && !told.contains("the-password"), "{told}");
        }
    }
    let config = with_variables(&[("PORTCULLIS_STORE", URL)]).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("127.0.0.1:6379") && !shown.contains("the-password"), "{shown}");
    assert!(!format!("{:?}", flags(&["--store", URL])).contains("the-password"));

    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("store");
    fs::write(&file, format!("{URL}\n")).unwrap();
    let path = file.to_str().unwrap();
    let config =
        with_variables(&[("PORTCULLIS_STORE_FILE", path), ("PORTCULLIS_REDIS_PREFIX", "mine")]).unwrap();
    assert!(matches!(config.store, StoreKind::Redis(_)));
    let told =
        with_variables(&[("PORTCULLIS_STORE_FILE", path), ("PORTCULLIS_STORE", "memory")]).unwrap_err();
    assert_eq!(told.to_string(), "PORTCULLIS_STORE and PORTCULLIS_STORE_FILE are both set; keep one of them");
    fs::write(&file, "redis://ada:the-password@\n").unwrap();
    let told = with_variables(&[("PORTCULLIS_STORE_FILE", path)]).unwrap_err().to_string();
    assert!(told.contains("must name a host") && !told.contains("the-password"), "{told}");
}

#[test]
fn a_redis_with_a_slow_disk_is_waited_for() {
    for (variables, answering) in
        [(&[][..], "answering: 5s"), (&[("PORTCULLIS_REDIS_TIMEOUT", "1m")], "answering: 60s")]
    {
        let options = format!("{:?}", with_variables(variables).unwrap().redis);
        assert!(options.contains(answering), "{options}");
    }
}

#[test]
fn connections_are_as_many_and_as_slow_as_is_said() {
    let connections = |variables| with_variables(variables).unwrap().connections;
    assert_eq!(connections(&[]), Connections::default());
    let set = connections(&[("PORTCULLIS_CONNECTIONS", "500"), ("PORTCULLIS_CLIENT_TIMEOUT", "4m")]);
    assert_eq!(set.most, Some(500));
    let four_minutes = std::time::Duration::from_secs(240);
    assert_eq!(set.patience, crate::serve::Patience { client: four_minutes, idle: four_minutes });
    let set =
        connections(&[("PORTCULLIS_IDLE_TIMEOUT", "10m"), ("PORTCULLIS_CONNECTIONS_BY_ADDRESS", "8192")]);
    assert_eq!((set.patience.idle.as_secs(), set.by_address), (600, Some(8192)));
}

#[test]
fn behind_a_proxy_that_is_not_named_everybody_is_one_address() {
    let config = |issuer: Option<&str>, proxies: &[&str]| Config {
        issuer: issuer.map(|issuer| Issuer::parse(issuer).unwrap()),
        trusted_proxies: proxies.iter().map(|proxy| proxy.parse().unwrap()).collect(),
        ..Config::default()
    };
    assert!(config(Some("https://auth.example.com"), &[]).sees_one_address_only());
    for fine in [
        config(Some("https://auth.example.com"), &["127.0.0.1"]),
        config(Some("http://127.0.0.1:8414"), &[]),
        config(None, &[]),
    ] {
        assert!(!fine.sees_one_address_only(), "{fine:?}");
    }
}

/// What is read from it opens what this program has sealed.
#[test]
fn a_master_key_is_for_whoever_composes_by_hand_too() {
    let key = MasterKey::new([7; 32]);
    assert_eq!(MasterKey::parse(&key.text()).unwrap().bytes(), &[7; 32]);
    let sealed = key.seal().unwrap().seal(b"text", b"what it is", [1; 32]).unwrap();
    let by_hand = seal::Seal::new(1, [(1, *key.bytes())]).unwrap();
    assert_eq!(*by_hand.open(&sealed, b"what it is").unwrap(), b"text");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_told_with_an_example() {
    use std::os::unix::ffi::OsStringExt as _;
    for key in Settings::KEYS {
        let name = given::variable(key);
        let look_up = |asked: &str| (asked == name).then(|| OsString::from_vec(vec![0xff]));
        let error = Config::load(Settings::default(), None, &look_up).unwrap_err().to_string();
        let example = Settings::example(key);
        assert!(!example.is_empty(), "{key}");
        assert_eq!(error, format!("{name}: it is not UTF-8 text. For example: {name}={example}"));
    }
}
