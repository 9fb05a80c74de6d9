//! What is measured: one row of the table each.

use fhir_guard_harness::tokens::Algorithm;

/// One kind of traffic, the same for every variant.
pub struct Case {
    /// Its name in every output.
    pub name: &'static str,
    /// What is asked for.
    pub document: Document,
    /// What the token opens, and with it which rules apply.
    pub rules: Rules,
    /// Which tokens the callers show.
    pub tokens: Tokens,
    /// Whom it compares.
    pub field: Field,
    /// How many clients, each with a certificate and a connection of its own.
    pub clients: usize,
    /// Requests of the closed loop, whose CPU time is measured.
    pub requests: usize,
    /// Requests a second of the open loop, whose latencies are measured; none: not measured.
    pub rate: Option<u32>,
}

/// What the upstream answers with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Document {
    /// The Patient p1, about 2 kB.
    Patient,
    /// A searchset Bundle of Observations of p1, of at least so many bytes.
    Observations(usize),
}

/// Which redactions touch the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rules {
    /// The shipped rule is active, for a type that the answer does not hold.
    Untouched,
    /// The rules take something out of every resource.
    Typical,
}

/// Which tokens the callers show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tokens {
    /// One for each client, again and again; ES256.
    Repeated,
    /// Another one with every request.
    New(Algorithm),
}

/// Which variants a case compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// The filter as shipped, with all that others do in its place.
    Others,
    /// The filter with everything switched on, with the native chain and the filter as shipped.
    Everything,
    /// The filter with a repository, strict and not.
    Strict,
}

/// Requests under way at once in the closed loop, over all clients.
pub const IN_FLIGHT: usize = 16;

/// The most clients of any case.
pub const CLIENTS: usize = 16;

const KB: usize = 1000;
const SMALL: Document = Document::Observations(2 * KB);
const MIDDLE: Document = Document::Observations(100 * KB);
const LARGE: Document = Document::Observations(1000 * KB);

/// Every case, in the order of the table. The names below stand for the ones that marks rest on.
pub const ALL: [Case; 13] = [
    Case::patient(REPEATED, Tokens::Repeated, CLIENTS, 3000, Some(2000)),
    Case::patient("repeated token, 2 clients", Tokens::Repeated, 2, 3000, None),
    Case::patient("repeated token, 1 client", Tokens::Repeated, 1, 3000, None),
    Case::among(Field::Everything, EVERYTHING, 2, 3000, None),
    Case::among(Field::Strict, STRICT, 2, 3000, Some(300)),
    Case::patient(
        NEW_ES256,
        Tokens::New(Algorithm::Es256),
        CLIENTS,
        2000,
        Some(300),
    ),
    Case::patient(
        NEW_RS256,
        Tokens::New(Algorithm::Rs256),
        CLIENTS,
        2000,
        Some(300),
    ),
    Case::search(SMALL_UNTOUCHED, SMALL, Rules::Untouched, 3000, None),
    Case::search(SMALL_TYPICAL, SMALL, Rules::Typical, 3000, None),
    Case::search(
        "100 kB, rules that touch nothing",
        MIDDLE,
        Rules::Untouched,
        500,
        Some(300),
    ),
    Case::search("100 kB, typical rules", MIDDLE, Rules::Typical, 500, None),
    Case::search(LARGE_UNTOUCHED, LARGE, Rules::Untouched, 400, Some(40)),
    Case::search(LARGE_TYPICAL, LARGE, Rules::Typical, 400, Some(40)),
];

/// What the rule for Observations takes out.
pub const HIDDEN: [&str; 4] = ["note", "performer", "interpretation", "referenceRange"];

/// The row of the first mark.
pub const REPEATED: &str = "repeated token, 16 clients";
/// The row of a mark: with everything switched on.
pub const EVERYTHING: &str = "repeated token, everything on";
/// The row in which a strict repository is compared with one that is not.
pub const STRICT: &str = "repeated token, strict or not";
/// The row of a mark.
pub const NEW_ES256: &str = "always-new token, ES256";
/// The row of a mark.
pub const NEW_RS256: &str = "always-new token, RS256";
/// With the next, the slope that is the speed of screening.
pub const SMALL_UNTOUCHED: &str = "2 kB, rules that touch nothing";
/// The row in which small edits are compared.
pub const SMALL_TYPICAL: &str = "2 kB, typical rules";
/// The row in which large edits are compared.
pub const LARGE_TYPICAL: &str = "1 MB, typical rules";
/// The row of the mark for large answers.
pub const LARGE_UNTOUCHED: &str = "1 MB, rules that touch nothing";

impl Case {
    const fn patient(
        name: &'static str,
        tokens: Tokens,
        clients: usize,
        requests: usize,
        rate: Option<u32>,
    ) -> Case {
        Case {
            name,
            document: Document::Patient,
            rules: Rules::Typical,
            tokens,
            field: Field::Others,
            clients,
            requests,
            rate,
        }
    }

    const fn among(
        field: Field,
        name: &'static str,
        clients: usize,
        requests: usize,
        rate: Option<u32>,
    ) -> Case {
        Case {
            field,
            ..Case::patient(name, Tokens::Repeated, clients, requests, rate)
        }
    }

    const fn search(
        name: &'static str,
        document: Document,
        rules: Rules,
        requests: usize,
        rate: Option<u32>,
    ) -> Case {
        Case {
            name,
            document,
            rules,
            tokens: Tokens::Repeated,
            field: Field::Others,
            clients: CLIENTS,
            requests,
            rate,
        }
    }

    /// The scope of its tokens: the rule for Observations spares whoever may also read them.
    pub fn scope(&self) -> &'static str {
        match self.rules {
            Rules::Untouched => "patient/*.rs",
            Rules::Typical => "patient/Patient.r patient/Observation.s",
        }
    }
}

impl Document {
    /// The path that asks for it, below the external base.
    pub fn path(self) -> String {
        match self {
            Document::Patient => "/Patient/p1".to_owned(),
            Document::Observations(bytes) => {
                format!("/Observation?patient=p1&_count={}", bytes / KB)
            }
        }
    }
}
