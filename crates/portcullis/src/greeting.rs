//! What `portcullis serve` prints on stdout when it starts.

use std::io::{self, Write};
use std::net::SocketAddr;

use oauth_types::Issuer;
use secrecy::{ExposeSecret as _, SecretString};

/// What there is to say.
#[derive(Debug)]
pub struct Greeting<'a> {
    /// The address that was bound.
    pub listening: SocketAddr,
    /// The public URL.
    pub issuer: &'a Issuer,
    /// The admin key, if it was made right now: it is shown this once.
    pub new_admin_key: Option<&'a SecretString>,
    /// Whether no server has used the store before.
    pub first_run: bool,
    /// Whether nothing is kept when the server stops.
    pub forgetful: bool,
    /// Whether it speaks TLS itself.
    pub tls: bool,
}

impl Greeting<'_> {
    /// Says it: in one line, and on the first run what to do next as well.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written to.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { listening, issuer, tls, .. } = self;
        let (version, scheme) = (env!("CARGO_PKG_VERSION"), if *tls { "https" } else { "http" });
        writeln!(out, "Portcullis {version} listens on {scheme}://{listening}, issuer {issuer}")?;
        if self.forgetful {
            writeln!(out, "Everything is kept in memory and forgotten when it stops.")?;
        }
        if let Some(key) = self.new_admin_key {
            let key = key.expose_secret();
            writeln!(
                out,
                "\nThe admin key, shown this once (only its digest is kept); commands find it in this variable:\n\n    export PORTCULLIS_KEY={key}"
            )?;
            self.next_steps(out)?;
        } else if self.first_run {
            // The operator's own key is not repeated: this may end in a log.
            writeln!(
                out,
                "\nThe admin key is the one that you set:\n\n    export PORTCULLIS_KEY=$PORTCULLIS_ADMIN_KEY"
            )?;
            self.next_steps(out)?;
        }
        out.flush()
    }

    fn next_steps(&self, out: &mut dyn Write) -> io::Result<()> {
        let issuer = self.issuer;
        let servers = word(&issuer.endpoint("/api/servers"));
        let introspect = word(&issuer.endpoint("/oauth/introspect"));
        write!(
            out,
            r#"
What to do next

1. Register your MCP server; "resource_url" is the URL that its clients connect to. Keep its key, which is shown this once:

    export PORTCULLIS_SERVER_KEY=$(curl --fail-with-body -sS {servers} \
      -H "Authorization: Bearer $PORTCULLIS_KEY" -H 'Content-Type: application/json' \
      -d '{{"name": "My MCP server", "resource_url": "http://127.0.0.1:3000/mcp",
           "scopes": [{{"name": "notes:read", "default": true}}, {{"name": "notes:write"}}]}}' \
      | sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p')
    echo "$PORTCULLIS_SERVER_KEY"

2. Protect it. In Rust the crate resource-server does all of it, with axum or actix-web: see "Protect your MCP server" in
   README.md. In another language, let your server

   - serve this at http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp:

       {{"resource": "http://127.0.0.1:3000/mcp", "authorization_servers": ["{issuer}"],
        "scopes_supported": ["notes:read"], "bearer_methods_supported": ["header"]}}

   - answer requests without a token with 401 and this header:

       WWW-Authenticate: Bearer resource_metadata="http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp", scope="notes:read"

   - ask about each token, and accept it if "active" is true and "aud" is its own URL:

       curl --fail-with-body -sS {introspect} -H "Authorization: Bearer $PORTCULLIS_SERVER_KEY" -d token=mat_...

"#
        )
    }
}

