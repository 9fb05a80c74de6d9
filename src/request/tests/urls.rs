//! The upstream's own URLs.

use crate::request::{
    Authorization, BaseUrl, BundlePolicy, FhirPolicy, SearchPolicy, Trace, Upstream, WritePolicy,
};

#[test]
fn urls_of_the_upstream_are_read_below_either_base() {
    let base = |text| BaseUrl::parse(text).expect("a base");
    let policy = FhirPolicy {
        base: base("https://fhir.example.org/r4"),
        public: Vec::new(),
        upstream: Upstream {
            cluster: "fhir_server".to_owned(),
            base: base("http://10.0.0.1:8080/fhir"),
            authorization: Authorization::Strip,
            trace: Trace::Continue,
        },
        body_limit: 1,
        body_check: crate::request::body::BodyCheck::Structure,
        writes: WritePolicy::default(),
        user_access: Default::default(),
        compartment: Default::default(),
        search: SearchPolicy::default(),
        operations: Vec::new(),
        export: None,
        bundles: BundlePolicy::default(),
    };
    for (url, expected) in [
        (
            "http://10.0.0.1:8080/fhir/Patient?x=1",
            Some("/Patient?x=1"),
        ),
        ("https://10.0.0.1:8080/fhir/Patient/1", Some("/Patient/1")),
        (
            "https://fhir.example.org/fhir/Patient/1",
            Some("/Patient/1"),
        ),
        ("https://fhir.example.org/r4/Patient/1", Some("/Patient/1")),
        ("https://fhir.example.org/r4", Some("")),
        ("/fhir/Patient/1", Some("/Patient/1")),
        ("/r44/Patient/1", None),
        ("https://fhir.example.org", None),
        ("https://fhir.example.org/other/r4/Patient/1", None),
        ("ftp://fhir.example.org/r4/Patient/1", None),
        ("Patient/1", None),
    ] {
        assert_eq!(policy.relative(url), expected, "{url}");
    }
}
