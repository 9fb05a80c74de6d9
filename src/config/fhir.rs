//! `fhir`: where the API is, outside and inside.

use std::rc::Rc;

use super::mistakes::Mistakes;
use super::policy::{KIB, MIB, URL};
use super::reader::{Node, Object, each, or};
use super::rules::resource_type;
use super::{export, operations};
use super::{search, told};
use crate::fhir::{PatientCompartment, ResourceType, SearchParameter, search_parameter};
use crate::identity::Told;
use crate::request::body::BodyCheck;
use crate::request::{
    Authorization, BaseUrl, BatchKind, BundlePolicy, Change, ClientLabels, ClientProvenance,
    FhirPolicy, SearchPolicy, Trace, Upstream, UserAccess, WritePolicy,
};

/// Bytes of the name of an Envoy cluster; Istio's are long.
const CLUSTER: usize = 256;

/// Paths below the base that need no credentials.
const PUBLIC: usize = 64;

/// Where Subscriptions may send to.
const ENDPOINTS: usize = 64;

/// Types in one list.
const TYPES: usize = 64;

const BASE: &str = "the base URL of a FHIR API";

const CLUSTER_NAME: &str = "the name of an Envoy cluster";

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<(FhirPolicy, Told)> {
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
    let body_check = or(
        object.optional("body_check"),
        BodyCheck::Structure,
        |node| {
            node.keyword(
                &[
                    ("structure", BodyCheck::Structure),
                    ("names", BodyCheck::Names),
                    ("none", BodyCheck::None),
                ],
                m,
            )
        },
    );
    let labels = or(
        object.optional("client_labels"),
        ClientLabels::Refused,
        |node| {
            let words = [
                ("refused", ClientLabels::Refused),
                ("kept", ClientLabels::Kept),
            ];
            node.keyword(&words, m)
        },
    );
    let provenance = or(
        object.optional("provenance"),
        ClientProvenance::Refused,
        |node| {
            let words = [
                ("dropped", ClientProvenance::Dropped),
                ("kept", ClientProvenance::Kept),
                ("refused", ClientProvenance::Refused),
            ];
            node.keyword(&words, m)
        },
    );
    let conditional = or(object.optional("conditional"), Vec::new(), |node| {
        conditional(node, m)
    });
    let subscriptions = or(object.optional("subscriptions"), Vec::new(), |node| {
        subscriptions(node, m)
    });
    let types = WritePolicy::default().patient_types;
    let patient_types = or(object.optional("patient_writes"), types, |node| {
        patient_types(node, m)
    });
    let compartment = compartment(&mut object, m);
    let user_access = or(object.optional("user_access"), UserAccess::All, |node| {
        let words = [
            ("all", UserAccess::All),
            ("compartment", UserAccess::Compartment),
        ];
        node.keyword(&words, m)
    });
    let search = or(object.optional("search"), SearchPolicy::default(), |node| {
        search::read(node, m)
    });
    let operations = or(object.optional("operations"), Vec::new(), |node| {
        operations::read(node, m)
    });
    let export = or(object.optional("export"), None, |node| {
        export::read(node, m).map(Some)
    });
    let bundles = or(
        object.optional("bundles"),
        BundlePolicy::default(),
        |node| bundles(node, m),
    );
    object.finish(m);
    let (upstream, told, trust) = upstream?;
    let fhir = FhirPolicy {
        base: base?,
        public: public?,
        upstream,
        body_limit: body_limit?,
        body_check: body_check?,
        writes: WritePolicy {
            labels: labels?,
            provenance: provenance?,
            patient_types: patient_types?,
            conditional: conditional?,
            subscriptions: subscriptions?,
            if_match: trust.if_match,
        },
        compartment: Rc::new(compartment?),
        user_access: user_access?,
        search: SearchPolicy {
            trusted_total: trust.total,
            ..search?
        },
        operations: operations?,
        export: export?,
        bundles: bundles?,
    };
    Some((fhir, told))
}

fn upstream_policy(node: &Node<'_>, m: &mut Mistakes) -> Option<(Upstream, Told, Trust)> {
    let mut object = node.object("an object with cluster and base", m)?;
    let cluster = cluster(&mut object, m);
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
    let told = or(object.optional("identity"), Told::default(), |node| {
        told::read(node, m)
    });
    let trust = or(object.optional("trust"), Trust::default(), |node| {
        trust(node, m)
    });
    let trace = or(object.optional("trace"), Trace::default(), |node| {
        node.keyword(&[("continue", Trace::Continue), ("start", Trace::Start)], m)
    });
    object.finish(m);
    let upstream = Upstream {
        cluster: cluster?,
        base: base?,
        authorization: authorization?,
        trace: trace?,
    };
    Some((upstream, told?, trust?))
}

/// What the server is trusted with.
#[derive(Clone, Copy, Default)]
struct Trust {
    if_match: bool,
    total: bool,
}

