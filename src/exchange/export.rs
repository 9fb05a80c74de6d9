//! Bulk exports: links to jobs and files, and the answers about them.
//!
//! A server answers the start of an export with a link to the job, and later with links to files
//! (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html>). Neither says whose they are, so a client gets links of
//! ours in their place, in which the request that was decided on and the server's link are sealed: nobody else can
//! make one, or use that of another client. Whoever follows one is decided on anew, as if the export were to start. Nothing is kept.

use super::pages::head;
use super::{Exchange, Field, Guard, OnFault, Phase, Step};
use crate::access::Permit;
use crate::audit::Outcome;
use crate::denial::Denial;
use crate::fhir::ResourceType;
use crate::identity::{MacKey, Principal, Sealed};
use crate::request::{
    Export, ExportLink, ExportStep, FhirPolicy, Interaction, JobLink, Method, Request,
};
use crate::response::{AnswerHead, Counts, Leaving, check_status};

/// What is sealed. A change of its form takes another number.
const PURPOSE: &str = "fhir-guard export v1";

/// What stands in a link to a job where that to a file has the type.
const JOB: &str = "-";

/// Our link in the place of one of the upstream's: to the job of an export, or to a file with resources of this
/// type. `None` where that does not lead to where its files are, or ours would be too long. `now` is in seconds
/// since 1970.
pub(super) fn seal(
    key: &MacKey,
    principal: &Principal,
    export: &Export,
    fhir: &FhirPolicy,
    (file, url): (Option<ResourceType>, &str),
    now: u64,
) -> Option<String> {
    let lifetime = fhir.export.as_ref()?.lifetime;
    let upstream = match file {
        Some(_) => JobLink::upstream_of(url, fhir)?,
        None => JobLink::upstream_of_job(url, fhir)?,
    };
    let kind = file.map_or(JOB, ResourceType::name);
    let text = format!("{kind} {} {upstream}", export.target());
    let link = ExportLink {
        file: file.is_some(),
        token: sealed_for(principal, |sealed| {
            sealed.seal(key, now.saturating_add(lifetime), &text)
        })?,
    };
    let fits = link.token.len() <= ExportLink::MOST;
    fits.then(|| format!("{}{}", fhir.base.as_str(), link.target()))
}

/// The step of the export that a link is for, if it was made for this caller and is still good. To anybody else
/// there is nothing.
pub(super) fn open(
    key: Option<&MacKey>,
    principal: &Principal,
    fhir: &FhirPolicy,
    link: &ExportLink,
    method: Method,
    now: u64,
) -> Result<Request, Denial> {
    let absent = Denial::Absent { forbidden: false };
    let opened = || {
        let text = sealed_for(principal, |sealed| sealed.open(key?, now, &link.token))?;
        let (kind, rest) = text.split_once(' ')?;
        let (target, upstream) = rest.split_once(' ')?;
        // A link to a file is no link to its job.
        let file = match kind {
            JOB => None,
            name => Some(ResourceType::parse(name)?),
        };
        (file.is_some() == link.file).then(|| (file, target.to_owned(), upstream.to_owned()))
    };
    let (file, target, upstream) = opened().ok_or(absent.clone())?;
    // Where files are may have changed since.
    if JobLink::upstream_of(&upstream, fhir).is_none() {
        return Err(absent);
    }
    let request = Request::parse(&head(Method::Get, fhir, &target)?, fhir)?;
    let Interaction::Export(export) = &request.interaction else {
        return Err(absent);
    };
    let link = JobLink {
        link: link.clone(),
        upstream,
    };
    let step = match (file, method) {
        (Some(resource_type), _) => ExportStep::File(resource_type, link),
        (None, Method::Delete) => ExportStep::Cancel(link),
        (None, _) => ExportStep::Status(link),
    };
    Ok(Request {
        interaction: Interaction::Export(Box::new(export.at(step))),
        ..request
    })
}

impl Exchange {
    /// The head of the answer to a step of an export.
    pub(super) fn answer_export(
        &mut self,
        guard: &Guard,
        permit: &Permit,
        export: &Export,
        head: &AnswerHead,
        mut fields: Vec<Field>,
        ended: bool,
    ) -> Result<Step, Denial> {
        let policy = guard.policy();
        let forbidden = policy.response.absent_is_forbidden;
        let form = match (&export.step, head.status) {
            (ExportStep::Start, 202) => {
                let key = policy.page_key.as_ref().zip(permit.principal());
                let url = head.content_location().zip(key);
                let sealed = url.and_then(|(url, (key, caller))| {
                    let now = self.record.began / 1_000_000_000;
                    seal(key, caller, export, &policy.fhir, (None, url), now)
                });
                let sealed = sealed.ok_or(Denial::Uninspectable("content-location"))?;
                fields.push(("content-location", sealed));
                Leaving::Nothing
            }
            (ExportStep::Status(_), 202) => {
                fields.extend(head.progress());
                Leaving::Nothing
            }
            (ExportStep::Cancel(_), 200 | 202 | 204) => Leaving::Nothing,
            (ExportStep::Status(_), 200) => {
                self.lists_files = true;
                Leaving::Json
            }
            (ExportStep::File(..), 200) => Leaving::Lines,
            // Whoever asks too often is told when to ask again.
            (ExportStep::Status(_), 429) => {
                return Err(Denial::Throttled {
                    headers: head.progress(),
                    limit: "upstream".to_owned(),
                });
            }
            // It was to be answered later.
            (_, 200..=299) => return Err(Denial::Uninspectable("status")),
            (_, status) => {
                check_status(status, None, false, forbidden)?;
                return Err(Denial::Uninspectable("status"));
            }
        };
        let request_id = &self.record.request_id;
        let leaving = head.leaving(&policy.fhir, form, None, request_id, fields);
        self.record.status = head.status;
        match form {
            Leaving::Nothing => {
                self.record.outcome = Outcome::Allowed;
                self.phase = Phase::Discarding;
                Ok(Step::Release(leaving))
            }
            // A file in which there is nothing.
            Leaving::Lines if ended => {
                head.check_lines()?;
                self.done(Counts::default());
                Ok(Step::Release(leaving))
            }
            Leaving::Json if ended => Err(Denial::Uninspectable("empty")),
            Leaving::Json | Leaving::Lines => {
                self.screened(guard, permit, head, leaving, OnFault::Refuse)
            }
        }
    }
}

/// Links are for this client: by issuer, tenant, client and subject. What else a caller may see is decided when a
/// link is followed.
fn sealed_for<T>(principal: &Principal, then: impl FnOnce(&Sealed<'_>) -> T) -> T {
    let tenant = principal.tenant();
    let tenant = tenant.map_or_else(|| "-".to_owned(), |tenant| format!("+{tenant}"));
    then(&Sealed {
        purpose: PURPOSE,
        bound: &[
            principal.issuer(),
            &tenant,
            principal.client(),
            principal.subject(),
        ],
    })
}
