//! The document to a [`Policy`].

use std::rc::Rc;

use serde_json::Value;

use super::issuers;
use super::mistakes::Mistakes;
use super::reader::{Node, Object, each, or};
use super::rules::{self, RedactionRule};
use crate::audit::AuditPolicy;
use crate::fhir::ResourceType;
use crate::identity::{CertificatePolicy, IssuerPolicy, KnownAnswer, ValidatedBy, known_answers};
use crate::limit::Limit;
use crate::request::{Authorization, BaseUrl, FhirPolicy, Upstream};

/// What an operator decided: everything that a request is judged by. Made by [`super::read`] alone.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `fhir`: where the API is, outside and inside.
    pub fhir: FhirPolicy,
    /// `client_certificate`: how the connection's certificate is judged.
    pub certificate: CertificatePolicy,
    /// `issuers`: whose tokens are taken; at least one, no two of the same `issuer`.
    pub issuers: Vec<IssuerPolicy>,
    /// `signatures.host`: whether the host verifies the signatures that it can.
    pub host_signatures: bool,
    /// `limits`: how often a caller may ask; no two of the same name.
    pub limits: Rc<[Limit]>,
    /// `redaction`: what is hidden, and from whom; no two of the same name.
    pub redactions: Vec<RedactionRule>,
    /// `response`: what inspecting an answer may cost.
    pub response: ResponsePolicy,
    /// `audit`: how an exchange is remembered.
    pub audit: AuditPolicy,
}

/// What inspecting an answer may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ResponsePolicy {
    /// Bytes of an answer that are held while it can still become a refusal. Must be below the
    /// listener's `per_connection_buffer_limit_bytes`; nothing here can see whether it is.
    pub hold_limit: usize,
    /// Bytes of one resource that are held to decide on it; at least `hold_limit`.
    pub resource_limit: usize,
    /// Answer 403 instead of 404, for absent instances and for those outside the caller's
    /// compartment alike. For servers where a `PUT` to an absent id creates it: there a 404 would
    /// tell that the id is free.
    pub absent_is_forbidden: bool,
}

impl Policy {
    /// What to ask the host before it is trusted with signatures; nothing where it is not to verify
    /// any.
    pub fn questions(&self) -> Vec<KnownAnswer> {
        match self.host_signatures {
            true => known_answers(),
            false => Vec::new(),
        }
    }
}

/// Bytes of a URL.
pub(super) const URL: usize = 2048;

/// Bytes of a name: tenant, observer, redaction.
pub(super) const NAME: usize = 64;

/// Bytes of the name of an Envoy cluster; Istio's are long.
const CLUSTER: usize = 256;

/// Paths below the base that need no credentials.
const PUBLIC: usize = 64;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Reads a whole document.
pub(super) fn read(document: &Value) -> Result<Policy, Mistakes> {
    let mut mistakes = Mistakes::default();
    let policy = policy(&Node::root(document), &mut mistakes);
    match policy {
        Some(policy) if mistakes.is_empty() => Ok(policy),
        _ => Err(mistakes),
    }
}

fn policy(document: &Node<'_>, m: &mut Mistakes) -> Option<Policy> {
    let mut object = document.object("an object", m)?;
    let fhir = object.required("fhir", "an object with base and upstream", m);
    let fhir = fhir.and_then(|node| fhir_policy(&node, m));
    let certificate = CertificatePolicy {
        required: true,
        validated_by: ValidatedBy::Attribute,
    };
    let certificate = or(object.optional("client_certificate"), certificate, |node| {
        certificate_policy(node, m)
    });
    let issuers = object.required("issuers", "a list of issuers whose tokens are taken", m);
    let issuers = issuers.and_then(|node| issuers::read(&node, m));
    let host_signatures = or(object.optional("signatures"), true, |node| {
        host_signatures(node, m)
    });
    let limits = or(object.optional("limits"), Vec::new(), |node| {
        rules::limits(node, m)
    });
    let redactions = or(object.optional("redaction"), Vec::new(), |node| {
        rules::redactions(node, m)
    });
    let response = ResponsePolicy {
        hold_limit: 512 * KIB,
        resource_limit: 8 * MIB,
        absent_is_forbidden: false,
    };
    let response = or(object.optional("response"), response, |node| {
        response_policy(node, response, m)
    });
    let audit = object.required("audit", "an object with observer", m);
    let audit = audit.and_then(|node| audit_policy(&node, m));
    object.unavailable(
        "secrets",
        "no secrets, because no feature of this version needs one",
        m,
    );
    object.finish(m);
    Some(Policy {
        fhir: fhir?,
        certificate: certificate?,
        issuers: issuers?,
        host_signatures: host_signatures?,
        limits: limits?.into(),
        redactions: redactions?,
        response: response?,
        audit: audit?,
    })
}

fn fhir_policy(node: &Node<'_>, m: &mut Mistakes) -> Option<FhirPolicy> {
    let mut object = node.object("an object with base and upstream", m)?;
    let base = base(&mut object, m);
    let well_known = ["metadata", ".well-known/smart-configuration"]
        .map(str::to_owned)
        .to_vec();
    let public = or(object.optional("public"), well_known, |node| {
        let paths = node.list("paths", 0..=PUBLIC, m)?;
        each(&paths, |path| public_path(path, m))
    });
    let upstream = object.required("upstream", "an object with cluster and base", m);
    let upstream = upstream.and_then(|node| upstream_policy(&node, m));
    let body_limit = or(object.optional("body_limit"), 512 * KIB, |node| {
        node.size(KIB..=8 * MIB, m)
    });
    object.finish(m);
    Some(FhirPolicy {
        base: base?,
        public: public?,
        upstream: upstream?,
        body_limit: body_limit?,
    })
}

