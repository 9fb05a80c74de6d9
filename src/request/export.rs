//! Bulk export: the request that starts one, and our links to the job and its files
//! (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html>).

use super::head::{Method, RequestHead};
use super::place::{below_base, known, logical_id, only};
use super::query::{self, Pair};
use super::search::MAX_VALUE;
use super::search::append;
use super::{FhirPolicy, Interaction, Parameter, Search, Types, values};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// What may be exported, and where the files of an export are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportPolicy {
    /// Where an export may start.
    pub levels: Vec<ExportAt>,
    /// Where the server keeps its files beside what is below its base: paths that begin and end with `/`.
    pub files: Vec<String>,
    /// How long a link to a job or a file can be followed, in seconds.
    pub lifetime: u64,
}

/// Where an export may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExportAt {
    /// `[base]/$export`: all that there is.
    System,
    /// `[base]/Patient/$export`: of all patients.
    Patient,
    /// `[base]/Group/id/$export`: of the patients of a group.
    Group,
}

/// An export, and which step of it is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Export {
    /// Whose data.
    pub of: ExportOf,
    /// The types of `_type`.
    pub types: Types,
    /// Whether that list is ours: then it does not matter that a server does not have some.
    pub reduced: bool,
    /// `_since`.
    pub since: Option<String>,
    /// `_until`.
    pub until: Option<String>,
    /// `_typeFilter`: searches that choose among the resources of their type, at most [`MAX_FILTERS`].
    pub filters: Vec<(ResourceType, Search)>,
    /// What of it is asked for.
    pub step: ExportStep,
}

/// Whose data are exported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExportOf {
    /// All that there is.
    System,
    /// Those of all patients.
    Patients,
    /// Those of the patients of the group with this id.
    Group(String),
}

/// A step of an export.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ExportStep {
    /// It is to start.
    Start,
    /// How far it is, and where its files are.
    Status(JobLink),
    /// It is not wanted any more.
    Cancel(JobLink),
    /// A file with resources of this type.
    File(ResourceType, JobLink),
}

/// Our link, and what it leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobLink {
    /// Our link.
    pub link: ExportLink,
    /// Path and query at the upstream, the path of its base included.
    pub upstream: String,
}

/// A link of ours to a job, `[base]/_export/job/token`, or to one of its files, `[base]/_export/file/token`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportLink {
    /// Whether it leads to a file.
    pub file: bool,
    /// What the link carries, not looked into yet: 1 to [`ExportLink::MOST`] bytes of base64url.
    pub token: String,
}

/// The most `_typeFilter`s of one export.
pub const MAX_FILTERS: usize = 8;

/// The longest target of a request for an export, in bytes: our links carry it.
const MAX_TARGET: usize = 2560;

/// The longest URL of a server, in bytes.
const MAX_URL: usize = 1024;

impl Export {
    /// Reads `$export` at this place below the base.
    pub(super) fn parse(
        head: &RequestHead,
        place: &[&str],
        parameters: Vec<Pair>,
        export: &ExportPolicy,
        policy: &FhirPolicy,
    ) -> Result<Interaction, Denial> {
        let (at, of) = match place {
            [] => (ExportAt::System, ExportOf::System),
            ["Patient"] => (ExportAt::Patient, ExportOf::Patients),
            ["Group", id] => (ExportAt::Group, ExportOf::Group(logical_id(id)?)),
            _ => return Err(Denial::Path),
        };
        if !export.levels.contains(&at) {
            return Err(Denial::Path);
        }
        only(head.method == Method::Get, "GET")?;
        let found = Export::read(of, parameters, policy)?;
        found.check_length()?;
        Ok(Interaction::Export(Box::new(found)))
    }

    fn read(of: ExportOf, parameters: Vec<Pair>, policy: &FhirPolicy) -> Result<Export, Denial> {
        let (types, parameters) = Types::take(parameters)?;
        let mut export = Export {
            of,
            types,
            reduced: false,
            since: None,
            until: None,
            filters: Vec::new(),
            step: ExportStep::Start,
        };
        let mut format = false;
        for (name, value) in parameters {
            let slot = match name.as_str() {
                "_since" => &mut export.since,
                "_until" => &mut export.until,
                "_outputFormat" => {
                    if !is_lines(&value) {
                        return Err(Denial::NotAcceptable);
                    }
                    match std::mem::replace(&mut format, true) {
                        true => return Err(Denial::Request("repeated-parameter")),
                        false => continue,
                    }
                }
                "_typeFilter" if export.filters.len() == MAX_FILTERS => {
                    return Err(Denial::TooCostly("type-filter".into()));
                }
                "_typeFilter" => {
                    export.filters.push(filter(&value, policy)?);
                    continue;
                }
                _ => return Err(Denial::NotSupported("parameter")),
            };
            if !values::is_date(&value) || !value.contains('T') {
                return Err(Denial::Request("date"));
            }
            if slot.replace(value).is_some() {
                return Err(Denial::Request("repeated-parameter"));
            }
        }
        let listed = |of: &ResourceType| match &export.types {
            Types::Listed(listed) => listed.contains(of),
            Types::One(_) | Types::All => true,
        };
        match export.filters.iter().all(|(of, _)| listed(of)) {
            true => Ok(export),
            // What is left out of the list is not chosen among.
            false => Err(Denial::Request("type-filter")),
        }
    }

