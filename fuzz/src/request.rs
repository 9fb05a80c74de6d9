//! Paths, queries and bodies of requests: what is understood has one form, and reads the same again.

use fhir_guard::json::{Document, Limits};
use fhir_guard::request::body::{self, BodyCheck};
use fhir_guard::request::{
    Batch, BatchEntry, FhirPolicy, Form, Interaction, Request, RequestHead, page_of,
    upstream_headers,
};
use fhir_guard::wire::Pair;

use crate::input::Input;

mod decision;
mod exports;

/// Methods; two of them with more in the head than a path.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", SEARCH, CREATE,
];

/// A `POST` with a form.
const SEARCH: &str = "POST of a form";

/// A `POST` whose query stands in `If-None-Exist`.
const CREATE: &str = "POST on a condition";

thread_local! {
    static POLICY: FhirPolicy = decision::policy().fhir;
}

/// A method (one byte), a path up to a line feed, and a body or a paging link; says whether the
/// request is understood.
///
/// # Panics
/// Where the canonical form is read as something else, or decided on in another way, or holds what no
/// header may.
pub fn check(bytes: &[u8]) -> bool {
    POLICY.with(|policy| understood(bytes, policy))
}

/// The policy by which requests are read here.
pub fn policy() -> FhirPolicy {
    POLICY.with(FhirPolicy::clone)
}

fn understood(bytes: &[u8], policy: &FhirPolicy) -> bool {
    let mut input = Input(bytes);
    let method = METHODS[usize::from(input.byte()) % METHODS.len()];
    let path = input.until(b'\n');
    let rest = input.0;
    bundles(rest, policy);
    exports::links_of_servers(rest, policy, |found| deletes(found, policy));
    let Some((head, request)) = parse(method, path, rest, policy) else {
        bodies(rest, None);
        return false;
    };
    let again = printed(method, &head, &request, policy);
    assert_eq!(again, request, "{method}");
    let target = request.interaction.target();
    assert_eq!(again.interaction.target(), target);
    for may_read in [true, false] {
        let fields = upstream_headers(&head, &request, policy, may_read);
        upstream(&fields);
    }
    exports::check(&request);
    decision::check(method, &head, &request, policy);
    pages(&request.interaction, &target, rest, policy);
    bodies(rest, Some(&request.interaction));
    true
}

/// Whether this path of the upstream, with `DELETE`, is a resource's or a type's.
fn deletes(path: &str, policy: &FhirPolicy) -> bool {
    let below = path.strip_prefix("/base").unwrap_or_default();
    let path = format!("{}{below}", policy.base.path());
    let found = parse("DELETE", path.as_bytes(), b"", policy);
    found.is_some_and(|(_, request)| request.interaction.change().is_some())
}

/// A request as it goes upstream, read again.
fn printed(method: &str, head: &RequestHead, request: &Request, policy: &FhirPolicy) -> Request {
    let fields = upstream_headers(head, request, policy, true);
    let field = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value))
    };
    let path = field(":path").expect("a path");
    let below = path
        .strip_prefix("/base")
        .expect("below the upstream's base");
    let mut path = format!("{}{below}", policy.base.path());
    if let Some(query) = field("if-none-exist") {
        path = format!("{path}?{query}");
    }
    let form = request.body().unwrap_or_default();
    let again = parse(method, path.as_bytes(), form.as_bytes(), policy);
    let (_, again) =
        again.unwrap_or_else(|| panic!("not understood again: {method} {path}: {form}"));
    again
}

fn parse(
    method: &str,
    path: &[u8],
    body: &[u8],
    policy: &FhirPolicy,
) -> Option<(RequestHead, Request)> {
    let content_type = match method {
        "PATCH" => "application/json-patch+json",
        SEARCH => "application/x-www-form-urlencoded",
        _ => "application/fhir+json",
    };
    let place = path.iter().position(|byte| *byte == b'?');
    let (path, condition) = match place.filter(|_| method == CREATE) {
        Some(place) => (&path[..place], Some(&path[place + 1..])),
        None => (path, None),
    };
    let verb = match method {
        SEARCH | CREATE => "POST",
        other => other,
    };
    let mut fields: Vec<(&str, &[u8])> = vec![
        (":method", verb.as_bytes()),
        (":scheme", b"https"),
        (":authority", b"fhir.example.org"),
        (":path", path),
        ("content-type", content_type.as_bytes()),
    ];
    fields.extend(condition.map(|condition| ("if-none-exist", condition)));
    let head = RequestHead::parse(&fields).1.ok()?;
    exports::links_of_ours(&head, policy);
    let request = match Form::parse(&head, policy).ok()? {
        Some(form) => form.complete(body, policy).ok()?,
        None => Request::parse(&head, policy).ok()?,
    };
    Some((head, request))
}

fn upstream(fields: &[Pair]) {
    for (name, value) in fields {
        let visible = |byte: &u8| (0x20..0x7f).contains(byte);
        assert!(value.iter().all(visible), "{fields:?}");
        assert!(
            name != b":path" || value.starts_with(b"/base"),
            "{fields:?}"
        );
    }
    let paths = fields.iter().filter(|(name, _)| name == b":path");
    assert_eq!(paths.count(), 1);
}

/// A request is a page of itself; and what a link is rewritten to is a page again, and the same.
fn pages(interaction: &Interaction, target: &str, link: &[u8], policy: &FhirPolicy) {
    let own = format!("{}{target}", policy.base.as_str());
    // A write has no pages.
    let selects = interaction.has_pages() && interaction.change().is_none();
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
            let (_, request) = parse("GET", path.as_bytes(), b"", policy).expect("a request");
            let (own, other) = (interaction, &request.interaction);
            assert_eq!((own.code(), own.id()), (other.code(), other.id()));
            assert_eq!(own.resource_type(), other.resource_type());
        }
    }
}

/// A Bundle of requests that is written anew is one, and is written so again; and what is permitted of it
/// goes on as what it was permitted for.
fn bundles(bytes: &[u8], policy: &FhirPolicy) {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else {
        return;
    };
    let Ok(batch) = Batch::read(document.root(), policy) else {
        return;
    };
    let whole = batch.entries.iter().all(Result::is_ok);
    if whole {
        let all = batch.entries.iter().flatten();
        let written = rewritten(&batch, all.map(|entry| (entry, entry.request.clone())));
        read_again(&written, policy, |again| {
            let all = again.entries.iter().flatten();
            let all = all.map(|entry| (entry, entry.request.clone()));
            assert_eq!(rewritten(again, all), written);
        });
    }
    decision::check_batch(&batch, whole, policy);
}

/// The Bundle with these entries.
fn rewritten<'e, 'd: 'e>(
    batch: &Batch<'d>,
    entries: impl Iterator<Item = (&'e BatchEntry<'d>, Request)>,
) -> String {
    let mut out = batch.begin();
    for (index, (entry, request)) in entries.enumerate() {
        if index > 0 {
            out.push(',');
        }
        entry.write(&request, &mut out);
    }
    out.push_str(Batch::END);
    out
}

fn read_again(written: &str, policy: &FhirPolicy, check: impl FnOnce(&Batch<'_>)) {
    let document = Document::parse(written.as_bytes(), &Limits::default());
    let document = document.unwrap_or_else(|fault| panic!("{fault:?}: {written}"));
    match Batch::read(document.root(), policy) {
        Ok(batch) => {
            assert!(batch.entries.iter().all(Result::is_ok), "{written}");
            check(&batch);
        }
        Err(denial) => panic!("{denial:?}: {written}"),
    }
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
