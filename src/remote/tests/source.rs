//! Where documents are, and how they are asked for.

use super::*;

#[test]
fn a_url_is_taken_apart_or_refused() {
    let check = |uri: &str, expected: Option<(&str, &str)>| {
        let found = Source::locate(uri);
        let expected = expected.map(|(host, path)| (host.to_owned(), path.to_owned()));
        assert_eq!(found, expected, "{uri}");
    };
    check(
        "https://as.example.org/jwks",
        Some(("as.example.org", "/jwks")),
    );
    check(
        "http://as.example.org/jwks",
        Some(("as.example.org", "/jwks")),
    );
    check(
        "https://as.example.org:8443/a/b?c=d",
        Some(("as.example.org:8443", "/a/b?c=d")),
    );
    check("https://as.example.org", Some(("as.example.org", "/")));
    check(
        "https://as.example.org?c=d",
        Some(("as.example.org", "/?c=d")),
    );
    check(
        "https://as.example.org?c=/d",
        Some(("as.example.org", "/?c=/d")),
    );
    check("https://[2001:db8::1]:1/x", Some(("[2001:db8::1]:1", "/x")));
    check("http://127.0.0.1:1/", Some(("127.0.0.1:1", "/")));
    check(
        "https://a_b.internal/x%20y",
        Some(("a_b.internal", "/x%20y")),
    );
    check("https://a/x@y", Some(("a", "/x@y")));
    for uri in [
        "",
        "jwks",
        "/jwks",
        "//as.example.org/jwks",
        "https:/as.example.org/jwks",
        "https://",
        "https:///jwks",
        "https://?x",
        "ftp://as.example.org/jwks",
        "HTTPS://as.example.org/jwks",
        " https://as.example.org/jwks",
        "https://as.example.org /jwks",
        "https://as.example.org/jw ks",
        "https://as.example.org/jwks\n",
        "https://as.example.org/jwks\0",
        "https://as.example.org/\u{fc}",
        "https://\u{fc}.example.org/",
        "https://user@as.example.org/jwks",
        "https://user:word@as.example.org/jwks",
        "https://as.example.org\\jwks",
        "https://as.example.org#x",
        "https://as.example.org/jwks#x",
        "https://as.example.org/jwks?a#x",
    ] {
        check(uri, None);
    }
}

#[test]
fn a_call_is_a_plain_get() {
    let call = source().call();
    let text = |(name, value)| format!("{name}: {value}");
    let fields: Vec<String> = call.headers.into_iter().map(text).collect();
    let expected = [
        ":method: GET",
        ":path: /jwks",
        ":authority: as.example.org",
        "accept: application/json",
    ];
    assert_eq!(
        (call.cluster.as_str(), fields),
        ("as", expected.map(str::to_owned).to_vec())
    );
    assert_eq!(
        (call.body, call.timeout),
        (Vec::new(), Duration::from_secs(2))
    );
}

#[test]
fn an_attempt_is_over_before_the_next() {
    let check = |name: &str, cooldown: u64, timeout: u64, needed: u64, asked: u64| {
        let source = Source {
            cooldown: cooldown * SECOND,
            timeout: timeout * SECOND,
            ..source()
        };
        let found = (source.pause(false), source.pause(true));
        assert_eq!(found, (needed * SECOND, asked * SECOND), "{name}");
    };
    check("as it is", 10, 2, 5, 10);
    check("cooled down sooner", 1, 2, 5, 3);
    check("a slow server", 10, 30, 31, 31);
    check("the longest cooldown", 3600, 2, 5, 3600);
}
