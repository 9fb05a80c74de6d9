//! Whom this filter shuts out itself, as one worker knows it.

use super::Guard;
use crate::identity::{
    AccessToken, PeerCertificate, Quarantine, QuarantineAdd, QuarantineLook, Suspect,
};
use crate::risk::RiskPolicy;

const SECOND: u64 = 1_000_000_000;

/// Between two looks at least: a little less than a second, because ticks are not exact.
const REST: u64 = 900_000_000;

/// The table, and when it was last looked at.
#[derive(Default)]
pub(super) struct Watch {
    table: Quarantine,
    /// In nanoseconds since 1970.
    looked: Option<u64>,
}

impl Guard {
    /// Whether any part of the filter shuts somebody out, as it is configured: then there must be ticks.
    pub(super) fn shuts_anybody_out(&self) -> bool {
        let shuts_out = |risk: RiskPolicy| risk.shuts_out();
        self.policy.dpop.quarantine.is_some() || self.policy.risk.is_some_and(shuts_out)
    }

    /// Work that shuts somebody out for so many seconds, on all workers; its outcome goes to
    /// [`Guard::quarantined`]. `now` is in nanoseconds since 1970.
    pub fn quarantine(&self, suspect: Suspect<'_>, seconds: u64, now: u64) -> QuarantineAdd {
        let now = now / SECOND;
        let until = now.saturating_add(seconds);
        self.quarantine.table.add(suspect, until, now)
    }

    /// Work that looks whom other workers have shut out; its outcome goes to [`Guard::quarantined`].
    /// `None` where that is not due: to be asked at every tick. `now` is in nanoseconds since 1970.
    pub fn look_at_quarantine(&mut self, now: u64) -> Option<QuarantineLook> {
        // A clock that steps back must not put off the next look.
        let rests = |looked: u64| (looked..looked.saturating_add(REST)).contains(&now);
        let in_use = self.shuts_anybody_out();
        let watch = &mut self.quarantine;
        if !in_use || watch.looked.is_some_and(rests) {
            return None;
        }
        watch.looked = Some(now);
        Some(watch.table.look())
    }

    /// Takes what came of such work; `now` is in nanoseconds since 1970.
    pub fn quarantined(&mut self, found: Option<Quarantine>, now: u64) {
        self.quarantine.table.looked(found, now / SECOND);
    }

    /// Whether the holders of any certificates may be isolated now: whether it is worth to look at the one of
    /// the caller.
    pub(in crate::exchange) fn isolates(&self) -> bool {
        let isolates = |risk: RiskPolicy| risk.isolates_certificates && !risk.report_only;
        !self.quarantine.table.is_empty() && self.policy.risk.is_some_and(isolates)
    }

    /// For how many seconds more the holder of this certificate is isolated, if he is; `now` is in seconds
    /// since 1970.
    pub(in crate::exchange) fn isolated(
        &self,
        certificate: &PeerCertificate,
        now: u64,
    ) -> Option<u64> {
        let thumbprint = certificate.thumbprint_hex();
        let suspect = Suspect::Certificate(&thumbprint);
        self.quarantine.table.remaining(suspect, now)
    }

    /// Whether whoever shows this is shut out; `now` is in seconds since 1970.
    pub(super) fn shuts_out(
        &self,
        token: &AccessToken,
        certificate: Option<&PeerCertificate>,
        now: u64,
    ) -> bool {
        let table = &self.quarantine.table;
        if table.is_empty() {
            return false;
        }
        let tenant = token.tenant().map(Suspect::Tenant);
        if tenant.is_some_and(|tenant| table.remaining(tenant, now).is_some()) {
            return true;
        }
        let certificate = certificate.map(PeerCertificate::thumbprint_hex);
        table.holds(&token.shown(certificate.as_deref()), now)
    }
}
