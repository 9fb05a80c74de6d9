//! What the upstream is told about the caller, in header fields that nobody else can set.

use super::Principal;

/// A fact about the caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the claims")]
pub enum Fact {
    Client,
    Encounter,
    Issuer,
    Patient,
    Purpose,
    RequestId,
    Roles,
    Scope,
    Subject,
    Tenant,
    User,
}

/// Which facts the upstream is told, each in a field of this name. No two fields have one name, and
/// none has that of a field which is written by us or means something to a proxy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// Names in lower case.
    pub fields: Vec<(Fact, String)>,
}

/// The longest value of a field, in bytes. What is longer refuses the request: a part of it would be
/// something else.
pub const MAX_TOLD: usize = 4096;

impl Fact {
    /// Every fact, in the order of their names.
    pub const ALL: [Fact; 11] = [
        Fact::Client,
        Fact::Encounter,
        Fact::Issuer,
        Fact::Patient,
        Fact::Purpose,
        Fact::RequestId,
        Fact::Roles,
        Fact::Scope,
        Fact::Subject,
        Fact::Tenant,
        Fact::User,
    ];

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Fact::Client => "client",
            Fact::Encounter => "encounter",
            Fact::Issuer => "issuer",
            Fact::Patient => "patient",
            Fact::Purpose => "purpose",
            Fact::RequestId => "request_id",
            Fact::Roles => "roles",
            Fact::Scope => "scope",
            Fact::Subject => "subject",
            Fact::Tenant => "tenant",
            Fact::User => "user",
        }
    }
}

impl Told {
    /// The fields for a request of this caller; on a public path there is no principal. What is not
    /// known has no field. `None` when a value is longer than [`MAX_TOLD`].
    pub fn fields(
        &self,
        principal: Option<&Principal>,
        request_id: &str,
    ) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for (fact, name) in &self.fields {
            let value = match (fact, principal) {
                (Fact::RequestId, _) => encoded(request_id, b""),
                (_, None) => continue,
                (fact, Some(principal)) => value(*fact, principal),
            };
            if value.len() > MAX_TOLD {
                return None;
            }
            if !value.is_empty() {
                fields.push((name.clone(), value));
            }
        }
        Some(fields)
    }
}

fn value(fact: Fact, principal: &Principal) -> String {
    let single = |text: Option<&str>| encoded(text.unwrap_or_default(), b"");
    let list = |texts: &[String], separator: &str| {
        let texts = texts.iter().map(|text| encoded(text, separator.as_bytes()));
        texts.collect::<Vec<_>>().join(separator)
    };
    match fact {
        Fact::Client => single(Some(principal.client())),
        Fact::Encounter => single(principal.encounter()),
        Fact::Issuer => single(Some(principal.issuer())),
        Fact::Patient => single(principal.patient()),
        Fact::Purpose => list(principal.purposes(), ","),
        Fact::RequestId => String::new(),
        Fact::Roles => list(principal.roles(), ","),
        Fact::Scope => list(principal.scopes().texts(), " "),
        Fact::Subject => single(Some(principal.subject())),
        Fact::Tenant => single(principal.tenant()),
        Fact::User => single(principal.user()),
    }
}

/// Text as a header field may hold it (RFC 9110 section 5.5): visible ASCII as it is, spaces inside
/// as they are, everything else, `%`, and what separates the items of a list, percent-encoded.
fn encoded(text: &str, separator: &[u8]) -> String {
    let last = text.len().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let inner_space = byte == b' ' && at != 0 && at != last;
        let plain = (byte.is_ascii_graphic() && byte != b'%') || inner_space;
        if plain && !separator.contains(&byte) {
            out.push(char::from(byte));
        } else {
            const DIGITS: [char; 16] = [
                '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
            ];
            out.push('%');
            for digit in [byte >> 4, byte & 0x0f] {
                out.push(DIGITS.get(usize::from(digit)).copied().unwrap_or('0'));
            }
        }
    }
    out
}
