//! Base URLs.

/// The base URL of a FHIR API, without trailing slash, query or fragment:
/// `https://fhir.example.org/r4`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BaseUrl {
    text: String,
    scheme_end: usize,
    path_start: usize,
}

impl BaseUrl {
    /// Reads a base URL; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let scheme_end = if text.starts_with("https://") {
            "https".len()
        } else if text.starts_with("http://") {
            "http".len()
        } else {
            return Err("a URL that begins with `https://` or `http://`");
        };
        let rest = text.get(scheme_end + "://".len()..).unwrap_or_default();
        let authority_len = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(authority_len).unwrap_or((rest, ""));
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if authority.is_empty()
            || !authority
                .bytes()
                .all(|byte| plain(byte) || matches!(byte, b':' | b'[' | b']'))
        {
            return Err("a URL with a host, an optional port, and no user name");
        }
        let segments_hold = path.split('/').skip(1).all(|segment| {
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
        });
        if !segments_hold {
            return Err(
                "a URL whose path has plain segments only: no query, fragment, `%` or empty segment",
            );
        }
        let path_start = scheme_end + "://".len() + authority_len;
        Ok(BaseUrl {
            text: text.to_owned(),
            scheme_end,
            path_start,
        })
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme_end).unwrap_or_default()
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.text
            .get(self.scheme_end + "://".len()..self.path_start)
            .unwrap_or_default()
    }

    /// The path: empty, or `/r4`.
    pub fn path(&self) -> &str {
        self.text.get(self.path_start..).unwrap_or_default()
    }

    /// A reference below this base without the base; any other as it is.
    pub fn relative<'a>(&self, text: &'a str) -> &'a str {
        let below = self.strip(text).and_then(|rest| rest.strip_prefix('/'));
        below.unwrap_or(text)
    }

    /// What follows this base in `url`: the empty string, or something that begins with `/` or `?`;
    /// `None` when `url` is not below the base.
    pub fn strip<'a>(&self, url: &'a str) -> Option<&'a str> {
        let rest = url.strip_prefix(self.text.as_str())?;
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_has_parts() {
        for (text, scheme, authority, path) in [
            (
                "https://fhir.example.org/r4",
                "https",
                "fhir.example.org",
                "/r4",
            ),
            (
                "https://fhir.example.org/r4/",
                "https",
                "fhir.example.org",
                "/r4",
            ),
            ("http://127.0.0.1:8080", "http", "127.0.0.1:8080", ""),
            ("https://[::1]:8443/a/b", "https", "[::1]:8443", "/a/b"),
        ] {
            let base = BaseUrl::parse(text).expect(text);
            assert_eq!(
                (base.scheme(), base.authority(), base.path()),
                (scheme, authority, path),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_base_is_refused() {
        for text in [
            "",
            "https://",
            "https:///r4",
            "ftp://h/r4",
            "h/r4",
            "https://u@h/r4",
            "https://h/r4?x",
            "https://h/r4#x",
            "https://h//r4",
            "https://h/r4//",
            "https://h/../r4",
            "https://h/r%34",
            "https://h/é",
            "HTTPS://h",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_urls_below_the_base_are_stripped() {
        let base = BaseUrl::parse("https://h/r4").expect("a base");
        assert_eq!(base.strip("https://h/r4/Patient/1"), Some("/Patient/1"));
        assert_eq!(base.strip("https://h/r4"), Some(""));
        assert_eq!(base.strip("https://h/r4?x"), Some("?x"));
        for other in [
            "https://h/r44/Patient/1",
            "https://h.evil/r4/Patient/1",
            "http://h/r4/Patient/1",
            "/r4",
        ] {
            assert_eq!(base.strip(other), None, "{other}");
        }
    }
}
