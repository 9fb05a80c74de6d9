//! What a policy asks of the Envoy that runs it.

use super::mistakes::Mistakes;
use super::policy::Policy;
use crate::identity::ValidatedBy;

/// The first Envoy with `connection.peer_certificate_valid`.
const CERTIFICATE_VALID_SINCE: EnvoyVersion = EnvoyVersion {
    major: 1,
    minor: 39,
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
    if m.is_empty() { Ok(()) } else { Err(m) }
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
