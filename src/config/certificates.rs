//! `client_certificate`: how certificates are judged, where they come from, and whose they must be.

use super::mistakes::Mistakes;
use super::policy::URL;
use super::reader::{Node, Object, each, or};
use crate::identity::{
    CertificateMatch, CertificateNeeds, CertificatePolicy, CertificateRules, CertificateSource,
    ClientCertificates, ForwardedPart, UnlistedClients, ValidatedBy, is_distinguished_name,
    san_dns, san_uri,
};

/// Clients with certificates of their own.
const CLIENTS: usize = 256;

/// Certificates of one client, and hops.
const CERTIFICATES: usize = 16;

/// Bytes of a client's id, as of any claim.
const CLIENT: usize = 256;

/// What holds where nothing is written.
pub(super) fn default() -> (CertificatePolicy, CertificateRules) {
    let policy = CertificatePolicy {
        required: true,
        validated_by: ValidatedBy::Attribute,
    };
    (policy, CertificateRules::default())
}

pub(super) fn read(
    node: &Node<'_>,
    m: &mut Mistakes,
) -> Option<(CertificatePolicy, CertificateRules)> {
    let mut object = node.object("an object", m)?;
    let required = or(object.optional("required"), true, |node| node.bool(m));
    let source = object.optional("source");
    let source = or(source, CertificateSource::Connection, |node| {
        source_of(node, m)
    });
    let validated_by = or(
        object.optional("validated_by"),
        ValidatedBy::Attribute,
        |node| {
            let words = [
                ("attribute", ValidatedBy::Attribute),
                ("listener", ValidatedBy::Listener),
            ];
            node.keyword(&words, m)
        },
    );
    let clients = or(object.optional("clients"), Vec::new(), |node| {
        clients(node, m)
    });
    let unlisted = or(
        object.optional("unlisted_clients"),
        UnlistedClients::Unpinned,
        |node| {
            let words = [
                ("unpinned", UnlistedClients::Unpinned),
                ("refused", UnlistedClients::Refused),
                ("san_uri", UnlistedClients::SanUri),
                ("san_dns", UnlistedClients::SanDns),
                ("subject_cn", UnlistedClients::SubjectCn),
            ];
            node.keyword(&words, m)
        },
    );
    let forward = or(object.optional("forward"), Vec::new(), |node| {
        let words = [
            ("hash", ForwardedPart::Hash),
            ("subject", ForwardedPart::Subject),
            ("uri", ForwardedPart::Uri),
            ("dns", ForwardedPart::Dns),
        ];
        super::issuers::distinct(node, "parts", &words, m)
    });
    object.finish(m);
    let policy = CertificatePolicy {
        required: required?,
        validated_by: validated_by?,
    };
    let rules = CertificateRules {
        // Known when the conditions are.
        conditions: CertificateNeeds::default(),
        source: source?,
        clients: clients?,
        unlisted: unlisted?,
        forward: forward?,
    };
    Some((policy, rules))
}

fn source_of(node: &Node<'_>, m: &mut Mistakes) -> Option<CertificateSource> {
    let expected = "connection, or xfcc: {trusted_hops: [...]}";
    match node.value().as_str() {
        Some("connection") => return Some(CertificateSource::Connection),
        Some(other) => return node.refuse_word(expected, other, "", m),
        None => {}
    }
    let mut object = node.object(expected, m)?;
    let xfcc = object.required("xfcc", "an object with trusted_hops", m);
    object.finish(m);
    let mut object = xfcc?.object("an object with trusted_hops", m)?;
    let expected = "a list of the certificates of hops";
    let hops = object.required("trusted_hops", expected, m);
    let trusted_hops = hops.and_then(|node| {
        let items = node.list("certificates of hops", 1..=CERTIFICATES, m)?;
        each(&items, |item| match item.value().is_string() {
            // The plainest way to name a workload.
            true => Some(CertificateMatch {
                san_uri: Some(uri(item, m)?),
                ..CertificateMatch::default()
            }),
            false => certificate(item, m),
        })
    });
    let earlier_elements = or(object.optional("earlier_elements"), false, |node| {
        node.keyword(&[("ignored", true), ("refused", false)], m)
    });
    object.finish(m);
    Some(CertificateSource::Forwarded {
        trusted_hops: trusted_hops?,
        earlier_elements: earlier_elements?,
    })
}

fn clients(node: &Node<'_>, m: &mut Mistakes) -> Option<Vec<ClientCertificates>> {
    let items = node.list("clients", 0..=CLIENTS, m)?;
    let clients = each(&items, |item| client(item, m))?;
    // The first that fits a token decides: a second would never be asked.
    for (index, client) in clients.iter().enumerate() {
        let fits = |other: &ClientCertificates| {
            let same_issuer = match (&other.issuer, &client.issuer) {
                (Some(one), Some(two)) => one == two,
                _ => true,
            };
            same_issuer && other.client_id == client.client_id
        };
        if let Some(first) = clients.iter().take(index).position(fits) {
            let pointer = node.pointer();
            m.add(
                &format!("{pointer}/{index}/client_id"),
                format!(
                    "expected a client of its own, or one of another issuer, found that of {pointer}/{first}"
                ),
            );
        }
    }
    Some(clients)
}

