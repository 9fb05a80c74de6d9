//! What a limit counts by, and where its bucket lies.

use std::net::IpAddr;

use super::cost::{Asking, Cost};
use super::lease::Cap;
use super::patients::Budget;
use super::priority::{Priority, Right};
use super::quota::Quota;
use super::slot::Fingerprint;

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
    /// The network of this address, as a text that no other network has.
    pub(super) fn network(self, address: IpAddr) -> String {
        let (bits, whole, length) = match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32_u32, self.v4),
            IpAddr::V6(address) => (u128::from(address), 128, self.v6),
        };
        let cut = whole.saturating_sub(length.into());
        let network = bits.checked_shr(cut).unwrap_or_default();
        format!("{whole}/{length}/{network:x}")
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

/// Where the bucket of one caller under one limit lies in shared data.
#[derive(Clone)]
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
        let slot = u16::from_be_bytes([high, low]);
        let key = match limit.measure {
            Measure::Rate { .. } => format!("fhir-guard.limit.v1.{:03x}", slot & 0x0fff),
            Measure::Concurrent(_) => format!("fhir-guard.lease.v1.{:03x}", slot & 0x03ff),
            Measure::Patients(_) => format!("fhir-guard.patients.v1.{:03x}", slot & 0x01ff),
        };
        let mut fingerprint: Fingerprint = rest.first_chunk().copied().unwrap_or_default();
        if let Some(last) = fingerprint.last_mut() {
            *last |= 1;
        }
        Place { key, fingerprint }
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
    if let Measure::Concurrent(cap) = &limit.measure {
        // What leases of another life left cannot be read with this one.
        add(&cap.life().to_be_bytes());
    }
    if let Measure::Patients(budget) = &limit.measure {
        // Nor what was counted for another window.
        add(b"patients");
        add(&budget.window_seconds().to_be_bytes());
    }
    let mut add_part = |value: Option<&[u8]>| match value {
        Some(value) => {
            add(b"present");
            add(value);
        }
        None => add(b"absent"),
    };
    for part in &limit.key {
        add_part(Some(part.name().as_bytes()));
        if part.is_named_by_issuer() {
            add_part(caller.issuer.map(str::as_bytes));
        }
        match part {
            KeyPart::Address => {
                let network = caller.address.map(|own| limit.address.network(own));
                add_part(network.as_deref().map(str::as_bytes));
            }
            KeyPart::Token => add_part(caller.token),
            part => add_part(caller.part(*part).map(str::as_bytes)),
        }
    }
    blake3::hash(&text).into()
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

pub(super) fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')
}
