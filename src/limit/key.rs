//! What a limit counts by, and where its bucket lies.

use std::net::IpAddr;

use super::cost::{Asking, Cost};
use super::lease::Cap;
use super::patients::Budget;
use super::priority::{Priority, Right};
use super::quota::Quota;

/// One part of the key of a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyPart {
    /// The caller's network address, or the network that it is in ([`AddressPrefix`]).
    Address,
    /// The thumbprint of the client certificate.
    Certificate,
    /// The `client_id` of the token.
    Client,
    /// The standard's code of the interaction.
    Interaction,
    /// The issuer of the token.
    Issuer,
    /// The name of the operation that is called.
    Operation,
    /// The patient in context.
    Patient,
    /// The name of the route that the proxy chose.
    Route,
    /// The subject of the token.
    Subject,
    /// The tenant of the issuer.
    Tenant,
    /// The token itself.
    Token,
    /// The resource type that is asked for.
    Type,
}

impl KeyPart {
    /// Every part, in the order of their names.
    pub const ALL: [KeyPart; 12] = [
        KeyPart::Address,
        KeyPart::Certificate,
        KeyPart::Client,
        KeyPart::Interaction,
        KeyPart::Issuer,
        KeyPart::Operation,
        KeyPart::Patient,
        KeyPart::Route,
        KeyPart::Subject,
        KeyPart::Tenant,
        KeyPart::Token,
        KeyPart::Type,
    ];

    /// The part of this name, exactly as it is written in the configuration.
    pub fn parse(name: &str) -> Option<KeyPart> {
        KeyPart::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether the value is one that an issuer makes up: two issuers may give the same to different
    /// callers.
    pub(super) fn is_named_by_issuer(self) -> bool {
        matches!(self, KeyPart::Client | KeyPart::Patient | KeyPart::Subject)
    }

    /// Whether it says what is asked for: the requests of a Bundle differ in it.
    fn is_asked(self) -> bool {
        matches!(
            self,
            KeyPart::Interaction | KeyPart::Operation | KeyPart::Type
        )
    }

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            KeyPart::Address => "address",
            KeyPart::Certificate => "certificate",
            KeyPart::Client => "client",
            KeyPart::Interaction => "interaction",
            KeyPart::Issuer => "issuer",
            KeyPart::Operation => "operation",
            KeyPart::Patient => "patient",
            KeyPart::Route => "route",
            KeyPart::Subject => "subject",
            KeyPart::Tenant => "tenant",
            KeyPart::Token => "token",
            KeyPart::Type => "type",
        }
    }
}

/// How many bits of an address are one caller: the part `address` of a key is the network of this
/// length that the address is in. Addresses of IPv4 in those of IPv6 (`::ffff:192.0.2.1`) are of IPv4.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressPrefix {
    /// Of IPv4, at most 32.
    pub v4: u8,
    /// Of IPv6, at most 128.
    pub v6: u8,
}

impl Default for AddressPrefix {
    /// Single addresses of IPv4, and of IPv6 networks of 64 bits: whoever has an address there has
    /// all of such a network (RFC 6177).
    fn default() -> Self {
        AddressPrefix { v4: 32, v6: 64 }
    }
}

impl AddressPrefix {
    /// The network of this address, in bytes that no other network has.
    pub(super) fn network(self, address: IpAddr) -> [u8; 18] {
        let (bits, whole, length) = match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32_u8, self.v4),
            IpAddr::V6(address) => (u128::from(address), 128, self.v6),
        };
        let cut = whole.saturating_sub(length);
        let network = bits.checked_shr(cut.into()).unwrap_or_default();
        let mut text = [whole; 18];
        let (lengths, bits) = text.split_at_mut(2);
        lengths.copy_from_slice(&[whole, length]);
        bits.copy_from_slice(&network.to_be_bytes());
        text
    }
}

/// One limit: a rate, or a cap, for each combination of the key's parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// 1 to 32 characters of `[a-z0-9-]`. It is shown to callers, and is part of the bucket's place.
    pub name: String,
    /// What is counted by; without a part, all callers share one bucket.
    pub key: Vec<KeyPart>,
    /// What the part `address` is.
    pub address: AddressPrefix,
    /// How often, how many at once, or how many patients.
    pub measure: Measure,
    /// Who goes first; `None` is nobody.
    pub priority: Option<Priority>,
    /// Whether a server that several proxies share is asked as well; of rates alone.
    pub global: bool,
    /// What tells its places from those of other limits: made of the name, and of what else would make one that
    /// was kept for another limit unreadable.
    pub(crate) mark: [u8; 16],
}

/// What a limit holds to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Measure {
    /// How often.
    Rate {
        /// How often.
        quota: Quota,
        /// What a request costs.
        cost: Cost,
    },
    /// How many may be under way at once.
    Concurrent(Cap),
    /// How many different patients may be shown.
    Patients(Budget),
}

impl Measure {
    /// How often, each request alike.
    pub fn rate(quota: Quota) -> Measure {
        Measure::Rate {
            quota,
            cost: Cost::default(),
        }
    }

    /// What this costs: one that is under way is one, however large.
    pub fn cost_of(&self, asking: Asking) -> u32 {
        match self {
            Measure::Rate { cost, .. } => cost.of_request(asking),
            Measure::Concurrent(_) | Measure::Patients(_) => 0,
        }
    }