    /// The same export, to be asked for these types only.
    pub fn of_types(&self, types: Vec<ResourceType>) -> Export {
        Export {
            types: Types::Listed(types),
            reduced: true,
            ..self.clone()
        }
    }

    /// The same export with these filters in the place of its own, each where it can be read again as what it is.
    pub fn filtered(&self, filters: Vec<(ResourceType, Search)>, policy: &FhirPolicy) -> Export {
        let read = |(of, search): &(ResourceType, Search)| filter(&written(*of, search), policy);
        let filters = self.filters.iter().zip(filters);
        let filters = filters.map(|(before, own)| match read(&own).as_ref() == Ok(&own) {
            true => own,
            false => before.clone(),
        });
        Export {
            filters: filters.collect(),
            ..self.clone()
        }
    }

    /// Refuses an export whose canonical target is longer than our links can carry.
    pub fn check_length(&self) -> Result<(), Denial> {
        match self.target().len() <= MAX_TARGET {
            true => Ok(()),
            false => Err(Denial::TooCostly("query".into())),
        }
    }

    /// The same export, of which this step is asked for.
    pub fn at(&self, step: ExportStep) -> Export {
        Export {
            step,
            ..self.clone()
        }
    }

    /// The type that it starts at; of a file, the type that it holds.
    pub fn resource_type(&self) -> Option<ResourceType> {
        match (&self.step, &self.of) {
            (ExportStep::File(resource_type, _), _) => Some(*resource_type),
            (_, ExportOf::System) => None,
            (_, ExportOf::Patients) => ResourceType::parse("Patient"),
            (_, ExportOf::Group(_)) => ResourceType::parse("Group"),
        }
    }

    /// The id of the group.
    pub fn id(&self) -> Option<&str> {
        match (&self.step, &self.of) {
            (ExportStep::File(..), _) | (_, ExportOf::System | ExportOf::Patients) => None,
            (_, ExportOf::Group(id)) => Some(id),
        }
    }

    /// The name of the step, for the audit record.
    pub fn code(&self) -> &'static str {
        match self.step {
            ExportStep::Start => "export",
            ExportStep::Status(_) => "export-status",
            ExportStep::Cancel(_) => "export-cancel",
            ExportStep::File(..) => "export-file",
        }
    }

    /// Whether it is to start.
    pub(super) fn starts(&self) -> bool {
        self.step == ExportStep::Start
    }

    /// Whether a file of it is asked for.
    pub(super) fn holds_lines(&self) -> bool {
        matches!(self.step, ExportStep::File(..))
    }

    /// The path and query at the upstream, where it is a server's own link.
    pub(super) fn upstream(&self) -> Option<&str> {
        let link = match &self.step {
            ExportStep::Start => return None,
            ExportStep::Status(link) | ExportStep::Cancel(link) | ExportStep::File(_, link) => link,
        };
        Some(&link.upstream)
    }

    /// The canonical target below a base of the request that starts it.
    pub fn target(&self) -> String {
        format!("{}{}", self.path(), self.query())
    }

    /// The canonical path below a base of the request that starts it.
    pub(super) fn path(&self) -> String {
        match &self.of {
            ExportOf::System => "/$export".to_owned(),
            ExportOf::Patients => "/Patient/$export".to_owned(),
            ExportOf::Group(id) => format!("/Group/{id}/$export"),
        }
    }

    /// The canonical query of the request that starts it: empty, or beginning with `?`.
    pub(super) fn query(&self) -> String {
        let mut out = String::new();
        if let Some(listed) = self.types.listed() {
            append("_type", &listed, &mut out);
        }
        for (name, value) in [("_since", &self.since), ("_until", &self.until)] {
            if let Some(value) = value {
                append(name, value, &mut out);
            }
        }
        for (resource_type, search) in &self.filters {
            append("_typeFilter", &written(*resource_type, search), &mut out);
        }
        out
    }
}

impl ExportLink {
    /// The longest token, in bytes: of the longest target with the longest URL of a server, sealed.
    pub const MOST: usize = 4992;

    /// Understands the head of a request by such a link, or refuses it; `None` where it is none.
    pub fn parse(head: &RequestHead, policy: &FhirPolicy) -> Result<Option<Self>, Denial> {
        let path = head.path.as_str();
        let begins = |base: &str| path.strip_prefix(base)?.strip_prefix("/_export/");
        if policy.export.is_none() || begins(policy.base.path()).is_none() {
            return Ok(None);
        }
        let (file, token) = match *below_base(path, policy)?.split('/').collect::<Vec<_>>() {
            ["_export", "job", token] => (false, token),
            ["_export", "file", token] => (true, token),
            _ => return Err(Denial::Path),
        };
        let cancels = head.method == Method::Delete && !file;
        only(
            cancels || head.method == Method::Get,
            if file { "GET" } else { "GET, DELETE" },
        )?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if token.is_empty() || token.len() > Self::MOST || !token.bytes().all(letter) {
            return Err(Denial::Path);
        }
        if head.conditional {
            return Err(Denial::NotSupported("condition"));
        }
        Ok(Some(ExportLink {
            file,
            token: token.to_owned(),
        }))
    }

