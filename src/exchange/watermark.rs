//! The mark of what leaves in one exchange.

use std::rc::Rc;

use super::Guard;
use super::cover::expected;
use crate::access::Permit;
use crate::audit::Record;
use crate::response::{Expected, Mark, Recipient, Watermark};

/// How the answers of one exchange are marked.
pub(super) struct Marking {
    mark: Option<Rc<Mark>>,
}

impl Marking {
    /// For these requests, which are one caller's; the record says what is marked.
    pub fn of<'p>(
        guard: &Guard,
        mut permits: impl Iterator<Item = &'p Permit>,
        record: &mut Record,
    ) -> Marking {
        let watermarking = guard.policy().watermarking.as_ref();
        let mark = watermarking.and_then(|watermarking| {
            let permit = permits.find(|permit| is_marked(permit))?;
            let caller = permit.principal()?;
            let mark = watermarking.mark(&Recipient {
                issuer: caller.issuer(),
                tenant: caller.tenant(),
                client: caller.client(),
                subject: caller.subject(),
                patient: caller.patient(),
                request_id: &record.request_id,
            });
            record.patient = caller.patient().map(str::to_owned);
            record.watermark = Some(mark.code.clone());
            Some(mark)
        });
        Marking { mark }
    }

    /// What becomes of tags in the answer to one of them.
    pub fn watermark(&self, guard: &Guard, permit: &Permit) -> Option<Watermark> {
        let watermarking = guard.policy().watermarking.as_ref()?;
        Some(Watermark {
            system: Rc::clone(&watermarking.system),
            mark: self.mark.clone().filter(|_| is_marked(permit)),
        })
    }
}

/// Whether the answer may hold several resources, and those get a mark.
fn is_marked(permit: &Permit) -> bool {
    let several = || match expected(&permit.request().interaction) {
        Some(Expected::Bundle { .. } | Expected::Lines(_)) => true,
        None
        | Some(
            Expected::Resource { .. } | Expected::Plain(_) | Expected::Manifest | Expected::Opaque,
        ) => false,
    };
    permit.marks() && several()
}
