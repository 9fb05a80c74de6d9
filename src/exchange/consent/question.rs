//! The question about a patient's Consents, and what the server says to it.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use super::super::{CallAnswer, Exchange, Guard};
use super::{Held, SILENT, Said};
use crate::consent::{Asked, Consents, Fault};
use crate::denial::{Denial, TokenFault};
use crate::json::{Document, Limits};
use crate::remote::Call;
use crate::request::Authorization;
use crate::response::AnswerHead;

/// A question for the server. Its name is a hash of all that the answer may depend on.
#[derive(Clone)]
pub(super) struct Question {
    pub name: [u8; 32],
    pub call: Call,
}

/// The search for the Consents of a patient, as the server gets everything else: in the name of the same
/// caller. The client's token goes to the upstream only.
pub(super) fn question(
    guard: &Guard,
    held: &Held,
    patient: &str,
    request_id: &str,
) -> Result<Question, Denial> {
    let policy = guard.policy();
    let (consent, upstream) = (&policy.consent, &policy.fhir.upstream);
    let path = format!(
        "{}/Consent?patient=Patient/{}&status=active&_count={}",
        consent.base.path(),
        patient,
        consent.count.saturating_add(1)
    );
    let mut fields: Vec<(Cow<'static, str>, String)> = vec![
        (":method".into(), "GET".to_owned()),
        (":path".into(), path),
        (":authority".into(), consent.base.authority().to_owned()),
        ("accept".into(), "application/fhir+json".to_owned()),
        ("accept-encoding".into(), "identity".to_owned()),
        ("prefer".into(), "handling=strict".to_owned()),
    ];
    let same = consent.cluster == upstream.cluster && consent.base == upstream.base;
    if same && upstream.authorization == Authorization::Keep {
        let mut headers = held.headers().iter();
        let token = headers.find(|(name, _)| name == b"authorization");
        let token = token.and_then(|(_, value)| std::str::from_utf8(value).ok());
        fields.extend(token.map(|token| ("authorization".into(), token.to_owned())));
    }
    // Without the request's own id: the answer is for others, too.
    let told = policy.told.fields(held.caller(), "");
    let told = told.ok_or(Denial::Token(TokenFault::Claims))?;
    fields.extend(told.into_iter().map(|(name, value)| (name.into(), value)));
    let mut name = blake3::Hasher::new();
    for (field, value) in &fields {
        for part in [field.as_bytes(), value.as_bytes()] {
            name.update(&part.len().to_le_bytes());
            name.update(part);
        }
    }
    if !request_id.is_empty() {
        fields.push(("x-request-id".into(), request_id.to_owned()));
    }
    let call = Call {
        cluster: consent.cluster.clone(),
        headers: fields,
        body: Vec::new(),
        timeout: Duration::from_nanos(policy.waiting.time),
    };
    let name = *name.finalize().as_bytes();
    Ok(Question { name, call })
}

/// What an answer says.
pub(super) fn read(guard: &Guard, patient: &str, answer: Option<CallAnswer<'_>>) -> Said {
    let Some((head, body)) = answer else {
        return Said::Failed(SILENT);
    };
    match AnswerHead::read(head) {
        Ok(head) if head.status == 200 && head.check_body().is_ok() => {}
        Ok(head) if head.status == 200 => {
            return Said::Failed(
                "consent: the answer's content type or encoding is not that of plain json",
            );
        }
        _ => return Said::Failed("consent: the answer's status is not 200"),
    }
    if body.len() > Exchange::answer_limit(guard) {
        return Said::TooMuch;
    }
    let Ok(document) = Document::parse(body, &Limits::default()) else {
        return Said::Failed("consent: the answer is no well-formed json");
    };
    let policy = guard.policy();
    let asked = Asked {
        patient,
        bases: &[
            &policy.fhir.base,
            &policy.fhir.upstream.base,
            &policy.consent.base,
        ],
        most: policy.consent.count,
    };
    match Consents::read(document.root(), &asked) {
        Ok(consents) => Said::Consents(Rc::new(consents)),
        Err(Fault::TooMuch) => Said::TooMuch,
        Err(Fault::Answer(found)) => Said::Failed(found),
    }
}