    /// The canonical target below the external base.
    pub fn target(&self) -> String {
        let kind = if self.file { "file" } else { "job" };
        format!("/_export/{kind}/{}", self.token)
    }
}

impl JobLink {
    /// Where a URL of the server leads, if that is below its base, or where its files are, and can be sent in a
    /// path: at most 1024 visible ASCII characters, without a fragment, without segments of dots and without
    /// escapes in the path that could be separators to another reader.
    pub fn upstream_of(url: &str, policy: &FhirPolicy) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"#\\".contains(&byte);
        if url.len() > MAX_URL || !url.bytes().all(plain) {
            return None;
        }
        let found = match policy.relative(url) {
            Some(rest) => format!("{}{rest}", policy.upstream.base.path()),
            None => {
                let schemes = ["https://", "http://"];
                let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
                let path = match rest {
                    Some(rest) => rest.get(rest.find('/')?..)?,
                    None => url,
                };
                let mut files = policy.export.iter().flat_map(|export| &export.files);
                let known = files.any(|files| path.starts_with(files.as_str()));
                known.then(|| path.to_owned())?
            }
        };
        let path = found.split('?').next().unwrap_or_default();
        let dots = path.to_ascii_lowercase().replace("%2e", ".");
        let mut segments = dots.split(['/', ';']);
        let leads_up = segments.any(|segment| segment == "." || segment == "..");
        let unclear = ["%2f", "%5c", "%25"].iter().any(|own| dots.contains(own));
        (found.starts_with('/') && !leads_up && !unclear).then_some(found)
    }

    /// As [`upstream_of`](Self::upstream_of), of a job: not a resource, nor all of a type, for a job that is not wanted any more is
    /// deleted.
    pub fn upstream_of_job(url: &str, policy: &FhirPolicy) -> Option<String> {
        let found = Self::upstream_of(url, policy)?;
        let path = found.split(['?', ';']).next().unwrap_or_default();
        let below = path.strip_prefix(policy.upstream.base.path());
        let mut segments = below
            .unwrap_or_default()
            .split('/')
            .filter(|segment| !segment.is_empty());
        let of_type = segments.next().and_then(ResourceType::parse).is_some();
        let called = segments.any(|segment| segment.starts_with('$'));
        (!of_type || called).then_some(found)
    }
}

/// Whether this asks for NDJSON (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters>). A `+`
/// that was not escaped has become a space.
fn is_lines(format: &str) -> bool {
    let formats = [
        "application/fhir+ndjson",
        "application/fhir ndjson",
        "application/ndjson",
        "ndjson",
    ];
    formats.contains(&format)
}

/// One `_typeFilter`: a type, and a search that only selects.
fn filter(text: &str, policy: &FhirPolicy) -> Result<(ResourceType, Search), Denial> {
    let malformed = Denial::Request("type-filter");
    let (name, query) = text.split_once('?').ok_or(malformed.clone())?;
    let resource_type = known(name).map_err(|_| malformed.clone())?;
    // A second one behind a comma would be an alternative to one reader, and another filter to the other.
    if query.contains('?') {
        return Err(malformed);
    }
    let search = query::search(&[resource_type], &query::decode(query)?, policy)?;
    let selects = Search {
        parameters: search.parameters.clone(),
        count: policy.search.default_count,
        ..Search::default()
    };
    if search != selects || search.parameters.is_empty() {
        return Err(Denial::NotSupported("type-filter"));
    }
    let plain = |own: &Parameter| own.path.is_empty();
    // What needs an escape of its own is read in as many ways as there are servers.
    let written = written(resource_type, &search);
    let escaped = |byte: u8| !byte.is_ascii_graphic() || b"%+#\"<>\\^`{}".contains(&byte);
    let ambiguous = written.matches(['?', '&', '=']).count() > search.parameters.len() * 2;
    // As for any value; written out, references are longer than they came.
    if written.len() > MAX_VALUE {
        return Err(Denial::TooCostly("type-filter".into()));
    }
    match search.parameters.iter().all(plain) && !written.bytes().any(escaped) && !ambiguous {
        true => Ok((
            resource_type,
            Search {
                count: None,
                ..search
            },
        )),
        false => Err(Denial::NotSupported("type-filter")),
    }
}

/// A filter in its one form: nothing in it needs an escape.
fn written(resource_type: ResourceType, search: &Search) -> String {
    let parameters = search.parameters.iter();
    let parameters = parameters.map(|own| format!("{}={}", own.name(), own.written()));
    format!(
        "{resource_type}?{}",
        parameters.collect::<Vec<_>>().join("&")
    )
}