fn upstream_policy(node: &Node<'_>, m: &mut Mistakes) -> Option<Upstream> {
    let mut object = node.object("an object with cluster and base", m)?;
    let expected = "the name of an Envoy cluster";
    let cluster = object.required("cluster", expected, m);
    let cluster = cluster.and_then(|node| {
        let name = node.text(expected, 1..=CLUSTER, m)?;
        node.check(
            name.bytes().all(|byte| byte.is_ascii_graphic()),
            "printable ASCII without spaces",
            m,
        )?;
        Some(name.to_owned())
    });
    let base = base(&mut object, m);
    let authorization = or(
        object.optional("authorization"),
        Authorization::Strip,
        |node| {
            node.keyword(
                &[
                    ("strip", Authorization::Strip),
                    ("keep", Authorization::Keep),
                ],
                m,
            )
        },
    );
    object.finish(m);
    Some(Upstream {
        cluster: cluster?,
        base: base?,
        authorization: authorization?,
    })
}

fn base(object: &mut Object<'_>, m: &mut Mistakes) -> Option<BaseUrl> {
    let expected = "the base URL of a FHIR API";
    let node = object.required("base", expected, m)?;
    let text = node.text(expected, 1..=URL, m)?;
    match BaseUrl::parse(text) {
        Ok(base) => Some(base),
        Err(expected) => node.refuse(expected, "other text", m),
    }
}

/// A path below the base, compared exactly. What it leads to is neither decided on nor screened:
/// paths of resources, of operations and of the server's history lead to data.
fn public_path(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "a path below the base such as metadata";
    let path = node.text(expected, 1..=URL, m)?;
    let letter =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let plain = path
        .split('/')
        .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(letter));
    node.check(
        plain,
        "a path below the base, without a slash before or after it, of the characters A-Z a-z 0-9 - . _ ~",
        m,
    )?;
    let first = path.split('/').next().unwrap_or_default();
    let data = ResourceType::parse(first).is_some() || first.starts_with('_');
    if data {
        return node.refuse("a path without patient data", "the path of resources", m);
    }
    Some(path.to_owned())
}

fn certificate_policy(node: &Node<'_>, m: &mut Mistakes) -> Option<CertificatePolicy> {
    let mut object = node.object("an object", m)?;
    let required = or(object.optional("required"), true, |node| node.bool(m));
    let source = or(object.optional("source"), (), |node| {
        if node.value().get("xfcc").is_none() {
            return node.keyword(&[("connection", ())], m);
        }
        let mut source = node.object("connection", m)?;
        source.unavailable("xfcc", "source: connection", m);
        None
    });
    let validated_by = or(
        object.optional("validated_by"),
        ValidatedBy::Attribute,
        |node| {
            node.keyword(
                &[
                    ("attribute", ValidatedBy::Attribute),
                    ("listener", ValidatedBy::Listener),
                ],
                m,
            )
        },
    );
    object.finish(m);
    source?;
    Some(CertificatePolicy {
        required: required?,
        validated_by: validated_by?,
    })
}

fn host_signatures(node: &Node<'_>, m: &mut Mistakes) -> Option<bool> {
    let mut object = node.object("an object with host", m)?;
    let host = or(object.optional("host"), true, |node| node.bool(m));
    object.finish(m);
    host
}

fn response_policy(
    node: &Node<'_>,
    default: ResponsePolicy,
    m: &mut Mistakes,
) -> Option<ResponsePolicy> {
    let mut object = node.object("an object", m)?;
    let hold = or(object.optional("hold_limit"), default.hold_limit, |node| {
        node.size(KIB..=16 * MIB, m)
    });
    let resource = object.optional("resource_limit");
    let place = object.pointer_of("resource_limit");
    let resource = or(resource, default.resource_limit, |node| {
        node.size(KIB..=64 * MIB, m)
    });
    let absent = or(
        object.optional("absent"),
        default.absent_is_forbidden,
        |node| node.keyword(&[("not-found", false), ("forbidden", true)], m),
    );
    object.finish(m);
    let (hold_limit, resource_limit) = (hold?, resource?);
    if resource_limit < hold_limit {
        m.add(&place, "expected at least hold_limit, found less");
        return None;
    }
    Some(ResponsePolicy {
        hold_limit,
        resource_limit,
        absent_is_forbidden: absent?,
    })
}

fn audit_policy(node: &Node<'_>, m: &mut Mistakes) -> Option<AuditPolicy> {
    let mut object = node.object("an object with observer", m)?;
    let observer = object.required("observer", "the name under which this filter reports", m);
    let observer = observer.and_then(|node| name(&node, m));
    let sinks = or(object.optional("sinks"), Vec::new(), |node| {
        let sinks = node.list("sinks", 1..=1, m)?;
        each(&sinks, |sink| audit_sink(sink, m))
    });
    object.finish(m);
    sinks?;
    Some(AuditPolicy {
        observer: observer?,
    })
}

/// The only sink there is.
fn audit_sink(node: &Node<'_>, m: &mut Mistakes) -> Option<()> {
    const SINK: &str = "access_log";
    match node.value().as_str() {
        Some(word @ ("http" | "opentelemetry")) => node.unavailable(word, "\"access_log\"", m),
        _ => node.keyword(&[(SINK, ())], m),
    }
}

/// A name that is printed as it is, in headers and in the audit record.
pub(super) fn name(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let name = node.text("a name", 1..=NAME, m)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    node.check(
        name.bytes().all(letter),
        "a name of the characters A-Z a-z 0-9 - . _",
        m,
    )?;
    Some(name.to_owned())
}
