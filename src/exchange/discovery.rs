//! The metadata of this protected resource, which we answer ourselves (RFC 9728).

use super::{Exchange, Guard, Phase, Step};
use crate::audit::{Caller, Outcome};
use crate::denial::{Denial, Reply};
use crate::request::{AnswerForm, Method, RequestHead};

impl Exchange {
    /// The answer, if it is the metadata that is asked for. A path that the operator made public is
    /// the upstream's.
    pub(super) fn discover(&mut self, guard: &Guard, head: &RequestHead) -> Option<Step> {
        let policy = guard.policy();
        let discovery = policy.discovery.as_ref()?;
        let relative = head.path.strip_prefix(policy.fhir.base.path());
        let relative = relative.and_then(|rest| rest.strip_prefix('/'));
        let of_upstream =
            relative.is_some_and(|path| policy.fhir.public.iter().any(|public| public == path));
        if of_upstream || !discovery.paths.contains(&head.path) {
            return None;
        }
        if !matches!(head.method, Method::Get | Method::Head) {
            return Some(self.refuse(&Denial::Method("GET, HEAD")));
        }
        if let Err(denial) = head.check_answer(AnswerForm::Json) {
            return Some(self.refuse(&denial));
        }
        if let Err(denial) = guard.check_place(Caller::Public) {
            return Some(self.refuse(&denial));
        }
        self.record.method = Some(head.method.name());
        self.record.outcome = Outcome::Allowed;
        self.record.rule = "public".to_owned();
        self.record.status = 200;
        self.phase = Phase::Refused;
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "max-age=300".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ];
        headers.extend(self.traced());
        Some(Step::Reply(Reply {
            status: 200,
            headers,
            body: discovery.document.to_vec(),
        }))
    }
}
