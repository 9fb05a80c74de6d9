//! What a limit counts by, and where its bucket lies.

use super::quota::Quota;
use super::slot::Fingerprint;

/// One part of the key of a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyPart {
    /// The caller's network address.
    Address,
    /// The thumbprint of the client certificate.
    Certificate,
    /// The `client_id` of the token.
    Client,
    /// The issuer of the token.
    Issuer,
    /// The patient in context.
    Patient,
    /// The subject of the token.
    Subject,
    /// The tenant of the issuer.
    Tenant,
}

impl KeyPart {
    /// Every part, in the order of their names.
    pub const ALL: [KeyPart; 7] = [
        KeyPart::Address,
        KeyPart::Certificate,
        KeyPart::Client,
        KeyPart::Issuer,
        KeyPart::Patient,
        KeyPart::Subject,
        KeyPart::Tenant,
    ];

    /// The part of this name, exactly as it is written in the configuration.
    pub fn parse(name: &str) -> Option<KeyPart> {
        KeyPart::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether the value is one that an issuer makes up: two issuers may give the same to different
    /// callers.
    fn is_named_by_issuer(self) -> bool {
        match self {
            KeyPart::Client | KeyPart::Patient | KeyPart::Subject => true,
            KeyPart::Address | KeyPart::Certificate | KeyPart::Issuer | KeyPart::Tenant => false,
        }
    }

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            KeyPart::Address => "address",
            KeyPart::Certificate => "certificate",
            KeyPart::Client => "client",
            KeyPart::Issuer => "issuer",
            KeyPart::Patient => "patient",
            KeyPart::Subject => "subject",
            KeyPart::Tenant => "tenant",
        }
    }
}

/// One limit: a quota for each combination of the key's parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// 1 to 32 characters of `[a-z0-9-]`. It is shown to callers, and is part of the bucket's place.
    pub name: String,
    /// What is counted by; without a part, all callers share one bucket.
    pub key: Vec<KeyPart>,
    /// How often.
    pub quota: Quota,
}

impl Limit {
    /// A limit whose name and key have been checked.
    ///
    /// # Errors
    ///
    /// A name that is not 1 to 32 characters of `[a-z0-9-]`, and a part that is listed twice.
    pub fn new(name: &str, key: &[KeyPart], quota: Quota) -> Result<Limit, &'static str> {
        if !(1..=32).contains(&name.len()) || !name.bytes().all(is_name_byte) {
            return Err("name: expected 1 to 32 characters of a-z, 0-9 and -");
        }
        if name == "contended" {
            return Err(
                "name: expected another name than contended, which the record gives to no limit",
            );
        }
        let twice = |part| key.iter().filter(|other| *other == part).count() > 1;
        if key.iter().any(twice) {
            return Err("key: expected each part at most once");
        }
        Ok(Limit {
            name: name.to_owned(),
            key: key.to_vec(),
            quota,
        })
    }
}

/// Who is asking. A part that is absent is a key of its own, equal to no value, not even the empty
/// one: callers without a client share a bucket that no client can charge.
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The network address, without the port.
    pub address: Option<&'a str>,
    /// The thumbprint of the client certificate.
    pub certificate: Option<&'a str>,
    /// The `client_id`.
    pub client: Option<&'a str>,
    /// The token's issuer.
    pub issuer: Option<&'a str>,
    /// The patient in context.
    pub patient: Option<&'a str>,
    /// The token's subject.
    pub subject: Option<&'a str>,
    /// The tenant.
    pub tenant: Option<&'a str>,
}

/// Where the bucket of one caller under one limit lies in shared data.
pub(super) struct Place {
    /// The key of the slot.
    pub key: String,
    /// Which entry of the slot; never all zero, which is the overflow entry.
    pub fingerprint: Fingerprint,
}

