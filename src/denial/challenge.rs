//! Challenges of two schemes: what a caller is told about credentials that did not do.

use std::rc::Rc;

use super::Denial;

/// Why a DPoP proof does not hold (RFC 9449 section 4.3). Only the audit record tells them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DpopFault {
    /// The algorithm is not among those that are taken.
    Algorithm,
    /// `ath` is not the hash of the token, or is missing.
    AccessToken,
    /// More than one proof.
    Doubled,
    /// A header member that must not be there: `crit`, `jku`, `x5c`, and their like.
    Header,
    /// `iat`, `nbf` or `exp` do not hold now, or `iat` is missing.
    Time,
    /// `jti` is missing, empty, too long or no text.
    Id,
    /// `jwk` is missing, secret, or no key for the algorithm.
    Key,
    /// Not a compact JWS of strict base64url and JSON.
    Malformed,
    /// `htm` is not the method, or is missing.
    Method,
    /// No proof.
    Missing,
    /// The proof was used before.
    Replay,
    /// Whether the proof was used before cannot be known.
    ReplayTable,
    /// The signature is wrong.
    Signature,
    /// Longer than a proof may be.
    Size,
    /// `typ` is not `dpop+jwt`.
    Type,
    /// `htu` is not where the request goes, or is missing.
    Uri,
}

/// What a challenge depends on: how the caller came, and what is taken here.
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    /// The scheme that the caller used; `Bearer` where it used none.
    pub scheme: Scheme,
    /// The algorithms of DPoP proofs, with spaces between them; `None` where no issuer takes DPoP.
    pub dpop_algorithms: Option<Rc<str>>,
    /// The URL of this resource's metadata; `None` where there is none. It is a base URL with a fixed
    /// path, so it needs no escapes between quotes.
    pub metadata: Option<Rc<str>>,
}

/// A scheme of `Authorization`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scheme {
    /// RFC 6750.
    #[default]
    Bearer,
    /// RFC 9449 section 7.1.
    Dpop,
}

