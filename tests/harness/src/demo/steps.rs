//! What is asked in the tour.

use super::call::{At, Call};
use super::stage::LIMIT;

/// How many requests the last step sends: more than the burst and what comes back meanwhile.
pub(super) const MANY: u32 = 60;

/// One thing to show.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) why: &'static str,
    pub(super) call: Call,
    /// The answer depends on what the FHIR server holds or allows, not on the filter alone.
    pub(super) needs_data: bool,
    /// The status that must come.
    pub(super) status: u16,
    /// Outcome and rule of the audit record; nothing where the filter is not asked.
    pub(super) record: Option<(&'static str, String)>,
    pub(super) kind: Kind,
}

/// What else must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The Patient with everything.
    Whole,
    /// The Patient without what the redaction rule names.
    Redacted,
    /// The Patient with everything, through the filter.
    Spared,
    /// A searchset of the patient's own resources.
    Search,
    /// A refusal with this word in its challenge.
    Refused(&'static str),
    /// A CapabilityStatement.
    Public,
    /// Some 200, then 429.
    Throttled,
}

/// The steps for this patient, without the last one, which is about their records.
pub(super) fn all(patient: &str) -> Vec<Step> {
    let read = format!("/Patient/{patient}");
    let search = format!("/Observation?patient={patient}&category=vital-signs");
    let scope = |text: &str| Some(("allowed", format!("scope:{text}")));
    let refused = |rule: &str| Some(("refused", rule.to_owned()));
    vec![
        Step {
            title: "A patient, as the FHIR server itself answers",
            why: "This is what everybody gets who reaches the server past the filter: name, address, birth date, all of it.",
            call: Call::bare(At::Direct, read.clone()),
            needs_data: true,
            status: 200,
            record: None,
            kind: Kind::Whole,
        },
        Step {
            title: "The same read through the filter",
            why: "The patient's app has a token bound to its certificate and may read; the rule `demographics` takes out what it does not need.",
            call: Call::get(read.clone(), "patient-app"),
            needs_data: true,
            status: 200,
            record: scope("patient/*.rs"),
            kind: Kind::Redacted,
        },
        Step {
            title: "The same read by a practitioner",
            why: "The rule spares whoever holds user/Patient.rs: redaction depends on who asks.",
            call: Call::get(read.clone(), "clinician"),
            needs_data: true,
            status: 200,
            record: scope("user/*.rs"),
            kind: Kind::Spared,
        },
        Step {
            title: "A search",
            why: "Every entry is looked at by itself: one that names another patient is removed whole, and no total tells that it was there.",
            call: Call::get(search, "patient-app"),
            needs_data: true,
            status: 200,
            record: scope("patient/*.rs"),
            kind: Kind::Search,
        },
        Step {
            title: "The same token with another certificate",
            why: "A stolen token is worth nothing: it is bound to the certificate of clinic-a, and clinic-b shows it here.",
            call: Call {
                certificate: Some("clinic-b"),
                ..Call::get(read.clone(), "patient-app")
            },
            needs_data: false,
            status: 401,
            record: refused("token.binding"),
            kind: Kind::Refused("error=\"invalid_token\""),
        },
        Step {
            title: "A scope that is missing",
            why: "A token for Observation opens no Patient; the challenge names the scope that would.",
            call: Call::get(read.clone(), "lab-app"),
            needs_data: false,
            status: 403,
            record: refused("scope"),
            kind: Kind::Refused("error=\"insufficient_scope\", scope=\"patient/Patient.r\""),
        },
        Step {
            title: "A write without permission",
            why: "Reading is not writing: the request is refused before the FHIR server hears of it.",
            call: Call {
                body: Some("observation.json"),
                ..Call::get("/Observation".to_owned(), "patient-app")
            },
            needs_data: false,
            status: 403,
            record: refused("scope"),
            kind: Kind::Refused("error=\"insufficient_scope\", scope=\"patient/Observation.c\""),
        },
        Step {
            title: "No token, on the listener where the certificate is optional",
            why: "A caller who brings nothing is told what is asked for, and no more.",
            call: Call::bare(At::Open, read.clone()),
            needs_data: false,
            status: 401,
            record: refused("credentials.missing"),
            kind: Kind::Refused("Bearer realm=\"fhir\""),
        },
        Step {
            title: "A public path, on the same listener",
            why: "What every client must read before it can log in stays open: the paths that the configuration lists, and no others.",
            call: Call::bare(At::Open, "/metadata".to_owned()),
            needs_data: true,
            status: 200,
            record: Some(("allowed", "public".to_owned())),
            kind: Kind::Public,
        },
        Step {
            title: "Too many requests",
            why: "Each client has a bucket: here 20 requests at once and five a second after that. curl sends the read 60 times.",
            call: Call {
                times: MANY,
                ..Call::get(read, "patient-app")
            },
            needs_data: false,
            status: 429,
            record: refused(&format!("limit.{LIMIT}")),
            kind: Kind::Throttled,
        },
    ]
}

impl Step {
    /// Whether the answer is the patient whom the tour is about.
    pub(super) fn is_patient(&self) -> bool {
        matches!(self.kind, Kind::Whole | Kind::Redacted | Kind::Spared)
    }
}