/// A URL as one word of a shell: its path may hold `$`, `;`, `&`, `'` and brackets (RFC 3986 section 3.3), and this is pasted.
fn word(url: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@%+,=".contains(&byte);
    if url.bytes().all(plain) { url.to_owned() } else { format!("'{}'", url.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    fn printed(key: Option<&SecretString>, first_run: bool) -> String {
        printed_of("https://auth.example.com", key, first_run)
    }

    fn printed_of(issuer: &str, key: Option<&SecretString>, first_run: bool) -> String {
        let issuer = Issuer::parse(issuer).unwrap();
        let listening = SocketAddr::from(([127, 0, 0, 1], 8414));
        let mut out = Vec::new();
        let greeting = Greeting {
            listening,
            issuer: &issuer,
            new_admin_key: key,
            first_run,
            forgetful: false,
            tls: false,
        };
        greeting.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_first_run_shows_the_key_and_what_to_do_with_it() {
        let key = SecretString::from("adm_example");
        let text = printed(Some(&key), true);
        for expected in [
            "listens on http://127.0.0.1:8414",
            "    export PORTCULLIS_KEY=adm_example\n",
            "curl --fail-with-body -sS https://auth.example.com/api/servers \\\n",
            "-H \"Authorization: Bearer $PORTCULLIS_KEY\" ",
            "\"authorization_servers\": [\"https://auth.example.com\"]",
            "WWW-Authenticate: Bearer resource_metadata=",
            "https://auth.example.com/oauth/introspect",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn the_first_run_with_an_own_key_shows_what_to_do_with_it_and_not_the_key() {
        let text = printed(None, true);
        for expected in [
            "    export PORTCULLIS_KEY=$PORTCULLIS_ADMIN_KEY\n",
            "curl --fail-with-body -sS https://auth.example.com/api/servers \\\n",
            "-H \"Authorization: Bearer $PORTCULLIS_KEY\" ",
            "https://auth.example.com/oauth/introspect",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        assert!(!text.contains("The admin key, shown this once"), "{text}");
    }

    #[test]
    fn the_body_of_the_curl_is_json_that_registers() {
        let text = printed(Some(&SecretString::from("adm_example")), true);
        let body = text.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["resource_url"], "http://127.0.0.1:3000/mcp");
        assert_eq!(body["scopes"][1]["name"], "notes:write");
    }

    #[test]
    fn the_readme_registers_in_the_same_words() {
        let words =
            |text: &str| text.split_whitespace().filter(|word| *word != "$").collect::<Vec<_>>().join(" ");
        let text = printed(Some(&SecretString::from("adm_example")), true);
        let from = text.find("export PORTCULLIS_SERVER_KEY").unwrap();
        let command = words(text[from..].split("\n\n").next().unwrap());
        let command = command.replace("https://auth.example.com", "http://127.0.0.1:8414");
        assert!(words(include_str!("../../../README.md")).contains(&command), "{command}");
    }

    /// Everything of it that is meant for a shell.
    fn pasted(text: &str) -> String {
        let key = text.lines().find(|line| line.contains("export PORTCULLIS_KEY=")).unwrap();
        let from = text.find("    export PORTCULLIS_SERVER_KEY").unwrap();
        let register = text[from..].split("\n\n").next().unwrap();
        let ask = text.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap();
        [key, register, ask].join("\n")
    }

    /// A stand-in for curl writes down what it was told.
    #[test]
    fn an_issuer_is_no_code_of_the_shell_that_this_is_pasted_into() {
        let home = tempfile::TempDir::new().unwrap();
        let (curl, told) = (home.path().join("curl"), home.path().join("told"));
        std::fs::write(&curl, "#!/bin/sh\nfor word; do echo \"<$word>\"; done >>told\n").unwrap();
        std::fs::set_permissions(&curl, std::fs::Permissions::from_mode(0o755)).unwrap();
        let search = format!("{}:/usr/bin:/bin", home.path().display());
        for place in [
            "",
            "/a;touch$IFS$9harm;b",
            "/$(touch$IFS$9harm)",
            "/';touch$IFS$9harm;'",
            "/'$(id)'",
            "/a&b",
            "/t*",
        ] {
            let issuer = format!("https://auth.example.com{place}");
            let code = pasted(&printed_of(&issuer, Some(&SecretString::from("adm_example")), true));
            let mut shell = Command::new("sh");
            shell.args(["-c", &code]).env("PATH", &search).current_dir(home.path());
            let ran = shell.output().unwrap();
            let words = std::fs::read_to_string(&told).unwrap_or_default();
            for endpoint in ["/api/servers", "/oauth/introspect"] {
                assert!(words.contains(&format!("<{issuer}{endpoint}>\n")), "{code}\n{ran:?}\n{words}");
            }
            assert!(!home.path().join("harm").exists(), "{code}");
        }
    }

    #[test]
    fn later_runs_say_one_line() {
        assert_eq!(printed(None, false).lines().count(), 1);
    }
}
