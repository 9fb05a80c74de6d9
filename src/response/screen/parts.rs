//! The parts of a Bundle, as they come.

use super::{Screen, Subject};
use crate::fhir::is_id;
use crate::json::{Document, escape_into, quote};
use crate::response::bundle::{self, Rule};
use crate::response::egress::{CUT, Over};
use crate::response::splitter::Piece;
use crate::response::{BundleKind, Fault};

#[derive(Default)]
pub(super) struct Progress {
    pub resource_type: bool,
    pub kind: bool,
    link: bool,
    entries: usize,
    /// Whether a first member has been written.
    begun: bool,
    /// Whether `"entry":[` has been written: not before an entry is kept, for FHIR forbids empty
    /// arrays.
    entries_open: bool,
    /// Whether it was cut by a guardrail: no further entry leaves.
    cut: bool,
}

impl Screen {
    pub(super) fn piece_of_bundle(
        &mut self,
        piece: Piece<'_>,
        rule: &Rule<'_>,
    ) -> Result<(), Fault> {
        match piece {
            Piece::Member { name, value } => self.bundle_member(&name, &value, rule),
            Piece::EntriesStart if self.bundle.resource_type => Ok(()),
            Piece::EntriesStart => Err(Fault::Uninspectable(
                "entry stands before resourceType in the bundle",
            )),
            Piece::Entry(source) => self.read(source, |screen, document| {
                screen.bundle_entry(document, rule)
            }),
            Piece::EntriesEnd => {
                if self.bundle.entries_open {
                    self.out.push(']');
                }
                Ok(())
            }
            Piece::End | Piece::Root(_) => self.bundle_end(rule),
        }
    }

    /// Members that are not named here are dropped: `total` may count what may not leave, a
    /// `signature` would no longer hold, and what is unknown cannot be decided.
    fn bundle_member(&mut self, name: &str, value: &[u8], rule: &Rule<'_>) -> Result<(), Fault> {
        let document = self.parse(value)?;
        let value = document.root();
        let string = value.str();
        let string = string.as_deref();
        let quoted = |keep: bool| string.filter(|_| keep).map(quote);
        let kept = match name {
            "resourceType" => {
                if string != Some("Bundle") {
                    return Err(Fault::Uninspectable("the body is no bundle"));
                }
                self.bundle.resource_type = true;
                quoted(true)
            }
            "type" => {
                let expected = match rule.kind {
                    BundleKind::Searchset => "searchset",
                    BundleKind::History => "history",
                };
                if string != Some(expected) {
                    return Err(Fault::Uninspectable("the bundle is of another type"));
                }
                self.bundle.kind = true;
                quoted(true)
            }
            "id" => quoted(string.is_some_and(is_id)),
            "timestamp" => quoted(string.is_some_and(bundle::is_instant)),
            "meta" => {
                if let Some(cover) = rule.cover.in_bundle(value) {
                    if self.bundle.entries > 0 {
                        return Err(Fault::Uninspectable(
                            "the labels of the bundle stand behind its entries",
                        ));
                    }
                    self.subject = Subject::One(cover);
                }
                bundle::meta(value)
            }
            // To whoever is confined it is told on trust, which an entry that had to be removed ends.
            "total"
                if rule.cover.total && !(rule.cover.is_confined() && self.counts.removed > 0) =>
            {
                bundle::total(value)
            }
            "link" => {
                self.bundle.link = true;
                // What follows begins behind what does not leave.
                Some(match self.bundle.cut {
                    true => bundle::no_links(rule.cover),
                    false => bundle::links(value, rule.cover, rule.resource_type),
                })
            }
            _ => None,
        };
        if let Some(kept) = kept {
            self.write_member(name, &kept);
        }
        Ok(())
    }

    fn bundle_entry(&mut self, document: &Document<'_>, rule: &Rule<'_>) -> Result<(), Fault> {
        self.bundle.entries += 1;
        if self.bundle.entries > self.limits.entries {
            return Err(Fault::TooLarge);
        }
        let root = document.root();
        let kept = rule.entry(document.text(), root)?;
        let Some(kept) = kept.filter(|_| !self.bundle.cut) else {
            self.counts.removed += 1;
            return Ok(());
        };
        let (taken, redacted) = (kept.taken(), kept.redacted());
        if self.bundle.entries_open {
            self.out.push(',');
        } else {
            self.bundle.entries_open = true;
            self.write_member("entry", "[");
        }
        let from = self.out.len();
        rule.write(kept, &mut self.out);
        if !rule.cover.egress.is_empty() {
            let length = self.out.len().saturating_sub(from);
            let broken = self.meter.take(rule.cover, &taken, length)?;
            if let Some(broken) = broken {
                // Every entry of a history is one of its versions: there is none that could say so.
                if broken.over == Over::Refuse || rule.kind == BundleKind::History {
                    return self.refuse(broken);
                }
                self.broken = Some(broken);
                self.bundle.cut = true;
                self.counts.removed += 1;
                self.out.truncate(from);
                self.out.push_str(CUT);
                return Ok(());
            }
        }
        self.counts.passed += 1;
        self.counts.redacted += u64::from(redacted);
        Ok(())
    }

    fn bundle_end(&mut self, rule: &Rule<'_>) -> Result<(), Fault> {
        if self.may_withhold() {
            return Err(Fault::Withheld);
        }
        if !self.bundle.resource_type || !self.bundle.kind {
            return Err(Fault::Uninspectable(
                "the bundle lacks its resourceType or its type",
            ));
        }
        if !self.bundle.link {
            self.write_member("link", &bundle::no_links(rule.cover));
        }
        self.out.push('}');
        Ok(())
    }

    fn write_member(&mut self, name: &str, value: &str) {
        let first = !std::mem::replace(&mut self.bundle.begun, true);
        self.out.push_str(if first { "{\"" } else { ",\"" });
        escape_into(&mut self.out, name);
        self.out.push_str("\":");
        self.out.push_str(value);
    }
}
