//! Operations that the operator has listed (<https://hl7.org/fhir/R4/operations.html>). What is not
//! listed does not exist.

use std::rc::Rc;

use super::head::{Method, RequestHead};
use super::place::{known, logical_id};
use super::query::{self, Pair};
use super::search::append;
use super::{FhirPolicy, Interaction, Types};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// An operation that may be called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    /// Its name, without the `$`.
    pub name: String,
    /// Where it may be called.
    pub level: OperationLevel,
    /// Whether it may be called with `GET`.
    pub get: bool,
    /// Whether it may be called with `POST`.
    pub post: bool,
    /// The parameters that it may be given, by name.
    pub parameters: Vec<String>,
    /// Those that hold a resource of this type instead of a value; only a body has them.
    pub resources: Vec<(String, ResourceType)>,
    /// Scopes that a caller must hold beside those for the types that are asked for and answered.
    pub scopes: Vec<String>,
    /// What it answers.
    pub answer: OperationAnswer,
}

/// Where an operation may be called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperationLevel {
    /// `[base]/$name`
    System,
    /// `[base]/T/$name`, of these types.
    Type(Vec<ResourceType>),
    /// `[base]/T/id/$name`, of these types.
    Instance(Vec<ResourceType>),
}

/// What an operation answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OperationAnswer {
    /// A searchset: each entry must be one that the caller may find and read.
    Bundle,
    /// A resource of this type, which the caller may read.
    Resource(ResourceType),
    /// Values without a resource: it passes as it is, to callers from whom nothing is hidden.
    Parameters,
    /// An OperationOutcome: it passes as it is, to callers from whom nothing is hidden.
    Outcome,
}

/// One call of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// What is called.
    pub operation: Rc<Operation>,
    /// The type, below the level of the system.
    pub resource_type: Option<ResourceType>,
    /// The id of the instance.
    pub id: Option<String>,
    /// The types that the answer is to hold, where the query lists some (`_type`).
    pub types: Types,
    /// The other parameters of the query.
    pub parameters: Vec<(String, String)>,
    /// Whether the parameters come in a body.
    pub post: bool,
}

/// Parameters that searches are written into, and the order of what they find.
const ANYWHERE: [&str; 7] = [
    "_content",
    "_filter",
    "_list",
    "_query",
    "_sort",
    "_text",
    "_typeFilter",
];

impl OperationLevel {
    /// Whether it is called on this.
    fn is(&self, resource_type: Option<ResourceType>, id: Option<&str>) -> bool {
        match (self, resource_type, id) {
            (OperationLevel::System, None, None) => true,
            (OperationLevel::Type(types), Some(resource_type), None)
            | (OperationLevel::Instance(types), Some(resource_type), Some(_)) => {
                types.contains(&resource_type)
            }
            _ => false,
        }
    }
}

impl Call {
    /// Reads the path below the base, whose last segment begins with `$`, and the query.
    pub(super) fn parse(
        head: &RequestHead,
        place: &[&str],
        name: &str,
        parameters: Vec<Pair>,
        policy: &FhirPolicy,
    ) -> Result<Interaction, Denial> {
        let (resource_type, id) = match place {
            [] => (None, None),
            [of] => (Some(known(of)?), None),
            [of, id] => (Some(known(of)?), Some(logical_id(id)?)),
            _ => return Err(Denial::Path),
        };
        let mut listed = policy.operations.iter();
        let listed = listed
            .find(|listed| listed.name == name && listed.level.is(resource_type, id.as_deref()));
        let operation = Rc::clone(listed.ok_or(Denial::Path)?);
        let post = head.method == Method::Post;
        let (types, parameters) = match head.method {
            Method::Get if operation.get => operation.read(parameters, policy)?,
            Method::Post if operation.post => {
                if head.if_none_exist.is_some() {
                    return Err(Denial::NotSupported("condition"));
                }
                query::none(&parameters)?;
                head.check_type("application/fhir+json")?;
                (Types::All, Vec::new())
            }
            _ => return Err(Denial::Method(operation.methods())),
        };
        Ok(Interaction::Operation(Box::new(Call {
            operation,
            resource_type,
            id,
            types,
            parameters,
            post,
        })))
    }

    /// The type that decides on the call itself: the one that is answered alone, or called on. On the
    /// system it is Parameters, which nobody can be granted.
    pub fn main_type(&self) -> Option<ResourceType> {
        match self.operation.answer {
            OperationAnswer::Resource(resource_type) => Some(resource_type),
            _ => self
                .resource_type
                .or_else(|| ResourceType::parse("Parameters")),
        }
    }

    /// Whether its answer can have further pages: those are asked for by `GET`.
    pub(super) fn has_pages(&self) -> bool {
        self.operation.answer == OperationAnswer::Bundle && self.operation.get
    }

    /// The same call with these parameters of a query; `None` where they are not understood.
    pub(super) fn with(&self, parameters: Vec<Pair>, policy: &FhirPolicy) -> Option<Call> {
        let (types, parameters) = self.operation.read(parameters, policy).ok()?;
        self.has_pages().then(|| Call {
            types,
            parameters,
            post: false,
            ..self.clone()
        })
    }

    /// This call from another place on: the same parameters, compared exactly.
    pub(super) fn is_page_of(&self, other: &Call) -> bool {
        let places = ["_count", "_offset"];
        let selecting = |call: &Call| {
            let mut all = call.parameters.clone();
            all.retain(|(name, _)| !places.contains(&name.as_str()));
            all
        };
        !other.post && self.types == other.types && selecting(self) == selecting(other)
    }

    /// Whether a parameter of it may look at any element, so that what is hidden from a caller may be asked
    /// for by it. Which ones a body has is not known yet.
    pub fn looks_anywhere(&self) -> bool {
        let declared = self.operation.parameters.iter().filter(|_| self.post);
        let given = self.parameters.iter().map(|(name, _)| name);
        declared
            .chain(given)
            .any(|name| ANYWHERE.contains(&name.as_str()))
    }

    /// The canonical path below a base.
    pub(super) fn path(&self) -> String {
        let name = &self.operation.name;
        match (self.resource_type, &self.id) {
            (Some(resource_type), Some(id)) => format!("/{resource_type}/{id}/${name}"),
            (Some(resource_type), None) => format!("/{resource_type}/${name}"),
            (None, _) => format!("/${name}"),
        }
    }

    /// The canonical query: empty, or beginning with `?`.
    pub(super) fn query(&self) -> String {
        let mut out = String::new();
        if let Some(listed) = self.types.listed() {
            append("_type", &listed, &mut out);
        }
        for (name, value) in &self.parameters {
            append(name, value, &mut out);
        }
        out
    }
}

impl Operation {
    /// The types that a query lists, and its other parameters.
    fn read(
        &self,
        parameters: Vec<Pair>,
        policy: &FhirPolicy,
    ) -> Result<(Types, Vec<Pair>), Denial> {
        let (types, parameters) = Types::take(parameters)?;
        let named = |name: &str| self.parameters.iter().any(|known| known == name);
        if types != Types::All && !named("_type") {
            return Err(Denial::NotSupported("parameter"));
        }
        Ok((types, query::named(parameters, named, policy)?))
    }

    fn methods(&self) -> &'static str {
        match (self.get, self.post) {
            (true, true) => "GET, POST",
            (true, false) => "GET",
            (false, _) => "POST",
        }
    }
}