impl Place {
    pub fn new(limit: &Limit, caller: &Caller) -> Place {
        let digest: [u8; 32] = digest(limit, caller);
        let [high, low, rest @ ..] = digest;
        let slot = u16::from_be_bytes([high, low]) & 0x0fff;
        let mut fingerprint: Fingerprint = rest.first_chunk().copied().unwrap_or_default();
        if let Some(last) = fingerprint.last_mut() {
            *last |= 1;
        }
        Place {
            key: format!("fhir-guard.limit.v1.{slot:03x}"),
            fingerprint,
        }
    }
}

/// A hash of the limit's name and the parts, each with its length, so that no two callers are
/// written alike. What an issuer names is counted for this issuer: another may name its own alike.
fn digest(limit: &Limit, caller: &Caller) -> [u8; 32] {
    let mut text = Vec::with_capacity(256);
    let mut add = |bytes: &[u8]| {
        text.extend((bytes.len() as u64).to_be_bytes());
        text.extend(bytes);
    };
    add(limit.name.as_bytes());
    let mut add_part = |value: Option<&str>| match value {
        Some(value) => {
            add(b"present");
            add(value.as_bytes());
        }
        None => add(b"absent"),
    };
    for part in &limit.key {
        add_part(Some(part.name()));
        if part.is_named_by_issuer() {
            add_part(caller.issuer);
        }
        add_part(caller.part(*part));
    }
    blake3::hash(&text).into()
}

impl<'a> Caller<'a> {
    fn part(&self, part: KeyPart) -> Option<&'a str> {
        match part {
            KeyPart::Address => self.address,
            KeyPart::Certificate => self.certificate,
            KeyPart::Client => self.client,
            KeyPart::Issuer => self.issuer,
            KeyPart::Patient => self.patient,
            KeyPart::Subject => self.subject,
            KeyPart::Tenant => self.tenant,
        }
    }
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}

#[cfg(test)]
mod tests {
    use super::super::quota::Period;
    use super::*;

