//! From the head of a request to an interaction that cannot be misread.
//!
//! Nothing here needs trust: a request that is ambiguous, malformed or not understood is refused
//! before anything is asked about who sent it. What is understood has exactly one canonical form,
//! and that form is what goes upstream.

mod base;
pub mod body;
mod head;
mod query;
mod target;
mod upstream;

pub use base::BaseUrl;
pub use head::{Credentials, Method, Preference, RequestHead, weak_tag};
pub use query::{Direction, MAX_COUNT, Parameter, Search};
pub use target::{Interaction, Request, page_of};
pub use upstream::upstream_headers;

/// Where the FHIR API is, outside and inside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FhirPolicy {
    /// The base that clients use; links and references are written with it.
    pub base: BaseUrl,
    /// Paths below the base that need no credentials, matched exactly, for `GET` and `HEAD`.
    pub public: Vec<String>,
    /// The server behind the proxy.
    pub upstream: Upstream,
    /// The largest request body that is held for inspection, in bytes.
    pub body_limit: usize,
}

impl FhirPolicy {
    /// What follows the base in a URL that the upstream wrote: the empty string, or something that
    /// begins with `/` or `?`.
    ///
    /// It may write the external base or its own, or its own path behind the scheme and the host
    /// that `X-Forwarded-Proto` and `X-Forwarded-Host` told it.
    pub fn below<'a>(&self, url: &'a str) -> Option<&'a str> {
        let (outside, inside) = (&self.base, &self.upstream.base);
        let forwarded = || {
            let rest = url
                .strip_prefix("https://")
                .or_else(|| url.strip_prefix("http://"))?;
            [outside, inside].iter().find_map(|told| {
                rest.strip_prefix(told.authority())?
                    .strip_prefix(inside.path())
                    .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            })
        };
        outside
            .strip(url)
            .or_else(|| inside.strip(url))
            .or_else(forwarded)
    }
}

/// The server behind the proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// The Envoy cluster of the server.
    pub cluster: String,
    /// Its base; the path takes the place of the external base's path, the authority that of the
    /// request's.
    pub base: BaseUrl,
    /// What becomes of the client's `Authorization`.
    pub authorization: Authorization,
}

/// What becomes of the client's `Authorization`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authorization {
    /// It goes on to the upstream.
    Keep,
    /// It is taken out: the upstream trusts the proxy, and a stolen log there holds no token.
    Strip,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_writes_its_base_in_several_ways() {
        let base = |text| BaseUrl::parse(text).expect(text);
        let policy = FhirPolicy {
            base: base("https://fhir.example.org/r4"),
            public: Vec::new(),
            upstream: Upstream {
                cluster: "fhir_server".to_owned(),
                base: base("http://fhir:8080/fhir"),
                authorization: Authorization::Strip,
            },
            body_limit: 1,
        };
        for (url, expected) in [
            ("https://fhir.example.org/r4/Patient/1", Some("/Patient/1")),
            ("http://fhir:8080/fhir/Patient/1", Some("/Patient/1")),
            ("https://fhir:8080/fhir/Patient/1", Some("/Patient/1")),
            (
                "https://fhir.example.org/fhir/Patient/1",
                Some("/Patient/1"),
            ),
            ("https://fhir:8080/fhir", Some("")),
            ("https://fhir:8080/fhir?x", Some("?x")),
            ("https://fhir:8080/fhirx/Patient/1", None),
            ("https://fhir:8080/r4/Patient/1", None),
            ("https://fhir:80801/fhir/Patient/1", None),
            ("https://fhir-7.example/fhir/Patient/1", None),
            ("ftp://fhir:8080/fhir/Patient/1", None),
        ] {
            assert_eq!(policy.below(url), expected, "{url}");
        }
    }
}
