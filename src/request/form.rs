//! Searches by `POST`: the parameters come in the body, the URL, or both.

use super::head::{Method, RequestHead};
use super::place::{known, located};
use super::query::{self, Pair};
use super::{FhirPolicy, Interaction, Reach, Request};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// A search whose form has not come yet (<https://hl7.org/fhir/R4/http.html#search>).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Form {
    place: Place,
    /// The parameters of the URL.
    parameters: Vec<Pair>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    /// `POST [base]/T/_search`
    Type(ResourceType),
    /// `POST [base]/_search`, `POST [base]/Patient/id/_search` or `POST [base]/Patient/id/T/_search`
    Across(Reach),
}

impl Form {
    /// Understands the head of such a search, or refuses it; `None` where it is none.
    pub fn parse(head: &RequestHead, policy: &FhirPolicy) -> Result<Option<Form>, Denial> {
        if head.method != Method::Post {
            return Ok(None);
        }
        let (relative, parameters) = located(head, policy)?;
        let segments: Vec<&str> = relative.split('/').collect();
        let Some((&"_search", place)) = segments.split_last() else {
            return Ok(None);
        };
        let place = match place {
            [type_name] => Place::Type(known(type_name)?),
            place => Place::Across(Reach::parse(place)?),
        };
        if head.if_none_exist.is_some() {
            return Err(Denial::NotSupported("condition"));
        }
        if head.content_type.as_deref() != Some(FORM) {
            return Err(Denial::UnsupportedMediaType);
        }
        Ok(Some(Form { place, parameters }))
    }

    /// The search, once its form is whole: what stands in the URL and what stands in the body, in this
    /// order, mean the same (<https://hl7.org/fhir/R4/search.html>).
    pub fn complete(&self, body: &[u8], policy: &FhirPolicy) -> Result<Request, Denial> {
        let text = std::str::from_utf8(body).map_err(|_| Denial::Request("query"))?;
        let mut parameters = self.parameters.clone();
        parameters.extend(query::decode(text)?);
        query::check_number(&parameters)?;
        let interaction = match &self.place {
            Place::Type(resource_type) => Interaction::Search {
                resource_type: *resource_type,
                search: query::search(&[*resource_type], &parameters, policy)?,
            },
            Place::Across(reach) => reach.clone().search(parameters, policy)?,
        };
        let request = Request {
            interaction,
            head_only: false,
            form: true,
            page: None,
        };
        match request.fits(policy) {
            true => Ok(request),
            false => Err(Denial::Request("query")),
        }
    }
}

/// The media type of a form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

impl Request {
    /// The canonical form that goes upstream in place of the one that came; `None` where the request is
    /// none by `POST`.
    pub fn body(&self) -> Option<String> {
        let query = self.form.then(|| self.interaction.query())?;
        Some(query.trim_start_matches('?').to_owned())
    }
}