impl Challenge {
    /// `WWW-Authenticate`, where RFC 6750 section 3 or RFC 9449 section 7.1 asks for it; with the place of
    /// the metadata where other credentials would do (RFC 9728 section 5.1).
    pub(super) fn of(&self, denial: &Denial) -> Option<String> {
        let algorithms = self.dpop_algorithms.as_deref();
        let metadata = self.metadata.as_deref();
        let metadata = metadata.map(|url| format!(r#", resource_metadata="{url}""#));
        let metadata = metadata.unwrap_or_default();
        let (scheme, error, helps) = match denial {
            // Both schemes in one field, as in RFC 9449 section 7.2.
            Denial::CredentialsMissing => {
                let dpop = algorithms.map(|algorithms| format!(r#", DPoP algs="{algorithms}""#));
                let dpop = dpop.unwrap_or_default();
                return Some(format!(r#"Bearer realm="fhir"{metadata}{dpop}"#));
            }
            Denial::CredentialsMalformed => {
                (Scheme::Bearer, r#"error="invalid_request""#.into(), false)
            }
            Denial::Dpop(_) => (Scheme::Dpop, r#"error="invalid_dpop_proof""#.into(), true),
            Denial::DpopNonce(_) => (Scheme::Dpop, r#"error="use_dpop_nonce""#.into(), true),
            Denial::Token(_) => (self.scheme, r#"error="invalid_token""#.into(), true),
            Denial::Scope(scope) => {
                let error = format!(r#"error="insufficient_scope", scope="{scope}""#);
                (self.scheme, error, false)
            }
            Denial::StepUp {
                acr_values,
                max_age,
                ..
            } => (self.scheme, step_up(acr_values.as_deref(), *max_age), true),
            _ => return None,
        };
        let metadata = Some(metadata).filter(|_| helps).unwrap_or_default();
        let scheme = match (scheme, algorithms) {
            (Scheme::Dpop, Some(algorithms)) => format!(r#"DPoP {error}, algs="{algorithms}""#),
            (Scheme::Dpop, None) => format!("DPoP {error}"),
            (Scheme::Bearer, _) => format!(r#"Bearer realm="fhir", {error}"#),
        };
        Some(format!("{scheme}{metadata}"))
    }
}

impl DpopFault {
    /// Its name in the audit record.
    pub(super) fn name(self) -> &'static str {
        match self {
            DpopFault::Algorithm => "algorithm",
            DpopFault::AccessToken => "ath",
            DpopFault::Doubled => "doubled",
            DpopFault::Header => "header",
            DpopFault::Time => "iat",
            DpopFault::Id => "jti",
            DpopFault::Key => "key",
            DpopFault::Malformed => "malformed",
            DpopFault::Method => "htm",
            DpopFault::Missing => "missing",
            DpopFault::Replay => "replay",
            DpopFault::ReplayTable => "replay-table",
            DpopFault::Signature => "signature",
            DpopFault::Size => "size",
            DpopFault::Type => "type",
            DpopFault::Uri => "htu",
        }
    }
}

/// What another login must bring (RFC 9470 section 3).
fn step_up(acr_values: Option<&str>, max_age: Option<u64>) -> String {
    let mut error = r#"error="insufficient_user_authentication""#.to_owned();
    if let Some(values) = acr_values {
        error.push_str(&format!(r#", acr_values="{values}""#));
    }
    if let Some(seconds) = max_age {
        error.push_str(&format!(r#", max_age="{seconds}""#));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::super::TokenFault;
    use super::*;

    #[test]
    fn a_challenge_is_for_the_scheme_that_the_caller_used() {
        let check = |denial: Denial, scheme, algorithms: Option<&str>, expected: &str| {
            let challenge = Challenge {
                scheme,
                dpop_algorithms: algorithms.map(Rc::from),
                metadata: None,
            };
            let reply = denial.reply("r-1", &challenge);
            let find = |wanted: &str| {
                let found = reply.headers.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| value.as_str())
            };
            assert_eq!(find("www-authenticate"), Some(expected), "{denial:?}");
            let nonce = matches!(denial, Denial::DpopNonce(_)).then_some("n-1");
            assert_eq!(find("dpop-nonce"), nonce, "{denial:?}");
            assert_eq!(
                reply.status == 401,
                !matches!(denial, Denial::Scope(_)),
                "{denial:?}"
            );
        };
        let both = Some("ES256 EdDSA");
        let scope = || Denial::Scope("system/Patient.r".to_owned());
        let bad = Denial::Token(TokenFault::Binding);
        check(
            Denial::CredentialsMissing,
            Scheme::Bearer,
            both,
            r#"Bearer realm="fhir", DPoP algs="ES256 EdDSA""#,
        );
        check(
            Denial::CredentialsMissing,
            Scheme::Dpop,
            None,
            r#"Bearer realm="fhir""#,
        );
        check(
            bad.clone(),
            Scheme::Bearer,
            both,
            r#"Bearer realm="fhir", error="invalid_token""#,
        );
        check(
            bad,
            Scheme::Dpop,
            both,
            r#"DPoP error="invalid_token", algs="ES256 EdDSA""#,
        );
        check(
            scope(),
            Scheme::Dpop,
            both,
            r#"DPoP error="insufficient_scope", scope="system/Patient.r", algs="ES256 EdDSA""#,
        );
        check(
            Denial::Dpop(DpopFault::Replay),
            Scheme::Dpop,
            both,
            r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA""#,
        );
        check(
            Denial::DpopNonce("n-1".to_owned()),
            Scheme::Dpop,
            both,
            r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA""#,
        );
    }

    #[test]
    fn a_401_says_where_the_metadata_is() {
        let url = "https://h/.well-known/oauth-protected-resource/r4";
        let told = Challenge {
            metadata: Some(url.into()),
            ..Challenge::default()
        };
        let step_up = Denial::StepUp {
            rule: "a".to_owned(),
            acr_values: None,
            max_age: Some(60),
        };
        for (denial, status, expected) in [
            (Denial::CredentialsMissing, 401, Some("")),
            (
                Denial::Token(TokenFault::Expired),
                401,
                Some(r#", error="invalid_token""#),
            ),
            (
                step_up,
                401,
                Some(r#", error="insufficient_user_authentication", max_age="60""#),
            ),
            (
                Denial::CredentialsMalformed,
                400,
                Some(r#", error="invalid_request""#),
            ),
            (
                Denial::Scope("a".to_owned()),
                403,
                Some(r#", error="insufficient_scope", scope="a""#),
            ),
            (Denial::Path, 404, None),
        ] {
            for challenge in [&told, &Challenge::default()] {
                let reply = denial.reply("r-1", challenge);
                let metadata = match challenge.metadata {
                    Some(_) if status == 401 => format!(r#", resource_metadata="{url}""#),
                    _ => String::new(),
                };
                let mut found = reply.headers.iter();
                let found = found.find(|(name, _)| *name == "www-authenticate");
                let expected =
                    expected.map(|error| format!(r#"Bearer realm="fhir"{error}{metadata}"#));
                assert_eq!(reply.status, status, "{denial:?}");
                assert_eq!(
                    found.map(|(_, value)| value.clone()),
                    expected,
                    "{denial:?}"
                );
            }
        }
    }
}
