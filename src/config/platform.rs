//! What a policy asks of the Envoy that runs it.

use super::mistakes::Mistakes;
use super::policy::Policy;
use crate::identity::{CertificateMatch, CertificateRules, CertificateSource, ValidatedBy};

/// The first Envoy with `connection.peer_certificate_valid`.
const CERTIFICATE_VALID_SINCE: EnvoyVersion = EnvoyVersion {
    major: 1,
    minor: 39,
};

/// The first Envoy with `connection.peer_certificate`.
const CERTIFICATE_SINCE: EnvoyVersion = EnvoyVersion {
    major: 1,
    minor: 38,
};

/// The version that an Envoy tells of itself, without its patch level.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct EnvoyVersion {
    /// The 1 of 1.40.0.
    pub major: u64,
    /// The 40 of 1.40.0.
    pub minor: u64,
}

impl EnvoyVersion {
    /// The version from `major_number` and `minor_number` of `xds.node.user_agent_build_version`, as
    /// the host gave them: eight bytes each, little-endian. Absent when the host tells none; 0.0 is
    /// what an Envoy tells that was built with a version of another form.
    pub fn read(major: Option<&[u8]>, minor: Option<&[u8]>) -> Option<Self> {
        let number = |bytes: Option<&[u8]>| {
            let bytes: [u8; 8] = bytes?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let (major, minor) = (number(major)?, number(minor)?);
        ((major, minor) != (0, 0)).then_some(EnvoyVersion { major, minor })
    }
}

/// Whether this Envoy has what the policy relies on. One that tells no version is taken at runtime as
/// it is: a certificate of which it does not say that it was verified is refused.
///
/// # Errors
/// What the policy asks for and this Envoy lacks, all of it.
pub fn fits(policy: &Policy, envoy: Option<EnvoyVersion>) -> Result<(), Mistakes> {
    let mut m = Mistakes::default();
    if let (ValidatedBy::Attribute, Some(EnvoyVersion { major, minor })) =
        (policy.certificate.validated_by, envoy)
        && (EnvoyVersion { major, minor }) < CERTIFICATE_VALID_SINCE
    {
        m.add(
            "/client_certificate/validated_by",
            format!(
                "\"attribute\", which is the default, needs Envoy 1.39 or later, found {major}.{minor} (node.user_agent_build_version), which would \
                 refuse every certificate; expected a newer Envoy, or \"listener\" if no listener lets an \
                 unverified certificate in"
            ),
        );
    }
    if let Some(envoy @ EnvoyVersion { major, minor }) = envoy
        && envoy < CERTIFICATE_SINCE
    {
        for place in needing_leaf(&policy.certificate_rules) {
            m.add(
                &place,
                format!(
                    "all names and the issuer of the connection's certificate need Envoy 1.38 or later, found {major}.{minor} \
                     (node.user_agent_build_version), which tells one name of each kind, and may cut it; expected a newer Envoy, \
                     or a rule of thumbprints or subjects"
                ),
            );
        }
    }
    if m.is_empty() { Ok(()) } else { Err(m) }
}

/// The places of the rules that need more of the connection's certificate than its thumbprint and its
/// subject. The attributes with a name of each kind do for none of them: they have the first only,
/// and before 1.39 cut it at a NUL (CVE-2026-47778).
fn needing_leaf(rules: &CertificateRules) -> Vec<String> {
    let root = "/client_certificate";
    let each = |place: String, matches: &[CertificateMatch]| -> Vec<String> {
        let matches = matches.iter().enumerate();
        matches
            .filter(|(_, wanted)| wanted.needs().leaf)
            .map(|(index, _)| format!("{place}/{index}"))
            .collect()
    };
    if let CertificateSource::Forwarded { trusted_hops, .. } = &rules.source {
        // All other rules are about the certificate that the hop passes on.
        return each(format!("{root}/source/xfcc/trusted_hops"), trusted_hops);
    }
    let clients = rules.clients.iter().enumerate();
    let mut places: Vec<String> = clients
        .flat_map(|(index, client)| {
            each(
                format!("{root}/clients/{index}/certificates"),
                &client.certificates,
            )
        })
        .collect();
    if rules.unlisted.needs().leaf {
        places.push(format!("{root}/unlisted_clients"));
    }
    let forward = rules.forward.iter().enumerate();
    places.extend(
        forward
            .filter(|(_, part)| part.needs().leaf)
            .map(|(index, _)| format!("{root}/forward/{index}")),
    );
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, validated_by: &str) -> Policy {
        let text = format!(
            r#"{{"fhir": {{"base": "https://a/r4", "upstream": {{"cluster": "c", "base": "http://b"}}}},
                "client_certificate": {{"validated_by": "{validated_by}"}},
                "issuers": [{{"issuer": "https://i", "audiences": ["https://a/r4"], "algorithms": ["EdDSA"],
                    "keys": {{"inline": {{"keys": [{{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
                        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}}}}}],
                "audit": {{"observer": "o"}}}}"#
        );
        crate::config::read(text.as_bytes()).unwrap_or_else(|m| panic!("{name}: {m}"))
    }

    fn check(name: &str, validated_by: &str, version: Option<(u64, u64)>, fitting: bool) {
        let policy = policy(name, validated_by);
        let version = version.map(|(major, minor)| EnvoyVersion { major, minor });
        match fits(&policy, version) {
            Ok(()) => assert!(fitting, "{name}"),
            Err(mistakes) => {
                assert!(!fitting, "{name}: {mistakes}");
                let text = mistakes.to_string();
                for part in ["/client_certificate/validated_by: ", "1.39", "listener"] {
                    assert!(text.contains(part), "{name}: {text}");
                }
            }
        }
    }

    #[test]
    fn an_envoy_without_the_attribute_is_refused_before_its_callers_are() {
        check("the newest", "attribute", Some((1, 40)), true);
        check("the first that has it", "attribute", Some((1, 39)), true);
        check("the last that lacks it", "attribute", Some((1, 38)), false);
        check("an old one", "attribute", Some((0, 99)), false);
        check("another major", "attribute", Some((2, 0)), true);
        check("it tells no version", "attribute", None, true);
        check("the operator's word", "listener", Some((1, 36)), true);
    }

    /// The places that an Envoy of this version cannot serve.
    fn unserved(rules: &str, minor: u64) -> Vec<String> {
        let text = format!(
            r#"{{"fhir": {{"base": "https://a/r4", "upstream": {{"cluster": "c", "base": "http://b"}}}},
                "client_certificate": {{"validated_by": "listener", {rules}}},
                "issuers": [{{"issuer": "https://i", "audiences": ["https://a/r4"], "algorithms": ["EdDSA"],
                    "keys": {{"inline": {{"keys": [{{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA",
                        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}}}}}],
                "audit": {{"observer": "o"}}}}"#
        );
        let policy = crate::config::read(text.as_bytes()).unwrap_or_else(|m| panic!("{m}"));
        let version = EnvoyVersion { major: 1, minor };
        let Err(mistakes) = fits(&policy, Some(version)) else {
            return Vec::new();
        };
        mistakes
            .iter()
            .map(|mistake| {
                mistake
                    .pointer
                    .trim_start_matches("/client_certificate/")
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn a_rule_that_needs_more_than_the_envoy_can_give_is_refused() {
        let clients = r#""clients": [{"client_id": "a", "certificates": [{"subject_dn": "CN=a"}]},
            {"client_id": "b", "certificates": [{"subject_dn": "CN=b"}, {"san_uri": "x:b"}, {"san_dns": "b"}]},
            {"client_id": "c", "certificates": [{"subject_dn": "CN=c", "issuer_dn": "CN=ca"}]}]"#;
        let xfcc = r#""source": {"xfcc": {"trusted_hops": [{"subject_dn": "CN=a"}, "x:hop"]}}, "forward": ["uri"]"#;
        for (rules, places) in [
            (
                clients,
                &[
                    "clients/1/certificates/1",
                    "clients/1/certificates/2",
                    "clients/2/certificates/0",
                ][..],
            ),
            (xfcc, &["source/xfcc/trusted_hops/1"]),
            (r#""unlisted_clients": "san_uri""#, &["unlisted_clients"]),
            (r#""unlisted_clients": "san_dns""#, &["unlisted_clients"]),
            (r#""unlisted_clients": "subject_cn""#, &[]),
            (r#""unlisted_clients": "refused""#, &[]),
            (
                r#""forward": ["hash", "uri", "subject", "dns"]"#,
                &["forward/1", "forward/3"],
            ),
            (r#""forward": ["hash", "subject"]"#, &[]),
        ] {
            assert_eq!(unserved(rules, 37), places, "{rules}");
            assert_eq!(unserved(rules, 38), &[] as &[&str], "{rules}");
        }
    }

    #[test]
    fn a_version_is_two_numbers() {
        let (one, forty) = (1_u64.to_le_bytes(), 40_u64.to_le_bytes());
        let version = EnvoyVersion {
            major: 1,
            minor: 40,
        };
        assert_eq!(EnvoyVersion::read(Some(&one), Some(&forty)), Some(version));
        for (name, major, minor) in [
            ("no major", None, Some(&forty[..])),
            (
                "none of the known form",
                Some(&[0; 8][..]),
                Some(&[0; 8][..]),
            ),
            ("no minor", Some(&one[..]), None),
            ("empty", Some(&b""[..]), Some(&forty[..])),
            ("text", Some(&b"1"[..]), Some(&b"40"[..])),
            ("too wide", Some(&[0; 9][..]), Some(&forty[..])),
        ] {
            assert_eq!(EnvoyVersion::read(major, minor), None, "{name}");
        }
    }
}
