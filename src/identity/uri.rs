//! Where a request goes, in one form (RFC 3986 section 6.2), so that two texts of one place are equal.

/// The canonical form of an `https` or `http` URI, without its query and fragment: scheme and host in
/// lower case, no default port, escapes of unreserved characters undone and others in upper case, dot
/// segments removed, and `/` for an empty path. `None` where it is no such URI, or has a user name.
pub(super) fn canonical(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let authority = authority_of(authority, default_port)?;
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, ignored) = rest.split_at_checked(end)?;
    if !ignored.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let path = without_dots(&unescaped(path)?);
    Some(format!("{scheme}://{authority}{path}"))
}

/// Host and port, in lower case and without the default port (RFC 3986 sections 6.2.2.1 and 6.2.3). A
/// host here is a name or an address in plain characters, as in a configured base.
fn authority_of(text: &str, default_port: &str) -> Option<String> {
    let host_end = match text.starts_with('[') {
        true => text.find(']')?.checked_add(1)?,
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(host_end)?;
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']')
    };
    if host.is_empty() || !host.bytes().all(plain) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    let port = match port {
        "" => "",
        port => port.strip_prefix(':')?,
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match port == default_port || port.is_empty() {
        true => Some(host),
        false => Some(format!("{host}:{port}")),
    }
}

/// A path with the escapes of unreserved characters undone, and the others in upper case (RFC 3986
/// sections 6.2.2.1 and 6.2.2.2).
fn unescaped(path: &str) -> Option<String> {
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            let known = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
            text.push(known.then(|| char::from(byte))?);
            continue;
        }
        let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
        let escaped = high << 4 | low;
        if escaped.is_ascii_alphanumeric() || b"-._~".contains(&escaped) {
            text.push(char::from(escaped));
        } else {
            text.push_str(&format!("%{escaped:02X}"));
        }
    }
    Some(text)
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// A path without its dot segments (RFC 3986 section 5.2.4); it begins with a slash, or is empty.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            // What ended in a dot segment ends in a slash.
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_form() {
        let base = "https://fhir.example.org/r4/Patient/p1";
        for (name, text, expected) in [
            (
                "as it is",
                "https://fhir.example.org/r4/Patient/p1",
                Some(base),
            ),
            (
                "scheme",
                "HTTPS://fhir.example.org/r4/Patient/p1",
                Some(base),
            ),
            ("host", "https://FHIR.Example.ORG/r4/Patient/p1", Some(base)),
            (
                "default port",
                "https://fhir.example.org:443/r4/Patient/p1",
                Some(base),
            ),
            (
                "empty port",
                "https://fhir.example.org:/r4/Patient/p1",
                Some(base),
            ),
            (
                "query",
                "https://fhir.example.org/r4/Patient/p1?a=/../b",
                Some(base),
            ),
            (
                "fragment",
                "https://fhir.example.org/r4/Patient/p1#/x",
                Some(base),
            ),
            (
                "both",
                "https://fhir.example.org/r4/Patient/p1?x#y?z",
                Some(base),
            ),
            (
                "unreserved escaped",
                "https://fhir.example.org/%72%34/%50atient/p%31",
                Some(base),
            ),
            (
                "a dot",
                "https://fhir.example.org/./r4/Patient/./p1",
                Some(base),
            ),
            (
                "two dots",
                "https://fhir.example.org/x/../r4/Patient/y/../p1",
                Some(base),
            ),
            (
                "more dots than path",
                "https://fhir.example.org/../../r4/Patient/p1",
                Some(base),
            ),
            (
                "escaped dots",
                "https://fhir.example.org/x/%2E%2e/r4/Patient/p1",
                Some(base),
            ),
            (
                "half escaped dots",
                "https://fhir.example.org/x/.%2e/r4/Patient/p1",
                Some(base),
            ),
            ("path in another case", "https://h/R4", Some("https://h/R4")),
            (
                "another port",
                "https://h:8443/r4",
                Some("https://h:8443/r4"),
            ),
            (
                "port of the other scheme",
                "https://h:80/r4",
                Some("https://h:80/r4"),
            ),
            ("http", "http://h:80/r4", Some("http://h/r4")),
            (
                "http with the port of https",
                "http://h:443/r4",
                Some("http://h:443/r4"),
            ),
            (
                "port with a zero",
                "https://h:0443/r4",
                Some("https://h:0443/r4"),
            ),
            ("no path", "https://h", Some("https://h/")),
            ("no path, a query", "https://h?x", Some("https://h/")),
            ("no path, a fragment", "https://h#x", Some("https://h/")),
            ("a slash", "https://h/", Some("https://h/")),
            ("trailing slash", "https://h/r4/", Some("https://h/r4/")),
            ("two slashes", "https://h//r4", Some("https://h//r4")),
            ("a dot at the end", "https://h/r4/.", Some("https://h/r4/")),
            (
                "two dots at the end",
                "https://h/r4/x/..",
                Some("https://h/r4/"),
            ),
            ("three dots", "https://h/...", Some("https://h/...")),
            (
                "a slash escaped",
                "https://h/a%2fb",
                Some("https://h/a%2Fb"),
            ),
            (
                "a reserved one escaped",
                "https://h/a%3ab",
                Some("https://h/a%3Ab"),
            ),
            ("a reserved one", "https://h/a:b", Some("https://h/a:b")),
            ("twice escaped", "https://h/%252e", Some("https://h/%252e")),
            (
                "an address",
                "https://[2001:DB8::1]:443/r4",
                Some("https://[2001:db8::1]/r4"),
            ),
            (
                "an address with a port",
                "https://[::1]:8443/r4",
                Some("https://[::1]:8443/r4"),
            ),
            ("escaped host", "https://%66hir.example.org/r4", None),
            ("user name", "https://u@h/r4", None),
            ("user name like a host", "https://h:443@evil/r4", None),
            ("no host", "https:///r4", None),
            ("no host but a port", "https://:443/r4", None),
            ("another scheme", "ftp://h/r4", None),
            ("no scheme", "//h/r4", None),
            ("a path alone", "/r4/Patient/p1", None),
            ("nothing", "", None),
            ("port in letters", "https://h:https/r4", None),
            ("two ports", "https://h:1:2/r4", None),
            ("an address left open", "https://[::1/r4", None),
            ("an escape cut short", "https://h/%4", None),
            ("an escape of no digits", "https://h/%zz", None),
            ("an escape with a sign", "https://h/%+1", None),
            ("a space", "https://h/a b", None),
            ("a space in the query", "https://h/a?b c", None),
            ("a space before", " https://h/a", None),
            ("a backslash", "https://h\\r4", None),
            ("a backslash in the path", "https://h/r4\\x", None),
            ("a line break", "https://h/r4\n", None),
            ("no ASCII", "https://h/\u{e9}", None),
            ("no ASCII in the host", "https://h\u{e9}/", None),
        ] {
            let found = canonical(text);
            assert_eq!(found.as_deref(), expected, "{name}: {text}");
            if let Some(found) = found {
                let again = canonical(&found);
                assert_eq!(again, Some(found), "{name}, again");
            }
        }
    }
}
