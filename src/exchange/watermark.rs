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
    /// Whether several requests are answered at once.
    several: bool,
}

impl Marking {
    /// For these requests, which are one caller's; the record says what is marked.
    pub fn of<'p>(
        guard: &Guard,
        mut permits: impl Iterator<Item = &'p Permit> + Clone,
        record: &mut Record,
    ) -> Marking {
        let several = permits.clone().nth(1).is_some();
        let watermarking = guard.policy().watermarking.as_ref();
        let mark = watermarking.and_then(|watermarking| {
            let permit = permits.find(|permit| is_marked(permit, several))?;
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
        Marking { mark, several }
    }

    /// What becomes of tags in the answer to one of them.
    pub fn watermark(&self, guard: &Guard, permit: &Permit) -> Option<Watermark> {
        let watermarking = guard.policy().watermarking.as_ref()?;
        Some(Watermark {
            system: Rc::clone(&watermarking.system),
            mark: self
                .mark
                .clone()
                .filter(|_| is_marked(permit, self.several)),
        })
    }
}

/// Whether what this is answered with gets marks: where that may be several resources, or one of several that
/// are read at once. Not where it says what was written: that is written again.
fn is_marked(permit: &Permit, several: bool) -> bool {
    let interaction = &permit.request().interaction;
    let marked = || match expected(interaction) {
        Some(Expected::Bundle { .. } | Expected::Lines(_)) => true,
        Some(Expected::Resource { .. }) => several && interaction.change().is_none(),
        None | Some(Expected::Plain(_) | Expected::Manifest | Expected::Opaque) => false,
    };
    permit.marks() && marked()
}
