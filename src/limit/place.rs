//! Where the entry of one caller under one limit lies in shared data.

use super::key::{Caller, KeyPart, Limit, Measure};
use super::slot::{Fingerprint, Kind, Table};
use crate::shared::slot_key;

/// Where an entry lies. Limits by the same key have theirs in one slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub slot: SlotNumber,
    /// Which entry of the slot; never that of the overflow.
    pub fingerprint: Fingerprint,
}

/// A slot of a table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct SlotNumber {
    pub table: Table,
    number: u16,
}

impl SlotNumber {
    /// The key of the shared data.
    pub fn key(self) -> String {
        let prefix = match self.table {
            Table::Limits => "fhir-guard.limit.v2.",
            Table::Patients => "fhir-guard.patients.v2.",
        };
        slot_key(prefix, self.number)
    }
}

/// Places of one exchange: callers who are written alike are hashed once.
pub(super) struct Places {
    /// What was written, one behind the other.
    texts: Vec<u8>,
    /// Where each ends, and what became of it.
    digests: Vec<(usize, [u8; 32])>,
}

impl Places {
    pub fn new() -> Places {
        Places {
            texts: Vec::with_capacity(512),
            digests: Vec::with_capacity(8),
        }
    }

    /// The place of this caller under this limit.
    pub fn of(&mut self, limit: &Limit, caller: &Caller<'_>) -> Place {
        let digest = self.digest(limit, caller);
        let [high, low, rest @ ..] = digest;
        let number = u16::from_be_bytes([high, low]);
        let (kind, table, number) = match limit.measure {
            Measure::Rate { .. } => (Kind::Bucket, Table::Limits, number & 0x0fff),
            Measure::Concurrent(_) => (Kind::Leases, Table::Limits, number & 0x0fff),
            Measure::Patients(_) => (Kind::Patients, Table::Patients, number & 0x01ff),
        };
        let own = rest.first_chunk().copied().unwrap_or_default();
        let hash = u128::from_be_bytes(own) ^ u128::from_be_bytes(limit.mark);
        Place {
            slot: SlotNumber { table, number },
            fingerprint: kind.fingerprint(hash.to_be_bytes()),
        }
    }

    /// A hash of the parts, as [`write()`] wrote them.
    fn digest(&mut self, limit: &Limit, caller: &Caller<'_>) -> [u8; 32] {
        let start = self.texts.len();
        write(&mut self.texts, limit, caller);
        let (before, text) = self.texts.split_at_checked(start).unwrap_or_default();
        let mut from = 0;
        for (to, digest) in &self.digests {
            if before.get(from..*to) == Some(text) {
                let digest = *digest;
                self.texts.truncate(start);
                return digest;
            }
            from = *to;
        }
        let digest = blake3::hash(text).into();
        self.digests.push((self.texts.len(), digest));
        digest
    }
}

/// The parts, each with its length, so that no two callers are written alike. What an issuer names is counted
/// for this issuer: another may name its own alike.
fn write(text: &mut Vec<u8>, limit: &Limit, caller: &Caller<'_>) {
    let mut issued = false;
    for part in &limit.key {
        text.push(*part as u8);
        if part.is_named_by_issuer() && !issued {
            issued = true;
            add(text, caller.issuer.map(str::as_bytes));
        }
        match part {
            KeyPart::Address => {
                let network = caller.address.map(|own| limit.address.network(own));
                add(text, network.as_ref().map(<[u8; 18]>::as_slice));
            }
            KeyPart::Token => add(text, caller.token),
            part => add(text, caller.part(*part).map(str::as_bytes)),
        }
    }
}

/// One value; absent is none of any length.
fn add(text: &mut Vec<u8>, value: Option<&[u8]>) {
    let length = value.map_or(u32::MAX, |value| {
        u32::try_from(value.len()).unwrap_or(u32::MAX - 1)
    });
    text.extend(length.to_le_bytes());
    text.extend(value.unwrap_or_default());
}

#[cfg(test)]
impl Place {
    pub fn new(limit: &Limit, caller: &Caller<'_>) -> Place {
        Places::new().of(limit, caller)
    }

    pub fn key(&self) -> String {
        self.slot.key()
    }
}
