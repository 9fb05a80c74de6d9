//! What a client shows in `Authorization` and `DPoP`.

use crate::denial::{Denial, DpopFault, Scheme};

/// What the client showed in `Authorization`.
#[derive(Clone, Eq, PartialEq)]
pub enum Credentials {
    /// A bearer token (RFC 6750), not looked into yet.
    Bearer(String),
    /// A token bound to a key (RFC 9449), neither it nor its proof looked into yet.
    Dpop {
        /// The token.
        token: String,
        /// The one proof, of at most [`MAX_PROOF`] bytes, or why there is not exactly one.
        proof: Result<String, DpopFault>,
    },
    /// Nothing, or a scheme that is not accepted.
    Missing,
}

/// The longest DPoP proof that is looked at, in bytes.
pub const MAX_PROOF: usize = 4 * 1024;

impl Credentials {
    /// The scheme that a challenge answers; `Bearer` where there is none.
    pub fn scheme(&self) -> Scheme {
        match self {
            Credentials::Dpop { .. } => Scheme::Dpop,
            Credentials::Bearer(_) | Credentials::Missing => Scheme::Bearer,
        }
    }
}

/// RFC 6750 section 2.1 and RFC 9449 section 7.1: the scheme in any case, spaces, one token68. The
/// proof of a DPoP token is not known here yet: see [`complete`].
pub(super) fn read(value: &[u8]) -> Result<Credentials, Denial> {
    let text = std::str::from_utf8(value).map_err(|_| Denial::CredentialsMalformed)?;
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (bearer, dpop) = (
        scheme.eq_ignore_ascii_case("bearer"),
        scheme.eq_ignore_ascii_case("dpop"),
    );
    if !bearer && !dpop {
        let is_scheme = !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        return if is_scheme && !has_another(text) {
            Ok(Credentials::Missing)
        } else {
            Err(Denial::CredentialsMalformed)
        };
    }
    let token = rest.trim_start_matches(' ');
    let body = token.trim_end_matches('=');
    let is_token = !body.is_empty() && body.bytes().all(is_token_byte);
    match is_token {
        true if dpop => Ok(Credentials::Dpop {
            token: token.to_owned(),
            proof: Err(DpopFault::Missing),
        }),
        true => Ok(Credentials::Bearer(token.to_owned())),
        false => Err(Denial::CredentialsMalformed),
    }
}

/// One field `DPoP` (RFC 9449 section 4.3, check 1: exactly one); `more` says that there was one
/// before. A comma is how two of them arrive where a proxy has joined them; no JWS has one.
pub(super) fn read_proof(more: bool, value: &[u8]) -> Result<String, DpopFault> {
    if more || value.contains(&b',') {
        return Err(DpopFault::Doubled);
    }
    if value.len() > MAX_PROOF {
        return Err(DpopFault::Size);
    }
    let text = String::from_utf8(value.to_vec()).map_err(|_| DpopFault::Malformed)?;
    match text.is_empty() {
        true => Err(DpopFault::Missing),
        false => Ok(text),
    }
}

/// What the client showed, once all fields are read. A proof beside another scheme proves nothing, and
/// is left alone.
pub(super) fn complete(
    credentials: Option<Credentials>,
    proof: Option<Result<String, DpopFault>>,
) -> Credentials {
    match (credentials, proof) {
        (Some(Credentials::Dpop { token, .. }), Some(proof)) => Credentials::Dpop { token, proof },
        (Some(credentials), _) => credentials,
        (None, _) => Credentials::Missing,
    }
}

/// By a table: tokens are the longest text of most requests.
fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::indexing_slicing,
                reason = "below 256, and evaluated by the compiler"
            )]
            {
                table[byte] = (byte as u8).is_ascii_alphanumeric()
                    || matches!(byte as u8, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
            }
            byte += 1;
        }
        table
    };
    TABLE.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Whether credentials follow the first ones. Envoy joins repeated fields with a comma, so that a
/// list is how two of them arrive. Parameters of one scheme are a list as well, but each is
/// `name=value`.
fn has_another(text: &str) -> bool {
    text.split(',').skip(1).any(|item| {
        item.trim().split_once(' ').is_some_and(|(word, rest)| {
            !word.contains(['=', '"']) && !rest.trim_start().starts_with('=')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestHead;

    /// The credentials of a head with these fields, as text.
    fn check(name: &str, fields: &[(&str, &[u8])], expected: &str) {
        let own = [(":method", &b"GET"[..]), (":path", b"/r4/Patient/1")];
        let pairs = own.iter().chain(fields);
        let pairs: Vec<_> = pairs.copied().collect();
        let found = match RequestHead::parse(&pairs).1 {
            Ok(head) => match head.credentials {
                Credentials::Bearer(token) => format!("Bearer {token}"),
                Credentials::Dpop { token, proof } => format!("DPoP {token} {proof:?}"),
                Credentials::Missing => "missing".to_owned(),
            },
            Err(denial) => denial.rule(),
        };
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn a_dpop_token_has_exactly_one_proof() {
        let token = ("authorization", &b"DPoP a.b"[..]);
        let check = |name: &str, proofs: &[&[u8]], expected: &str| {
            for first in [true, false] {
                let mut fields: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
                fields.insert(if first { 0 } else { proofs.len() }, token);
                check(name, &fields, &format!("DPoP a.b {expected}"));
            }
        };
        check("one", &[b"x.y.z"], "Ok(\"x.y.z\")");
        check("none", &[], "Err(Missing)");
        check("an empty one", &[b""], "Err(Missing)");
        check("two", &[b"x", b"y"], "Err(Doubled)");
        check("the same twice", &[b"x", b"x"], "Err(Doubled)");
        check("three", &[b"x", b"x", b"x"], "Err(Doubled)");
        check("one and an empty one", &[b"x", b""], "Err(Doubled)");
        check("joined", &[b"x,y"], "Err(Doubled)");
        check("joined with a space", &[b"x, y"], "Err(Doubled)");
        check("a comma alone", &[b","], "Err(Doubled)");
        check("no text", &[b"\xff"], "Err(Malformed)");
        let longest = [b'x'; MAX_PROOF];
        let text = String::from_utf8_lossy(&longest).into_owned();
        check("the longest", &[&longest], &format!("Ok({text:?})"));
        check("a byte more", &[&[b'x'; MAX_PROOF + 1]], "Err(Size)");
    }

    #[test]
    fn schemes_are_kept_apart() {
        let malformed = "credentials.malformed";
        for (name, authorization, expected) in [
            ("bearer", &b"Bearer a.b"[..], "Bearer a.b"),
            ("any case", b"dPoP a.b", "DPoP a.b Ok(\"x\")"),
            ("two spaces", b"DPoP  a.b", "DPoP a.b Ok(\"x\")"),
            ("no token", b"DPoP", malformed),
            ("no token but a space", b"DPoP ", malformed),
            ("two tokens", b"DPoP a b", malformed),
            ("parameters", b"DPoP token=\"a\"", malformed),
            ("both", b"DPoP a, Bearer a", malformed),
            ("another one", b"DPoPx a", "missing"),
        ] {
            check(
                name,
                &[("authorization", authorization), ("dpop", b"x")],
                expected,
            );
        }
        check("a proof alone", &[("dpop", b"x")], "missing");
        check(
            "a broken proof alone",
            &[("dpop", b"\xff"), ("dpop", b"x")],
            "missing",
        );
        let two = [
            ("authorization", &b"DPoP a"[..]),
            ("authorization", b"Bearer a"),
        ];
        check("two fields", &two, malformed);
    }
}
