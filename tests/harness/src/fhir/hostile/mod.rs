//! What a broken or conquered FHIR server may answer.

mod bundles;
mod bytes;
mod select;

use std::fmt;
use std::str::FromStr;

pub(super) use select::{apply, choose, gzip};

/// When the server misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// When a request names a misbehaviour, in the query parameter or the header `x-hostile`.
    OnRequest,
    /// In every answer, unless the request names another one.
    Always(Misbehaviour),
}

macro_rules! misbehaviours {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One way to misbehave. Unless said otherwise the request is carried out honestly first and
        /// its answer is then spoilt; "foreign" is a patient other than the one asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Misbehaviour {
            $($(#[$doc])* $variant,)*
        }

        impl Misbehaviour {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name requests select it by.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

misbehaviours! {
    /// Searches drop every filter and answer with every patient's resources.
    IgnoreFilters = "ignore-filters",
    /// As `ignore-filters`, but the self link claims the filters.
    LieSelf = "lie-self",
    /// A Bundle gets a foreign Patient and a foreign resource as `include`, and one more as `match`.
    ForeignInclude = "foreign-include",
    /// Every resource gets a foreign Patient and a foreign resource in `contained`.
    ForeignContained = "foreign-contained",
    /// Every resource is replaced by the foreign patient's one of the same type.
    WrongId = "wrong-id",
    /// Every resource is replaced by a foreign one of another type.
    WrongType = "wrong-type",
    /// Plain text that names a foreign patient, with the media type of FHIR JSON.
    NotJson = "not-json",
    /// The first half of the body, framed as if it were whole.
    TruncatedJson = "truncated-json",
    /// A resource with objects and arrays 5000 deep.
    Deep = "deep",
    /// `subject`, `patient`, `beneficiary` and a Patient's `id` twice, the second one foreign.
    DuplicateKeys = "duplicate-keys",
    /// A byte that is not UTF-8 inside a string.
    BadUtf8 = "bad-utf8",
    /// A byte order mark before the body.
    Bom = "bom",
    /// gzip, whatever `accept-encoding` says.
    GzipUnasked = "gzip-unasked",
    /// An HTML page that names a foreign patient.
    Html200 = "html-200",
    /// 200, the media type of FHIR JSON, no body.
    Empty200 = "empty-200",
    /// One byte per chunk.
    Chunked = "chunked",
    /// The honest answer without `content-length`, in pieces of 64 KiB as fast as they go.
    NoContentLength = "no-content-length",
    /// Eight chunks, 150 ms apart.
    SlowChunks = "slow-chunks",
    /// Chunked, with a trailer `x-trailer` that names a foreign patient. Over HTTP/1.1 only the raw
    /// port sends it to callers without `te: trailers`.
    Trailers = "trailers",
    /// `content-length` is 1000 more than what comes before the connection closes.
    ContentLengthTooLong = "content-length-too-long",
    /// The connection (HTTP/2: the stream) ends in the middle of the body.
    Cut = "cut",
    /// A searchset of 20 MB.
    Big20Mb = "big-20mb",
    /// One resource of 9 MB.
    BigResource9Mb = "big-resource-9mb",
    /// A searchset of 20000 entries.
    ManySmall = "many-small",
    /// Member names such as `"\u0073ubject"`.
    EscapedKeys = "escaped-keys",
    /// A Bundle with a foreign resource as an entry of a Bundle.
    NestedBundle = "nested-bundle",
    /// The answer as a Parameters resource, with a foreign Patient in a part.
    Parameters = "parameters",
    /// XML of a foreign patient.
    Xml = "xml",
    /// 500 with a foreign patient's data in the diagnostics.
    Status500 = "status-500",
    /// 302 to an internal host.
    Redirect302 = "redirect-302",
    /// 206 with the whole body.
    Status206 = "status-206",
    /// 304 though nothing was conditional.
    Status304 = "status-304",
    /// 204.
    Status204 = "status-204",
    /// 80 more headers.
    HeaderFlood = "header-flood",
    /// Bundle links, `link`, `location` and `content-location` lead to an internal host and a foreign id.
    LeakyLinks = "leaky-links",
    /// Links to further pages that tell nothing of what they lead to, as HAPI FHIR makes them.
    OpaquePages = "opaque-pages",
    /// `entry` before `resourceType`.
    EntryFirst = "entry-first",
    /// `resourceType` nowhere.
    NoResourceType = "no-resourcetype",
    /// NDJSON, the last line foreign.
    Ndjson = "ndjson",
    /// A second JSON value, a foreign Patient, right after the first.
    TwoRoots = "two-roots",
    /// Text that names a foreign patient after the JSON.
    TrailingGarbage = "trailing-garbage",
}

impl FromStr for Misbehaviour {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|misbehaviour| misbehaviour.name() == name)
            .ok_or_else(|| {
                let names: Vec<&str> = Self::ALL
                    .iter()
                    .map(|misbehaviour| misbehaviour.name())
                    .collect();
                format!(
                    "misbehaviour: found {name:?}, expected one of {}",
                    names.join(", ")
                )
            })
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
