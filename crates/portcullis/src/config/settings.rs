//! The settings by name: flags, variables and the keys of the file are the same words.

use std::ffi::OsString;

use serde::Deserialize;

use super::error::ConfigError;
use super::gather::of_variable;
use super::given::{Given, SettingName, Source};

macro_rules! settings {
    ($($(#[$about:meta])* $key:ident = $example:literal,)+) => {
        /// What may be set. Anything beyond it is an error, so a misspelt key of the file is told and not ignored.
        #[derive(Clone, Debug, Default, clap::Args, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Settings {
            $($(#[$about])* pub(crate) $key: Option<Given>,)+
        }

        impl Settings {
            /// The keys of all settings.
            pub(crate) const KEYS: &[&str] = &[$(stringify!($key),)+];

            /// A value of a setting that would do.
            pub(crate) fn example(key: &str) -> &'static str {
                match key {
                    $(stringify!($key) => $example,)+
                    _ => "",
                }
            }

            /// What the environment sets.
            pub(crate) fn of_variables(look_up: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
                Ok(Self { $($key: of_variable(stringify!($key), look_up)?,)+ })
            }

            /// Each by its key, with what was written.
            pub(crate) fn entries(&self) -> Vec<(&'static str, Option<&Given>)> {
                vec![$((stringify!($key), self.$key.as_ref()),)+]
            }

            /// These, and where they say nothing, `others`.
            #[must_use]
            pub(crate) fn over(self, others: Self) -> Self {
                Self { $($key: self.$key.or(others.$key),)+ }
            }
        }
    };
}

settings! {
    /// The public URL of this server, as clients see it: https, or http on this machine alone. Without a slash at its end
    ///
    /// [variable: PORTCULLIS_ISSUER] [default: http://127.0.0.1:8414, with the port that --listen has]
    #[arg(long, value_name = "URL", help_heading = "Address")]
    issuer = "https://auth.example.com",
    /// The address and port to listen on; port 0 takes any free one
    ///
    /// [variable: PORTCULLIS_LISTEN] [default: 127.0.0.1:8414]
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Address")]
    listen = "127.0.0.1:8414",
    /// A file with the certificate, as PEM, that this server speaks TLS with, and those that lead to one that clients trust. It is
    /// read again when it changes
    ///
    /// [variable: PORTCULLIS_TLS_CERTIFICATE_FILE] [default: none; plain HTTP, on this machine or behind a proxy]
    #[arg(long, value_name = "FILE", help_heading = "Address")]
    tls_certificate_file = "/etc/portcullis/fullchain.pem",
    /// A file with the private key of that certificate, as PEM
    ///
    /// [variable: PORTCULLIS_TLS_KEY_FILE] [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Address")]
    tls_key_file = "/etc/portcullis/privkey.pem",
    /// The proxies before this server, by address or network (10.0.0.0/8): what they write into X-Forwarded-For is believed.
    /// Separated by spaces or commas
    ///
    /// [variable: PORTCULLIS_TRUSTED_PROXIES] [default: none]
    #[arg(long, value_name = "ADDRESSES", help_heading = "Address")]
    trusted_proxies = "127.0.0.1,10.0.0.0/8",
    /// How many connections may be open at once: 16 to 1000000, as far as the limit of open files (ulimit -n) allows. When all
    /// are taken, one that waits for its client is closed for a new one
    ///
    /// [variable: PORTCULLIS_CONNECTIONS] [default: 8192]
    #[arg(long, value_name = "NUMBER", help_heading = "Connections")]
    connections = "8192",
    /// How many of them one address may have, or one /64 of IPv6: 1 to 1000000. This machine and --trusted-proxies may have all
    ///
    /// [variable: PORTCULLIS_CONNECTIONS_BY_ADDRESS] [default: an eighth of all, and 64 at the least]
    #[arg(long, value_name = "NUMBER", help_heading = "Connections")]
    connections_by_address = "1024",
    /// How long a client may take for the handshake of TLS with the head of the first request, for any other head, for a body, and to take
    /// a piece of the answer: 1s to 5m
    ///
    /// [variable: PORTCULLIS_CLIENT_TIMEOUT] [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Connections")]
    client_timeout = "30s",
    /// How long a connection is kept from an answer to the next request: 1s to 1h, and no shorter than --client-timeout. More than
    /// the proxy before this server keeps it, or the proxy sends requests into connections that were just closed
    ///
    /// [variable: PORTCULLIS_IDLE_TIMEOUT] [default: 150s, or the client timeout if that is longer]
    #[arg(long, value_name = "TIME", help_heading = "Connections")]
    idle_timeout = "150s",
    /// The folder that holds the database and the master key; made on the first run, for its owner alone
    ///
    /// [variable: PORTCULLIS_DATA] [default: ./portcullis-data]
    #[arg(long, value_name = "FOLDER", help_heading = "Data and keys")]
    data = "/var/lib/portcullis",
    /// Where records are kept: sqlite (in the data folder), memory (everything is forgotten when the server stops), or the URL
    /// of a Redis or Valkey that any number of these servers share: redis://HOST:PORT/DATABASE, redis-cluster://HOST:PORT,…,
    /// redis-sentinel://HOST:PORT,…/NAME; rediss:// and so on for TLS. With a password (redis://:PASSWORD@HOST) only as
    /// variable or file
    ///
    /// [variable: PORTCULLIS_STORE] [default: sqlite]
    #[arg(long, value_name = "sqlite|memory|URL", help_heading = "Data and keys")]
    store = "redis://127.0.0.1:6379/0",
    /// A file with what --store says, in one line: for a URL with a password
    ///
    /// [variable: PORTCULLIS_STORE_FILE] [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Data and keys")]
    store_file = "/run/secrets/store",
    /// What the names of all keys in Redis begin with: servers that share a Redis and are not the same have different ones
    ///
    /// [variable: PORTCULLIS_REDIS_PREFIX] [default: portcullis]
    #[arg(long, value_name = "PREFIX", help_heading = "Data and keys")]
    redis_prefix = "portcullis",
    /// A file with the certificates, as PEM, that vouch for a Redis over TLS
    ///
    /// [variable: PORTCULLIS_REDIS_CA_FILE] [default: those that the system trusts]
    #[arg(long, value_name = "FILE", help_heading = "Data and keys")]
    redis_ca_file = "/etc/ssl/redis-ca.pem",
    /// How many replicas of Redis must have received what is written before it is answered (WAIT); with fewer it is 503. Not for
    /// a Cluster
    ///
    /// [variable: PORTCULLIS_REDIS_WAIT_REPLICAS] [default: 0]
    #[arg(long, value_name = "NUMBER", help_heading = "Data and keys")]
    redis_wait_replicas = "1",
    /// How long an answer of Redis may take before the connection counts as broken: 1s to 2m. More than its disk ever takes to
    /// flush
    ///
    /// [variable: PORTCULLIS_REDIS_TIMEOUT] [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "Data and keys")]
    redis_timeout = "10s",
    /// A file with the key that opens /api: of 128 bits or more, in one line. PORTCULLIS_ADMIN_KEY holds the key itself
    ///
    /// [variable: PORTCULLIS_ADMIN_KEY_FILE] [default: one is made on the first run and printed once]
    #[arg(long, value_name = "FILE", help_heading = "Data and keys")]
    admin_key_file = "/run/secrets/admin.key",
    /// A file with the master key, base64url of 32 random bytes, that seals what the database must not tell.
    /// PORTCULLIS_MASTER_KEY holds the key itself
    ///
    /// [variable: PORTCULLIS_MASTER_KEY_FILE] [default: master.key in the data folder, made on the first run; none with Redis]
    #[arg(long, value_name = "FILE", help_heading = "Data and keys")]
    master_key_file = "/run/secrets/master.key",
    /// How long an access token is valid: 1m to 24h
    ///
    /// [variable: PORTCULLIS_ACCESS_LIFETIME] [default: 1h]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    access_lifetime = "1h",
    /// How long a refresh token waits for its use: 1h to 365d
    ///
    /// [variable: PORTCULLIS_REFRESH_IDLE_LIFETIME] [default: 30d]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    refresh_idle_lifetime = "30d",
    /// How long a log-in can be refreshed in all: up to 5 years, and no shorter than the idle time
    ///
    /// [variable: PORTCULLIS_REFRESH_TOTAL_LIFETIME] [default: 180d]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    refresh_total_lifetime = "180d",
    /// How long an authorization code is valid: 10s to 10m
    ///
    /// [variable: PORTCULLIS_CODE_LIFETIME] [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    code_lifetime = "60s",
    /// How long a person may take to consent: 1m to 1h
    ///
    /// [variable: PORTCULLIS_REQUEST_LIFETIME] [default: 10m]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    request_lifetime = "10m",
    /// How long a person stays logged in with a browser at most: 5m to 365d
    ///
    /// [variable: PORTCULLIS_SESSION_LIFETIME] [default: 30d]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    session_lifetime = "30d",
    /// After how long without use a person is logged out, seen by the hour: 5m to the whole time
    ///
    /// [variable: PORTCULLIS_SESSION_IDLE_LIFETIME] [default: 14d, or the whole time if that is shorter]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    session_idle_lifetime = "7d",
    /// How long the refresh token before the current one gets the same answer again, for responses that got lost: 0 (off)
    /// to 5m
    ///
    /// [variable: PORTCULLIS_REFRESH_LEEWAY] [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Policy")]
    refresh_leeway = "30s",
    /// Scopes of your own, accepted at every MCP server beside openid, profile, email and offline_access. Separated by
    /// spaces
    ///
    /// [variable: PORTCULLIS_SCOPES] [default: none]
    #[arg(long, value_name = "SCOPES", help_heading = "Policy")]
    scopes = "files:read files:write",
    /// Who may make an account: open (anybody), closed (nobody), invited (whoever holds an invitation), or whoever has an address at
    /// one of these domains: example.com. Domains need mail. Separated by spaces or commas
    ///
    /// [variable: PORTCULLIS_SIGN_UP] [default: open]
    #[arg(long, value_name = "open|closed|invited|DOMAINS", help_heading = "Accounts")]
    sign_up = "closed",
    /// Whether nobody may connect an app before they have confirmed their email address: on or off. Needs mail
    ///
    /// [variable: PORTCULLIS_REQUIRE_VERIFIED_EMAIL] [default: on with a mail server, else off]
    #[arg(long, value_name = "on|off", help_heading = "Accounts")]
    require_verified_email = "on",
    /// The fewest characters of a password: 10 to 128
    ///
    /// [variable: PORTCULLIS_PASSWORD_LENGTH] [default: 10]
    #[arg(long, value_name = "NUMBER", help_heading = "Accounts")]
    password_length = "12",
    /// What it costs to check a password (Argon2id): memory in KiB, passes, lanes. Existing hashes are renewed when their owner logs in
    ///
    /// [variable: PORTCULLIS_PASSWORD_COST] [default: m=19456,t=2,p=1]
    #[arg(long, value_name = "m=KIB,t=PASSES,p=LANES", help_heading = "Accounts")]
    password_cost = "m=19456,t=2,p=1",
    /// How letters go out: smtp (a mail server), folder (files in the data folder's outbox) or terminal, both for development, or off
    ///
    /// [variable: PORTCULLIS_MAIL] [default: smtp if a mail server is set, else off]
    #[arg(long, value_name = "smtp|folder|terminal|off", help_heading = "Mail")]
    mail = "smtp",
    /// Whom letters are from: an address, or a name and an address in angle brackets
    ///
    /// [variable: PORTCULLIS_MAIL_FROM] [default: none; a mail server needs it]
    #[arg(long, value_name = "ADDRESS", help_heading = "Mail")]
    mail_from = "Portcullis <no-reply@example.com>",
    /// A file with the URL of the mail server, in one line: smtps://user:password@host, or smtp:// for STARTTLS. PORTCULLIS_SMTP_URL
    /// holds the URL itself
    ///
    /// [variable: PORTCULLIS_SMTP_URL_FILE] [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Mail")]
    smtp_url_file = "/run/secrets/smtp.url",
    /// What the pages call whoever runs this server, beside the host: 1 to 60 characters
    ///
    /// [variable: PORTCULLIS_NAME] [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Looks")]
    name = "Widget Works",
    /// A file with the picture above each page: an SVG without scripts, or a PNG, of at most 256 KiB
    ///
    /// [variable: PORTCULLIS_LOGO_FILE] [default: Portcullis's own]
    #[arg(long, value_name = "FILE", help_heading = "Looks")]
    logo_file = "/etc/portcullis/logo.svg",
    /// The colour of buttons and links; made darker or lighter where it could not be read
    ///
    /// [variable: PORTCULLIS_COLOUR] [default: #4a4fc4]
    #[arg(long, value_name = "#RRGGBB", help_heading = "Looks")]
    colour = "#006d5b",
    /// Whether people are asked about apps that an administrator has made first-party ones, too: on or off. Apps on a device are
    /// asked about in any case
    ///
    /// [variable: PORTCULLIS_ASK_FOR_FIRST_PARTY] [default: off]
    #[arg(long, value_name = "on|off", help_heading = "Policy")]
    ask_for_first_party = "on",
    /// Whether apps may be called back by schemes of their own, such as cursor://: on or off
    ///
    /// [variable: PORTCULLIS_PRIVATE_USE_SCHEMES] [default: on]
    #[arg(long, value_name = "on|off", help_heading = "Policy")]
    private_use_schemes = "on",
    /// Whether registrations, log-ins, sign-ups, letters, requests for tokens, with an admin key and those that wait for consent are
    /// limited: on or off (for tests and benchmarks). Wrong admin keys are limited in any case
    ///
    /// [variable: PORTCULLIS_LIMITS] [default: on]
    #[arg(long, value_name = "on|off", help_heading = "Limits")]
    limits = "on",
    /// Anonymous registrations, by address: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_REGISTRATION] [default: 60/1m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_registration = "60/1m",
    /// Log-ins, second steps, forgotten passwords, links of letters and changes to an account, by address: how many within which time,
    /// from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_LOG_IN] [default: 30/1m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_log_in = "30/1m",
    /// Log-ins, by account and address: twice as many in six times as long, and three times as many in 36 times as long, until
    /// one succeeds: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_LOG_IN_ACCOUNT] [default: 10/5m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_log_in_account = "10/5m",
    /// Log-ins, by account, from wherever: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_LOG_IN_ANYWHERE] [default: 100/5m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_log_in_anywhere = "100/5m",
    /// Sign-ups, by address: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_SIGN_UP] [default: 20/10m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_sign_up = "20/10m",
    /// Letters of one kind, by the address that they go to or the person that they are about: how many within which time, from 1 second
    /// to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_LETTER] [default: 5/15m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_letter = "5/15m",
    /// Letters of one kind to an address that need not be that of whoever asks (sign-up, new password, new address), by that address and the
    /// network that asks: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_LETTER_ASKED] [default: 10/1d]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_letter_asked = "10/1d",
    /// Letters that tell somebody who signs up that they have an account already, by the address: how many within which time, from 1
    /// second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_ALREADY] [default: 1/1d]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_already = "1/1d",
    /// Requests that wait for consent, by session: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_REQUESTS] [default: 32/10m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_requests = "32/10m",
    /// Wrong admin keys, by address: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_ADMINISTRATION] [default: 10/1m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_administration = "10/1m",
    /// Wrong admin keys, from all addresses together: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_ADMINISTRATION_ANYWHERE] [default: 100/1m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_administration_anywhere = "100/1m",
    /// Requests to the administration, by admin key: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_ADMINISTRATION_USE] [default: 600/1m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_administration_use = "600/1m",
    /// Requests for tokens, and such that revoke them, by client and grant: how many within which time, from 1 second to 1 day
    ///
    /// [variable: PORTCULLIS_LIMIT_TOKEN] [default: 240/1m]
    #[arg(long, value_name = "NUMBER/TIME", help_heading = "Limits")]
    limit_token = "240/1m",
    /// Who may read /metrics without an admin key, by address or network, as --trusted-proxies lets them be seen. Behind a proxy on
    /// the same machine that is not named there, 127.0.0.1 is everybody. Separated by spaces or commas
    ///
    /// [variable: PORTCULLIS_METRICS_FROM] [default: none; a key with read access opens it]
    #[arg(long, value_name = "ADDRESSES", help_heading = "Logs")]
    metrics_from = "10.0.0.0/8",
    /// How long the audit trail is kept in the store: 1d to 5 years, or 0 to write events to the log alone
    ///
    /// [variable: PORTCULLIS_AUDIT_RETENTION] [default: 90d]
    #[arg(long, value_name = "TIME", help_heading = "Logs")]
    audit_retention = "90d",
    /// How long of it what somebody did is kept who is not known by it, such as refusals and registrations: 1d to 5 years, and never
    /// longer than the rest. Anybody can cause those
    ///
    /// [variable: PORTCULLIS_AUDIT_RETENTION_STRANGERS] [default: 7d]
    #[arg(long, value_name = "TIME", help_heading = "Logs")]
    audit_retention_strangers = "7d",
    /// How log lines are written to stderr: text or json
    ///
    /// [variable: PORTCULLIS_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "text|json", help_heading = "Logs")]
    log_format = "json",
    /// What is logged: error, warn, info, debug or trace, by module where wanted: info,store=debug
    ///
    /// [variable: PORTCULLIS_LOG] [default: info]
    #[arg(long, value_name = "FILTER", help_heading = "Logs")]
    log = "info,store=debug",
}

impl Settings {
    /// What names the store, if something does.
    pub(crate) fn names_store(&self) -> Option<SettingName> {
        let named = [("store", &self.store), ("store_file", &self.store_file)];
        named.into_iter().find_map(|(key, given)| Some(SettingName { key, source: given.as_ref()?.source }))
    }

    /// Whether a data folder is on the command line. Images and units set the variable, whatever the store is.
    pub(crate) fn ask_for_data(&self) -> bool {
        self.data.as_ref().is_some_and(|given| given.source == Source::Flag)
    }
}
