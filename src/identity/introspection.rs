//! Token introspection (RFC 7662): the question to the authorization server, and its answer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::token::vouched;
use super::{AccessToken, IssuerPolicy, MAX_TOKEN};
use crate::denial::{Denial, TokenFault};
use crate::json;
use crate::remote::Call;
use crate::request::BaseUrl;

/// Where an issuer is asked about its tokens, and what its answers are good for. Times are in
/// nanoseconds.
#[derive(Clone, Eq, PartialEq)]
pub struct Introspection {
    /// The Envoy cluster that leads there.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`, with the query.
    pub path: String,
    /// How long an answer may take.
    pub timeout: u64,
    /// `Authorization` of the question; none where the cluster's own certificate says who asks.
    pub authorization: Option<String>,
    /// Ask about tokens that say nothing by themselves.
    pub opaque: bool,
    /// Ask about JWTs, which are verified here besides.
    pub jwt: bool,
    /// Whether an answer must name one of the issuer's audiences; otherwise the server is trusted to know
    /// for whom a token is.
    pub audience: bool,
    /// How long a good answer is used, at most.
    pub cache: u64,
    /// How long a bad one is.
    pub negative_cache: u64,
}

/// Without the credentials.
impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection")
            .field("cluster", &self.cluster)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// What an active token means; nothing where that stands in the token itself.
pub type Active = Option<AccessToken>;

impl Introspection {
    /// The most bytes of an answer.
    pub const LIMIT: usize = 64 << 10;

    /// `Authorization` by a client's id and secret (RFC 6749 section 2.3.1).
    pub fn basic(client: &str, secret: &str) -> String {
        let pair = format!("{}:{}", form(client), form(secret));
        format!("Basic {}", STANDARD.encode(pair))
    }

    /// The question about a token (RFC 7662 section 2.1).
    pub fn call(&self, token: &str) -> Call {
        let mut headers = vec![
            (":method".into(), "POST".to_owned()),
            (":path".into(), self.path.clone()),
            (":authority".into(), self.authority.clone()),
            (
                "content-type".into(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("accept".into(), "application/json".to_owned()),
        ];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization".into(), authorization.clone()));
        }
        let body = format!("token={}&token_type_hint=access_token", form(token));
        Call {
            cluster: self.cluster.clone(),
            headers,
            body: body.into_bytes(),
            timeout: Duration::from_nanos(self.timeout),
        }
    }

    /// Reads an answer (RFC 7662 section 2.2) about a token of the issuer at `index`; where the token is
    /// opaque, the answer says what it means. `name` is that of the token in the cache, `now` in seconds
    /// since 1970.
    ///
    /// # Errors
    /// What was found that is no answer. Inside, why the token is not taken.
    pub fn read(
        &self,
        text: &[u8],
        about: &About<'_>,
        issuer: &IssuerPolicy,
        base: &BaseUrl,
        now: u64,
    ) -> Result<Result<Active, Denial>, String> {
        if text.len() > Self::LIMIT {
            return Err(format!("more than {} bytes", Self::LIMIT));
        }
        let claims = json::object(text).ok_or("text that is not one well-formed JSON object")?;
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(Err(Denial::Token(TokenFault::Inactive))),
            _ => return Err("no `active` that is true or false".to_owned()),
        }
        if !is_access_token(&claims) {
            return Ok(Err(Denial::Token(TokenFault::Type)));
        }
        if !about.opaque {
            return Ok(Ok(None));
        }
        Ok(vouched(claims, about, self.audience, issuer, base, now).map(Some))
    }
}

/// The token that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The issuer's place in the policy.
    pub issuer: usize,
    /// Whether the token says nothing by itself.
    pub opaque: bool,
    /// The token's name in the cache; stands in for an id that the answer does not have.
    pub name: &'a [u8; 32],
}

/// Whether a token says nothing by itself: anything but the three parts of a signed JWT. Longer than
/// [`MAX_TOKEN`] it is no token at all.
pub fn is_opaque(token: &str) -> bool {
    token.len() <= MAX_TOKEN && token.bytes().filter(|byte| *byte == b'.').count() != 2
}

/// Whether an answer leaves open that the token is an access token. The hint of the question binds nobody
/// (RFC 7662 section 2.1): a server may well call a refresh token active, and some say then what it is.
fn is_access_token(claims: &Map<String, Value>) -> bool {
    // RFC 6749 section 5.1, RFC 9449 section 5; the last as some servers write it.
    const TYPES: [&str; 3] = ["bearer", "dpop", "access_token"];
    const USES: [&str; 2] = ["access_token", "access"];
    let one_of = |name: &str, words: &[&str]| {
        let known = |value: &str| words.iter().any(|word| word.eq_ignore_ascii_case(value));
        claims
            .get(name)
            .is_none_or(|value| value.as_str().is_some_and(known))
    };
    one_of("token_type", &TYPES) && one_of("token_use", &USES)
}

/// `application/x-www-form-urlencoded`, as strict as it can be: everything but letters and digits is
/// escaped but for `- . _`.
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            _ => {
                let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
                out.push('%');
                out.push(digit(byte >> 4).to_ascii_uppercase());
                out.push(digit(byte & 15).to_ascii_uppercase());
            }
        }
    }
    out
}
