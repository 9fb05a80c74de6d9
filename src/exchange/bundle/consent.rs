//! Bundles of requests that patients must have consented to: the Consents of all of them are read, then each
//! entry is decided on.

use std::rc::Rc;

use super::Permitted;
use crate::access::Permit;
use crate::denial::Denial;
use crate::exchange::consent::Said;
use crate::exchange::{Exchange, Field, Guard, Phase, Step};
use crate::request::BatchKind;

/// The most patients whose Consents one Bundle is decided by.
const PATIENTS: usize = 8;

impl Exchange {
    /// It is known what the patients consent to.
    pub(in crate::exchange) fn rule_on_bundle(
        &mut self,
        guard: &Guard,
        mut permitted: Permitted,
        fields: Vec<Field>,
        said: &[(String, Said)],
    ) -> Step {
        let sent = &mut permitted.sent;
        let mut written = std::mem::take(&mut permitted.body.entries).into_iter();
        for (place, entry) in std::mem::take(&mut sent.entries).into_iter().enumerate() {
            let own = entry.is_ok().then(|| written.next()).flatten();
            let ruled = entry.and_then(|permit| self.ruled(guard, permit, said));
            self.note_reported(&ruled);
            match &ruled {
                Ok(_) => permitted.body.entries.extend(own),
                Err(denial) => {
                    if let Some(record) = self.record.entries.get_mut(place) {
                        record.rule = denial.rule();
                    }
                    // As where it was decided on.
                    if sent.kind == BatchKind::Transaction {
                        return self.refuse(denial);
                    }
                }
            }
            sent.entries.push(ruled);
        }
        if sent.permits().next().is_some() {
            return self.send_bundle(guard, permitted, fields);
        }
        match self.refused_all(guard, permitted.sent) {
            Ok(mut reply) => {
                reply.headers.extend(fields);
                reply.headers.extend(self.traced());
                self.phase = Phase::Refused;
                Step::Reply(reply)
            }
            Err(denial) => self.refuse(&denial),
        }
    }
}

/// A permit whose patient is among those whose Consents the Bundle is decided by, or makes one more of them.
pub(super) fn among(permit: Permit, patients: &mut Vec<String>) -> Result<Permit, Denial> {
    let Some(need) = permit.needs_consent().map(Rc::clone) else {
        return Ok(permit);
    };
    if patients.contains(&need.patient) {
        return Ok(permit);
    }
    if patients.len() >= PATIENTS {
        return permit
            .unconsented(need.denial("the Bundle takes the consent of too many patients"));
    }
    patients.push(need.patient.clone());
    Ok(permit)
}
