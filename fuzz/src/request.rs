//! Paths, queries and bodies of requests: what is understood has one form, and reads the same again.

use fhir_guard::json::{Document, Limits};
use fhir_guard::request::body::BodyCheck;
use fhir_guard::request::{
    Authorization, BaseUrl, Batch, BatchKind, BundlePolicy, Change, FhirPolicy, Interaction,
    Request, RequestHead, SearchPolicy, Upstream, WritePolicy, body, page_of, upstream_headers,
};
use fhir_guard::wire::Pair;

use crate::input::Input;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// A method (one byte), a path up to a line feed, and a body or a paging link; says whether the
/// request is understood.
///
/// # Panics
/// Where the canonical form is read as something else, or holds what no header may.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Input(bytes);
    let method = METHODS[usize::from(input.byte()) % METHODS.len()];
    let path = input.until(b'\n');
    let rest = input.0;
    let policy = policy();
    bundles(rest, &policy);
    let Some((head, request)) = parse(method, path, &policy) else {
        bodies(rest, None);
        return false;
    };
    let target = request.interaction.target();
    let path = format!("{}{target}", policy.base.path());
    let (_, again) = parse(method, path.as_bytes(), &policy)
        .unwrap_or_else(|| panic!("not understood again: {path}"));
    assert_eq!(again, request, "{path}");
    assert_eq!(again.interaction.target(), target);
    for may_read in [true, false] {
        let fields = upstream_headers(&head, &request, &policy, may_read);
        upstream(&fields, &format!("/base{target}"));
    }
    pages(&request.interaction, &target, rest, &policy);
    bodies(rest, Some(&request.interaction));
    true
}

/// The policy by which requests are read here.
pub fn policy() -> FhirPolicy {
    let base = |text| BaseUrl::parse(text).expect("a base");
    FhirPolicy {
        base: base("https://fhir.example.org/r4"),
        public: vec!["metadata".to_owned()],
        upstream: Upstream {
            cluster: "fhir".to_owned(),
            base: base("http://fhir/base"),
            authorization: Authorization::Strip,
        },
        body_limit: 1 << 20,
        body_check: BodyCheck::Structure,
        writes: WritePolicy {
            conditional: vec![
                Change::Create,
                Change::Update,
                Change::Patch,
                Change::Delete,
            ],
            ..WritePolicy::default()
        },
        bundles: BundlePolicy {
            kinds: vec![BatchKind::Batch, BatchKind::Transaction],
            ..BundlePolicy::default()
        },
        compartment: Default::default(),
        user_access: Default::default(),
        search: SearchPolicy::default(),
        operations: Vec::new(),
    }
}

fn parse(method: &str, path: &[u8], policy: &FhirPolicy) -> Option<(RequestHead, Request)> {
    let content_type = match method {
        "PATCH" => "application/json-patch+json",
        _ => "application/fhir+json",
    };
    let fields: [(&str, &[u8]); 5] = [
        (":method", method.as_bytes()),
        (":scheme", b"https"),
        (":authority", b"fhir.example.org"),
        (":path", path),
        ("content-type", content_type.as_bytes()),
    ];
    let head = RequestHead::parse(&fields).1.ok()?;
    let request = Request::parse(&head, policy).ok()?;
    Some((head, request))
}

fn upstream(fields: &[Pair], path: &str) {
    for (name, value) in fields {
        let visible = |byte: &u8| (0x20..0x7f).contains(byte);
        assert!(value.iter().all(visible), "{fields:?}");
        if name == b":path" {
            assert_eq!(value, path.as_bytes());
        }
    }
    let paths = fields.iter().filter(|(name, _)| name == b":path");
    assert_eq!(paths.count(), 1);
}

/// A request is a page of itself; and what a link is rewritten to is a page again, and the same.
fn pages(interaction: &Interaction, target: &str, link: &[u8], policy: &FhirPolicy) {
    let own = format!("{}{target}", policy.base.as_str());
    // A write has no pages.
    let selects = interaction.search().is_some() && interaction.change().is_none();
    let page = page_of(&own, interaction, policy);
    let expected = (selects && target.contains('?')).then_some(own);
    assert_eq!(page, expected);
    let Ok(link) = std::str::from_utf8(link) else {
        return;
    };
    for link in [link.to_owned(), format!("http://fhir/base{target}{link}")] {
        if let Some(page) = page_of(&link, interaction, policy) {
            let again = page_of(&page, interaction, policy);
            assert_eq!(again.as_ref(), Some(&page), "{link}");
            let path = policy.base.strip(&page).expect("below the base");
            let path = format!("{}{path}", policy.base.path());
            let (_, request) = parse("GET", path.as_bytes(), policy).expect("a request");
            let (own, other) = (interaction, &request.interaction);
            assert_eq!((own.code(), own.id()), (other.code(), other.id()));
            assert_eq!(own.resource_type(), other.resource_type());
        }
    }
}

/// A Bundle of requests that is written anew is one, and is written so again.
fn bundles(bytes: &[u8], policy: &FhirPolicy) {
    if let Some(written) = rewritten(bytes, policy) {
        assert_eq!(
            rewritten(written.as_bytes(), policy).as_ref(),
            Some(&written)
        );
    }
}

/// What goes on of a Bundle of requests, where all of it is understood.
fn rewritten(bytes: &[u8], policy: &FhirPolicy) -> Option<String> {
    let document = Document::parse(bytes, &Limits::default()).ok()?;
    let batch = Batch::read(document.root(), policy).ok()?;
    let mut out = batch.begin();
    for (index, entry) in batch.entries.iter().enumerate() {
        let entry = entry.as_ref().ok()?;
        if index > 0 {
            out.push(',');
        }
        entry.write(&entry.request, &mut out);
    }
    out.push_str(Batch::END);
    Some(out)
}

/// A body that is taken is strict JSON of the right shape, and rights only ever narrow.
fn bodies(bytes: &[u8], interaction: Option<&Interaction>) {
    let rights = [(true, true), (true, false), (false, true), (false, false)];
    let [all, ..] = rights.map(|(may_read, contained)| {
        let taken = body::check_patch(bytes, may_read, contained).is_ok();
        assert!(!taken || crate::lexer::check(bytes), "no strict JSON");
        taken
    });
    for (may_read, contained) in rights {
        let taken = body::check_patch(bytes, may_read, contained).is_ok();
        assert!(!taken || all, "fewer rights allow more");
    }
    let Some(resource_type) = interaction.and_then(Interaction::resource_type) else {
        return;
    };
    let id = interaction.and_then(Interaction::id);
    let [strict, names, taken] = [BodyCheck::Structure, BodyCheck::Names, BodyCheck::None]
        .map(|check| body::check_body(bytes, resource_type, id, check).is_ok());
    assert!(names || !strict, "a stricter check takes more");
    assert!(taken || !names, "a stricter check takes more");
    if taken {
        assert!(body::check_body(bytes, resource_type, None, BodyCheck::None).is_ok());
        match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(body) => {
                assert_eq!(body["resourceType"], resource_type.name());
                assert!(id.is_none() || body["id"].as_str() == id);
            }
            // RFC 8259 sets no bound to numbers; the other reader has the one of its type.
            Err(error) => assert!(error.to_string().contains("number out of range"), "{error}"),
        }
    }
}