fn trust(node: &Node<'_>, m: &mut Mistakes) -> Option<Trust> {
    let (if_match, total) = ("if_match", "total");
    let words = [(if_match, if_match), (total, total)];
    let items = node.list("words", 0..=words.len(), m)?;
    let named = each(&items, |item| item.keyword(&words, m))?;
    Some(Trust {
        if_match: named.contains(&if_match),
        total: named.contains(&total),
    })
}

/// Which writes may be of what a search finds.
fn conditional(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<Change>> {
    let words = [
        ("create", Change::Create),
        ("update", Change::Update),
        ("patch", Change::Patch),
        ("delete-single", Change::Delete),
    ];
    let items = node.list("words", 0..=words.len(), m)?;
    each(&items, |item| item.keyword(&words, m))
}

/// Where Subscriptions may send to.
fn subscriptions(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<BaseUrl>> {
    let mut object = node.object("an object with endpoints", m)?;
    let endpoints = object.required("endpoints", "a list of URLs", m);
    object.finish(m);
    let items = endpoints?.list("URLs", 1..=ENDPOINTS, m)?;
    each(&items, |item| {
        let url = base_url(item, m)?;
        item.check(url.scheme() == "https", "an https URL", m)?;
        Some(url)
    })
}

/// Which Bundles of requests are taken.
fn bundles(node: &Node<'_>, m: &mut Mistakes) -> Option<BundlePolicy> {
    let mut object = node.object("an object with types", m)?;
    let words = [
        ("batch", BatchKind::Batch),
        ("transaction", BatchKind::Transaction),
    ];
    let types = object.required("types", "a list of batch and transaction", m);
    let kinds = types.and_then(|node| {
        let items = node.list("words", 0..=words.len(), m)?;
        each(&items, |item| item.keyword(&words, m))
    });
    let most = u32::try_from(BundlePolicy::MOST).unwrap_or(u32::MAX);
    let usual = BundlePolicy::default().entries;
    let entries = or(object.optional("entries"), usual, |node| {
        usize::try_from(node.integer(1..=most, m)?).ok()
    });
    object.finish(m);
    Some(BundlePolicy {
        kinds: kinds?,
        entries: entries?,
    })
}

/// The types that `patient/` scopes may write.
fn patient_types(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<ResourceType>> {
    let items = node.list("resource types", 0..=TYPES, m)?;
    each(&items, |item| {
        let found = resource_type(item, m)?;
        if WritePolicy::may_be_written(found) {
            return Some(found);
        }
        let expected = "a type of the patient compartment that says nothing of access and identity";
        item.refuse(expected, found.name(), m)
    })
}

/// What belongs to a patient beside what R4 says, and what to nobody.
fn compartment(object: &mut Object<'_>, m: &mut Mistakes) -> Option<PatientCompartment> {
    let added = or(object.optional("patient_membership"), Vec::new(), |node| {
        let items = node.list("search parameters", 0..=TYPES, m)?;
        each(&items, |item| membership(item, m))
    });
    let universal = or(object.optional("universal_types"), Vec::new(), |node| {
        let items = node.list("resource types", 0..=TYPES, m)?;
        each(&items, |item| {
            let found = resource_type(item, m)?;
            if PatientCompartment::may_be_universal(found) {
                return Some(found);
            }
            let expected = "a type that no search parameter connects with a Patient, that carries no others and does not steer the server";
            item.refuse(expected, found.name(), m)
        })
    });
    Some(PatientCompartment {
        added: added?,
        universal: universal?,
    })
}

/// `Type.parameter`.
fn membership(node: &Node<'_>, m: &mut Mistakes) -> Option<(ResourceType, SearchParameter)> {
    let expected = "a search parameter of R4 that leads to a Patient, such as Task.patient";
    let text = node.text(expected, 1..=128, m)?;
    let found = text.split_once('.').and_then(|(type_name, name)| {
        let resource_type = ResourceType::parse(type_name)?;
        let parameter = search_parameter(resource_type, name)?;
        let fits = PatientCompartment::may_be_added(resource_type, parameter);
        fits.then_some((resource_type, parameter))
    });
    match found {
        Some(found) => Some(found),
        None => node.refuse(expected, "another", m),
    }
}

/// The Envoy cluster that leads to a server.
pub(super) fn cluster(object: &mut Object<'_>, m: &mut Mistakes) -> Option<String> {
    let node = object.required("cluster", CLUSTER_NAME, m)?;
    cluster_name(&node, m)
}

pub(super) fn cluster_name(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let name = node.text(CLUSTER_NAME, 1..=CLUSTER, m)?;
    node.check(
        name.bytes().all(|byte| byte.is_ascii_graphic()),
        "printable ASCII without spaces",
        m,
    )?;
    Some(name.to_owned())
}

fn base(object: &mut Object<'_>, m: &mut Mistakes) -> Option<BaseUrl> {
    let node = object.required("base", BASE, m)?;
    base_url(&node, m)
}

pub(super) fn base_url(node: &Node<'_>, m: &mut Mistakes) -> Option<BaseUrl> {
    let text = node.text(BASE, 1..=URL, m)?;
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
