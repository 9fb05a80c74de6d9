//! A search that is read again: other pages of it, and narrower ones.

use super::head::MAX_PATH;
use super::query::{self, Pair};
use super::{BaseUrl, FhirPolicy, Interaction, Parameter, Reach, Request, Search, Summary, Types};
use crate::denial::Denial;

/// The canonical external URL of another page of this interaction, when `url` (a paging link of the
/// upstream, below either base) asks for the same selection and nothing else.
pub fn page_of(url: &str, interaction: &Interaction, policy: &FhirPolicy) -> Option<String> {
    let relative = policy.relative(url)?;
    let (path, query) = relative.split_once('?')?;
    // A search by `POST` has its pages by `GET`; some servers leave the word in their links.
    let path = path.strip_suffix("/_search").unwrap_or(path);
    let page = interaction.read_again(query, policy)?;
    let same = page.path() == path && page.is_page_of(interaction);
    let page = Request {
        interaction: page,
        head_only: false,
        form: false,
        page: None,
        provenance: None,
    };
    let target = page.interaction.target();
    // What asks for nothing is no further page.
    (same && page.fits(policy) && target.contains('?'))
        .then(|| format!("{}{target}", policy.base.as_str()))
}

impl Request {
    /// The same search with these conditions, of its first type, behind its own. `None` where this is no
    /// search, or where the canonical form would not be read again as what it is.
    pub fn narrowed(&self, conditions: Vec<Parameter>, policy: &FhirPolicy) -> Option<Self> {
        let mut search = self.interaction.search()?.clone();
        search.parameters.extend(conditions);
        let request = Request {
            interaction: self.interaction.with(search)?,
            ..self.clone()
        };
        let query = request.interaction.query();
        let again = request
            .interaction
            .read_again(query.strip_prefix('?')?, policy)?;
        (request.interaction == again && request.fits(policy)).then_some(request)
    }

    /// The same search, asking for these root elements besides the ones that it asks for; refused where that
    /// is too long, and for a page whose link was made when it asked for others.
    pub fn with_elements(
        &self,
        needed: &[&'static str],
        policy: &FhirPolicy,
    ) -> Result<Self, Denial> {
        let Some(search) = self.interaction.search().filter(|_| !needed.is_empty()) else {
            return Ok(self.clone());
        };
        let mut search = search.clone();
        for name in needed {
            if !search.elements.iter().any(|known| known == name) {
                search.elements.push((*name).to_owned());
            }
        }
        let interaction = self.interaction.with(search).ok_or(Denial::Path)?;
        let request = Request {
            interaction,
            ..self.clone()
        };
        let asks = self.page.is_none() || request == *self;
        match asks && request.fits(policy) {
            true => Ok(request),
            false => Err(Denial::NotSupported("elements")),
        }
    }

    /// The same search with at most so many matches a page; `None` where that cannot be asked for, or is
    /// asked for already. It never asks for more than a client may, nor for more than it would without.
    pub fn paged(&self, most: u32, policy: &FhirPolicy) -> Option<Self> {
        let mut search = self.interaction.search()?.clone();
        let fits = match search.count {
            Some(count) => count <= most,
            None => policy.search.max_count < most,
        };
        if fits || self.page.is_some() || search.summary == Some(Summary::Count) {
            return None;
        }
        search.count = Some(most);
        let request = Request {
            interaction: self.interaction.with(search)?,
            ..self.clone()
        };
        request.fits(policy).then_some(request)
    }

    /// The same search of one type, asking for none but these root elements: those among them that it asks
    /// for, or all of them. `None` where that cannot be asked for.
    pub fn reduced_to(&self, kept: &[&'static str]) -> Option<Self> {
        let Interaction::Search { search, .. } = &self.interaction else {
            return None;
        };
        // What is sent along is of other types, and a summary is a part by itself.
        if self.page.is_some() || search.summary.is_some() || !search.include.is_empty() {
            return None;
        }
        let mut search = search.clone();
        match search.elements.is_empty() {
            true => search
                .elements
                .extend(kept.iter().map(|name| (*name).to_owned())),
            false => search.elements.retain(|name| kept.contains(&name.as_str())),
        }
        if search.elements.is_empty() {
            search.elements.push("id".to_owned());
        }
        Some(Request {
            interaction: self.interaction.with(search)?,
            ..self.clone()
        })
    }

    /// Whether the canonical form can be read again, here and by the upstream: it is longer than what
    /// came in where references are written out, characters escaped, and a parameter is added. What goes in a
    /// body is not bound to the length of a path.
    pub(super) fn fits(&self, policy: &FhirPolicy) -> bool {
        let interaction = &self.interaction;
        let values = interaction.search().is_none_or(Search::values_fit);
        let condition = match interaction {
            Interaction::Conditional(conditional) => conditional.fits(),
            _ => true,
        };
        let target = interaction.target();
        let parameters = target.matches('&').count() < query::MAX_PARAMETERS;
        let length = match self.form {
            true => 0,
            false => target.len(),
        };
        let holds = |base: &BaseUrl| base.path().len() + length <= MAX_PATH;
        values && condition && parameters && holds(&policy.base) && holds(&policy.upstream.base)
    }
}

impl Interaction {
    /// Whether what it asks for can come in pages.
    pub fn has_pages(&self) -> bool {
        match self {
            Interaction::Operation(call) => call.has_pages(),
            _ => self.search().is_some(),
        }
    }

    /// Whether this is the other from another place on.
    fn is_page_of(&self, other: &Interaction) -> bool {
        match (self, other) {
            (Interaction::Operation(own), Interaction::Operation(other)) => own.is_page_of(other),
            _ => self
                .search()
                .zip(other.search())
                .is_some_and(|(own, other)| own.is_page_of(other)),
        }
    }

    /// The same interaction with another search; `None` where it is none.
    fn with(&self, other: Search) -> Option<Interaction> {
        let mut interaction = self.clone();
        match &mut interaction {
            Interaction::Search { search, .. } | Interaction::SearchAcross { search, .. } => {
                *search = other;
            }
            Interaction::HistoryInstance { page, .. }
            | Interaction::HistorySystem { page, .. }
            | Interaction::HistoryType { page, .. } => *page = other,
            _ => return None,
        }
        Some(interaction)
    }

    /// The same interaction with the search of this query; `None` where it is none, where the query is not
    /// understood, or lists other types.
    fn read_again(&self, query: &str, policy: &FhirPolicy) -> Option<Interaction> {
        let parameters = query::decode(query).ok()?;
        if let Interaction::Operation(call) = self {
            return Some(Interaction::Operation(Box::new(
                call.with(parameters, policy)?,
            )));
        }
        let of_types = |types: &Types, parameters: Vec<Pair>| {
            let listed = types.listed().is_some();
            let (found, parameters) = match listed {
                true => Types::take(parameters).ok()?,
                false => (types.clone(), parameters),
            };
            (found == *types).then_some(parameters)
        };
        let search = match self {
            Interaction::Search { resource_type, .. } => {
                query::search(&[*resource_type], &parameters, policy).ok()?
            }
            Interaction::SearchAcross {
                reach: reach @ Reach { types, .. },
                ..
            } => query::search(&reach.types(), &of_types(types, parameters)?, policy).ok()?,
            Interaction::HistorySystem { types, .. } => {
                query::page(&of_types(types, parameters)?, policy).ok()?
            }
            Interaction::HistoryInstance { .. } | Interaction::HistoryType { .. } => {
                query::page(&parameters, policy).ok()?
            }
            _ => return None,
        };
        self.with(search)
    }
}