fn client(node: &Node<'_>, m: &mut Mistakes) -> Option<ClientCertificates> {
    let mut object = node.object("an object with client_id and certificates", m)?;
    let expected = "the id of an OAuth client";
    let client_id = object.required("client_id", expected, m);
    let client_id = client_id.and_then(|node| node.text(expected, 1..=CLIENT, m));
    let issuer = or(object.optional("issuer"), None, |node| {
        let text = node.text("the issuer of one of the issuers", 1..=URL, m)?;
        Some(Some(text.to_owned()))
    });
    let expected = "a list of the certificates that the client may use";
    let certificates = object.required("certificates", expected, m);
    let certificates = certificates.and_then(|node| {
        let items = node.list("certificates", 1..=CERTIFICATES, m)?;
        each(&items, |item| certificate(item, m))
    });
    object.finish(m);
    Some(ClientCertificates {
        client_id: client_id?.to_owned(),
        issuer: issuer?,
        certificates: certificates?,
    })
}

/// That each client is one of an issuer whose tokens are taken.
pub(super) fn check_issuers(rules: &CertificateRules, known: &[&str], m: &mut Mistakes) {
    for (index, client) in rules.clients.iter().enumerate() {
        let named = client.issuer.as_deref();
        if named.is_some_and(|issuer| !known.contains(&issuer)) {
            let place = format!("/client_certificate/clients/{index}/issuer");
            m.add(
                &place,
                "expected the issuer of one of the issuers, found another",
            );
        }
    }
}

fn certificate(node: &Node<'_>, m: &mut Mistakes) -> Option<CertificateMatch> {
    let expected = "a certificate, an object with thumbprint, san_uri, san_dns or subject_dn";
    let mut object = node.object(expected, m)?;
    let thumbprint = or(object.optional("thumbprint"), None, |node| {
        thumbprint(node, m).map(Some)
    });
    let san_uri = or(object.optional("san_uri"), None, |node| {
        uri(node, m).map(Some)
    });
    let san_dns = or(object.optional("san_dns"), None, |node| {
        let expected = "a DNS name as it stands in the certificate";
        let text = node.text(expected, 1..=255, m)?;
        node.check(san_dns(text).is_some(), expected, m)?;
        Some(Some(text.to_owned()))
    });
    let subject_dn = name(&mut object, "subject_dn", m);
    let issuer_dn = name(&mut object, "issuer_dn", m);
    object.finish(m);
    let found = CertificateMatch {
        thumbprint: thumbprint?,
        san_uri: san_uri?,
        san_dns: san_dns?,
        subject_dn: subject_dn?,
        issuer_dn: issuer_dn?,
    };
    let issuer_alone = CertificateMatch {
        issuer_dn: found.issuer_dn.clone(),
        ..CertificateMatch::default()
    };
    if found == issuer_alone {
        return node.refuse(expected, "none of them", m);
    }
    Some(found)
}

fn uri(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "a URI as it stands in the certificate, such as spiffe://example.org/gateway";
    let text = node.text(expected, 1..=URL, m)?;
    node.check(san_uri(text).is_some(), expected, m)?;
    Some(text.to_owned())
}

fn thumbprint(node: &Node<'_>, m: &mut Mistakes) -> Option<[u8; 32]> {
    let expected = "SHA-256 of the certificate, 64 hexadecimal digits in lower case without colons";
    let text = node.text(expected, 1..=URL, m)?;
    let digits = text.as_bytes().chunks_exact(2).map(|pair| {
        let plain = pair
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let pair = std::str::from_utf8(pair).ok().filter(|_| plain)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes = digits.collect::<Option<Vec<u8>>>();
    let found = bytes.and_then(|bytes| bytes.try_into().ok());
    match found.filter(|_| text.len() == 64) {
        Some(found) => Some(found),
        None => node.refuse(expected, "other text", m),
    }
}

/// A distinguished name; `Some(None)` where there is none.
fn name(object: &mut Object<'_>, key: &'static str, m: &mut Mistakes) -> Option<Option<String>> {
    or(object.optional(key), None, |node| {
        let expected = "a name as Envoy gives it (RFC 2253), such as CN=lab,O=Clinic, without spaces behind commas";
        let text = node.text(expected, 1..=URL, m)?;
        node.check(is_distinguished_name(text), expected, m)?;
        Some(Some(text.to_owned()))
    })
}
