//! What the authorization server says to people itself.

use super::*;

/// What the protocol says to a person, which the authorization server itself shows.
#[tokio::test]
async fn the_errors_of_the_protocol_speak_the_language_of_the_browser() {
    let world = world().await;
    for (path, said) in [
        ("/oauth/authorize", "Die Anwendung hat nicht gesagt, wer sie ist"),
        ("/oauth/authorize?client_id=nobody", "Diese Anwendung ist hier nicht angemeldet"),
        (
            "/oauth/authorize?client_id=client-1&redirect_uri=https://evil.example",
            "die sie nicht angemeldet hat",
        ),
        (
            "/oauth/authorize?client_id=client-1&redirect_uri=http://127.0.0.1/callback&state=a&state=b",
            "doppelt",
        ),
    ] {
        for (language, is_german) in
            [("de-CH,de;q=0.9,en;q=0.5", true), ("en,de;q=0.9", false), ("fr", false)]
        {
            let request = Request::builder()
                .uri(format!("/tenant1{path}"))
                .header(header::ACCEPT_LANGUAGE, language)
                .body(Bytes::new());
            let page = html(&world.server.serve(request.unwrap(), Peer(None)).await);
            assert_eq!(page.contains(said), is_german, "{language}: {page}");
            assert_eq!(page.contains("<html lang=\"de\""), is_german, "{language}: {page}");
        }
    }
}
