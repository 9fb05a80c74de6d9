//! Which pattern of BALP an interaction follows.

/// What the events of an interaction have in common.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    /// The code of the restful interaction; empty where nothing is known.
    pub code: &'static str,
    /// The name of the profile, without `Patient`; empty where BALP has none.
    pub profile: &'static str,
    /// `AuditEvent.action`.
    pub action: &'static str,
    /// The types of the agents.
    pub roles: Roles,
    /// How the user takes part.
    pub user: &'static str,
    /// What was asked stands as a query; otherwise as what it was asked of.
    pub asks: bool,
    /// One event for each patient.
    pub one_per_patient: bool,
}

/// The types of client and server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Roles {
    /// What is sent comes from the client.
    ClientIsSource,
    /// What is sent comes from the server.
    ServerIsSource,
    /// Nothing is sent.
    Neither,
}

/// The user receives what is told.
const RECIPIENT: &str = "IRCP";
/// The user is the author of what is written.
const AUTHOR: &str = "AUT";
/// The user has the keeping of what is deleted.
const CUSTODIAN: &str = "CST";

const READ: Pattern = Pattern {
    code: "read",
    profile: "Read",
    action: "R",
    roles: Roles::ServerIsSource,
    user: RECIPIENT,
    asks: false,
    one_per_patient: false,
};

const QUERY: Pattern = Pattern {
    code: "search",
    profile: "Query",
    action: "E",
    roles: Roles::ClientIsSource,
    user: RECIPIENT,
    asks: true,
    one_per_patient: true,
};

const CREATE: Pattern = Pattern {
    code: "create",
    profile: "Create",
    action: "C",
    roles: Roles::ClientIsSource,
    user: AUTHOR,
    ..READ
};

const UPDATE: Pattern = Pattern {
    code: "update",
    profile: "Update",
    action: "U",
    ..CREATE
};

const DELETE: Pattern = Pattern {
    code: "delete",
    profile: "Delete",
    action: "D",
    roles: Roles::Neither,
    user: CUSTODIAN,
    ..READ
};

/// What BALP has no profile for, in the shape of a query.
const OTHER: Pattern = Pattern {
    code: "",
    profile: "",
    ..QUERY
};

/// Each interaction of a record.
static PATTERNS: [(&str, Pattern); 20] = [
    ("read", READ),
    (
        "vread",
        Pattern {
            code: "vread",
            ..READ
        },
    ),
    (
        "search-type",
        Pattern {
            code: "search-type",
            ..QUERY
        },
    ),
    (
        "search-system",
        Pattern {
            code: "search-system",
            ..QUERY
        },
    ),
    // R4 has no code of its own for it.
    ("search-compartment", QUERY),
    ("create", CREATE),
    ("update", UPDATE),
    (
        "patch",
        Pattern {
            code: "patch",
            ..UPDATE
        },
    ),
    ("delete", DELETE),
    (
        "capabilities",
        Pattern {
            code: "capabilities",
            ..OTHER
        },
    ),
    (
        "history-instance",
        Pattern {
            code: "history-instance",
            ..OTHER
        },
    ),
    (
        "history-type",
        Pattern {
            code: "history-type",
            ..OTHER
        },
    ),
    (
        "history-system",
        Pattern {
            code: "history-system",
            ..OTHER
        },
    ),
    (
        "operation",
        Pattern {
            code: "operation",
            ..OTHER
        },
    ),
    (
        "export",
        Pattern {
            code: "operation",
            ..OTHER
        },
    ),
    (
        "export-status",
        Pattern {
            code: "operation",
            ..OTHER
        },
    ),
    (
        "export-cancel",
        Pattern {
            code: "operation",
            ..OTHER
        },
    ),
    (
        "export-file",
        Pattern {
            code: "operation",
            profile: "PrivacyDisclosure.Source",
            action: "R",
            roles: Roles::ServerIsSource,
            ..QUERY
        },
    ),
    (
        "batch",
        Pattern {
            code: "batch",
            ..OTHER
        },
    ),
    (
        "transaction",
        Pattern {
            code: "transaction",
            ..OTHER
        },
    ),
];

impl Pattern {
    /// The pattern of an interaction, by its code in a record.
    pub fn of(interaction: Option<&str>) -> &'static Pattern {
        const UNKNOWN: &Pattern = &OTHER;
        let mut known = PATTERNS.iter();
        let found = known.find(|(code, _)| Some(*code) == interaction);
        found.map_or(UNKNOWN, |(_, pattern)| pattern)
    }
}