    #[test]
    fn parts_have_one_name_each() {
        for part in KeyPart::ALL {
            assert_eq!(KeyPart::parse(part.name()), Some(part));
        }
        for name in ["", "Client", "client ", "clients", "token"] {
            assert_eq!(KeyPart::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn each_part_counts_by_its_own_field() {
        let quota = Quota::new(1, Period::Second, 1).unwrap();
        let others = |part: KeyPart, own: Option<&'static str>, rest: Option<&'static str>| {
            let field = |of: KeyPart| if of == part { own } else { rest };
            Caller {
                address: field(KeyPart::Address),
                certificate: field(KeyPart::Certificate),
                client: field(KeyPart::Client),
                issuer: field(KeyPart::Issuer),
                patient: field(KeyPart::Patient),
                subject: field(KeyPart::Subject),
                tenant: field(KeyPart::Tenant),
            }
        };
        for part in KeyPart::ALL {
            let limit = Limit::new("a", &[part], quota).unwrap();
            let place = |own, rest| Place::new(&limit, &others(part, own, rest)).fingerprint;
            let one = place(Some("x"), None);
            // The issuer is among the others.
            let same = one == place(Some("x"), Some("y"));
            assert_eq!(same, !part.is_named_by_issuer(), "{part:?}");
            assert_ne!(one, place(Some("z"), None), "{part:?}");
            assert_ne!(one, place(None, Some("x")), "{part:?}");
        }
    }

    #[test]
    fn what_two_issuers_name_alike_is_counted_apart() {
        let quota = Quota::new(1, Period::Second, 1).unwrap();
        let of = |issuer| Caller {
            address: Some("x"),
            certificate: Some("x"),
            client: Some("x"),
            issuer,
            patient: Some("x"),
            subject: Some("x"),
            tenant: Some("x"),
        };
        for part in KeyPart::ALL {
            let limit = Limit::new("a", &[part], quota).unwrap();
            let place = |issuer| Place::new(&limit, &of(issuer)).fingerprint;
            let shared = matches!(
                part,
                KeyPart::Address | KeyPart::Certificate | KeyPart::Tenant
            );
            assert_eq!(place(Some("a")) == place(Some("b")), shared, "{part:?}");
            assert_eq!(place(Some("a")) == place(None), shared, "{part:?}");
            assert_eq!(place(Some("a")), place(Some("a")), "{part:?}");
        }
    }

    #[test]
    fn limits_are_refused_beyond_their_bounds() {
        fn check(name: &str, key: &[KeyPart], expected: Result<(), &str>) {
            let quota = Quota::new(1, Period::Second, 1).unwrap();
            let found = Limit::new(name, key, quota);
            match expected {
                Ok(()) => assert_eq!(found.expect(name).name, name),
                Err(part) => assert!(found.expect_err(name).starts_with(part), "{name}"),
            }
        }
        check("per-client", &[KeyPart::Client], Ok(()));
        check("0", &[], Ok(()));
        check(&"a".repeat(32), &KeyPart::ALL, Ok(()));
        check(&"a".repeat(33), &[], Err("name"));
        check("", &[], Err("name"));
        check("Client", &[], Err("name"));
        check("a_b", &[], Err("name"));
        check("a\"b", &[], Err("name"));
        check("\u{e9}", &[], Err("name"));
        check("twice", &[KeyPart::Client, KeyPart::Client], Err("key"));
    }

    #[test]
    fn no_two_callers_share_a_place() {
        let quota = Quota::new(1, Period::Second, 1).unwrap();
        let limit = |name: &str, key: &[KeyPart]| Limit::new(name, key, quota).unwrap();
        let caller = |client, subject| Caller {
            client,
            subject,
            ..Caller::default()
        };
        let both = limit("a", &[KeyPart::Client, KeyPart::Subject]);
        let rows = [
            ("present", Place::new(&both, &caller(Some("x"), Some("y")))),
            (
                "exchanged",
                Place::new(&both, &caller(Some("y"), Some("x"))),
            ),
            (
                "moved border",
                Place::new(&both, &caller(Some("xy"), Some(""))),
            ),
            (
                "moved border back",
                Place::new(&both, &caller(Some(""), Some("xy"))),
            ),
            (
                "absent subject",
                Place::new(&both, &caller(Some("xy"), None)),
            ),
            (
                "absent client",
                Place::new(&both, &caller(None, Some("xy"))),
            ),
            ("both absent", Place::new(&both, &caller(None, None))),
            ("both empty", Place::new(&both, &caller(Some(""), Some("")))),
            (
                "named absent",
                Place::new(&both, &caller(Some("absent"), Some("absent"))),
            ),
            (
                "client only",
                Place::new(&limit("a", &[KeyPart::Client]), &caller(Some("x"), None)),
            ),
            (
                "subject only",
                Place::new(&limit("a", &[KeyPart::Subject]), &caller(None, Some("x"))),
            ),
            (
                "other limit",
                Place::new(&limit("b", &[KeyPart::Client]), &caller(Some("x"), None)),
            ),
            (
                "no parts",
                Place::new(&limit("a", &[]), &caller(Some("x"), None)),
            ),
        ];
        for (index, (name, place)) in rows.iter().enumerate() {
            assert!(place.key.len() == 23 && place.key.starts_with("fhir-guard.limit.v1."));
            assert_ne!(place.fingerprint, [0; 16], "{name}");
            for (other, twin) in rows.iter().skip(index + 1) {
                assert_ne!(place.fingerprint, twin.fingerprint, "{name} and {other}");
            }
        }
        let again = Place::new(&both, &caller(Some("x"), Some("y")));
        assert_eq!(again.fingerprint, rows[0].1.fingerprint);
        assert_eq!(again.key, rows[0].1.key);
        // A part that the key does not name makes no difference.
        let one = limit("a", &[KeyPart::Client]);
        let (with, without) = (caller(Some("x"), Some("y")), caller(Some("x"), None));
        assert_eq!(
            Place::new(&one, &with).fingerprint,
            Place::new(&one, &without).fingerprint
        );
    }
}