    /// The most at once.
    pub fn most(&self) -> u32 {
        match self {
            Measure::Rate { quota, .. } => quota.burst(),
            Measure::Concurrent(cap) => cap.most(),
            Measure::Patients(budget) => budget.most(),
        }
    }
}

impl Limit {
    /// A limit whose name and key have been checked.
    ///
    /// # Errors
    ///
    /// A name that is not 1 to 32 characters of `[a-z0-9-]`, and a part that is listed twice.
    pub fn new(name: &str, key: &[KeyPart], measure: Measure) -> Result<Limit, &'static str> {
        if !(1..=32).contains(&name.len()) || !name.bytes().all(is_name_byte) {
            return Err("name: expected 1 to 32 characters of a-z, 0-9 and -");
        }
        if matches!(name, "contended" | "upstream") {
            return Err(
                "name: expected another name than contended and upstream, which the record gives to no limit",
            );
        }
        let twice = |part| key.iter().filter(|other| *other == part).count() > 1;
        if key.iter().any(twice) {
            return Err("key: expected each part at most once");
        }
        Ok(Limit {
            name: name.to_owned(),
            key: key.to_vec(),
            address: AddressPrefix::default(),
            mark: mark(name, &measure),
            measure,
            priority: None,
            global: false,
        })
    }

    /// The same, with some who go first.
    ///
    /// # Errors
    ///
    /// Where nothing would be left to the others.
    pub fn with_priority(self, priority: Option<Priority>) -> Result<Limit, &'static str> {
        let all = self.measure.most();
        match priority.as_ref().map(|priority| priority.right) {
            Some(Right::Reserve(kept)) if kept >= all => {
                Err("priority/reserve: expected less than the limit itself")
            }
            _ => Ok(Limit { priority, ..self }),
        }
    }

    /// Whether so much is never admitted at once, of a caller who has priority or has not.
    pub fn never_admits(&self, count: u32, priority: bool) -> bool {
        match (&self.measure, self.priority.as_ref().map(|own| own.right)) {
            (_, Some(Right::Bypass)) if priority => false,
            (Measure::Rate { quota, .. }, Some(Right::Reserve(kept))) if !priority => {
                count > quota.with_less(kept).burst()
            }
            (Measure::Rate { quota, .. }, _) => count > quota.burst(),
            (Measure::Concurrent(_) | Measure::Patients(_), _) => false,
        }
    }

    /// Whether it counts by this part.
    pub fn counts_by(&self, part: KeyPart) -> bool {
        self.key.contains(&part)
    }

    /// Whether one caller asks for the same here and there, as far as this is counted by it.
    pub fn is_asked_alike(&self, one: &Caller<'_>, other: &Caller<'_>) -> bool {
        let mut asked = self.key.iter().filter(|part| part.is_asked());
        asked.all(|part| one.part(*part) == other.part(*part))
    }
}

/// Who is asking, and what for. A part that is absent is a key of its own, equal to no value, not even the empty
/// one: callers without a client share a bucket that no client can charge.
#[derive(Clone, Copy, Default)]
pub struct Caller<'a> {
    /// The network address, without the port.
    pub address: Option<IpAddr>,
    /// The thumbprint of the client certificate.
    pub certificate: Option<&'a str>,
    /// The `client_id`.
    pub client: Option<&'a str>,
    /// The code of the interaction.
    pub interaction: Option<&'a str>,
    /// The token's issuer.
    pub issuer: Option<&'a str>,
    /// The name of the operation.
    pub operation: Option<&'a str>,
    /// The patient in context.
    pub patient: Option<&'a str>,
    /// The resource type; none where several are asked for.
    pub resource_type: Option<&'a str>,
    /// The proxy's name of the route.
    pub route: Option<&'a str>,
    /// The token's subject.
    pub subject: Option<&'a str>,
    /// The tenant.
    pub tenant: Option<&'a str>,
    /// The token, or a hash of it.
    pub token: Option<&'a [u8]>,
}

impl<'a> Caller<'a> {
    /// A part that is a text.
    pub(super) fn part(&self, part: KeyPart) -> Option<&'a str> {
        match part {
            KeyPart::Address | KeyPart::Token => None,
            KeyPart::Certificate => self.certificate,
            KeyPart::Client => self.client,
            KeyPart::Interaction => self.interaction,
            KeyPart::Issuer => self.issuer,
            KeyPart::Operation => self.operation,
            KeyPart::Patient => self.patient,
            KeyPart::Route => self.route,
            KeyPart::Subject => self.subject,
            KeyPart::Tenant => self.tenant,
            KeyPart::Type => self.resource_type,
        }
    }
}

/// What leases of another life left cannot be read with this one, nor what was counted for another window.
fn mark(name: &str, measure: &Measure) -> [u8; 16] {
    let more = match measure {
        Measure::Rate { .. } => 0,
        Measure::Concurrent(cap) => cap.life(),
        Measure::Patients(budget) => budget.window_seconds(),
    };
    let digest: [u8; 32] = blake3::hash(&[&more.to_be_bytes(), name.as_bytes()].concat()).into();
    digest.first_chunk().copied().unwrap_or_default()
}

pub(super) fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}
