//! Which resources of its type a permit is for: what granular scopes match.

use std::rc::Rc;

use crate::dlp::Texts;
use crate::fhir::{ResourceType, SearchParameter};
use crate::identity::{Letter, Scope, ScopeParameter, Scopes, TokenValue};
use crate::json::{Kind, Node};
use crate::label::Cleared;
use crate::request::{Parameter, Search};

/// How many values of one parameter are looked at in one resource; with more it is not decided, so
/// it does not match.
pub const MAX_LOOKED_AT: usize = 1000;

/// Which resources of its type a permit is for.
#[derive(Clone, Debug)]
pub enum Granted {
    /// All of them.
    All,
    /// Those that match at least one of these scopes, all of which are granular.
    Matching(Vec<Rc<Scope>>),
    /// Of those that the caller may see, all, or those that match.
    Seen(Option<Vec<Rc<Scope>>>, Seen),
}

/// What a caller may see of what scopes grant.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// By its labels; `None` is everything.
    pub labels: Option<Rc<Cleared>>,
    /// By what it says; `None` is everything.
    pub texts: Option<Rc<Texts>>,
}

impl Granted {
    /// No resource at all.
    pub const NOTHING: Granted = Granted::Matching(Vec::new());

    /// What the scopes grant of this type; `None` where that is nothing. They are a union: beside a
    /// scope without parameters the granular ones say nothing.
    pub(super) fn of(scopes: &Scopes, resource_type: ResourceType, letter: Letter) -> Option<Self> {
        let mut matching = Vec::new();
        let covering = |scope: &&Rc<Scope>| scope.covers(resource_type, letter);
        for scope in scopes.data().filter(covering) {
            if !scope.is_granular() {
                return Some(Granted::All);
            }
            matching.push(Rc::clone(scope));
        }
        (!matching.is_empty()).then_some(Granted::Matching(matching))
    }

    /// The same, of what the caller may see.
    pub(super) fn seen(self, seen: Seen) -> Granted {
        if seen.is_everything() {
            return self;
        }
        match self {
            Granted::All => Granted::Seen(None, seen),
            Granted::Matching(scopes) | Granted::Seen(Some(scopes), _) => {
                Granted::Seen(Some(scopes), seen)
            }
            Granted::Seen(None, _) => Granted::Seen(None, seen),
        }
    }

    /// The same, of less that the caller may see by its labels; `None` where that is no less.
    pub fn narrowed(&self, narrow: impl Fn(&Cleared) -> Option<Cleared>) -> Option<Granted> {
        match self {
            Granted::Seen(scopes, seen) => {
                let labels = Some(Rc::new(narrow(seen.labels.as_ref()?)?));
                let texts = seen.texts.clone();
                Some(Granted::Seen(scopes.clone(), Seen { labels, texts }))
            }
            Granted::All | Granted::Matching(_) => None,
        }
    }

    /// Whether it is for all resources of the type.
    pub fn is_all(&self) -> bool {
        let withholds = |texts: &Rc<Texts>| texts.withholds();
        self.scopes().is_none() && self.labels().is_none() && !self.texts().is_some_and(withholds)
    }

    /// Whether the scopes are for all resources of the type, whatever the labels say.
    pub(super) fn is_of_type(&self) -> bool {
        self.scopes().is_none()
    }

    /// What the caller may see by its labels; `None` is everything.
    pub fn labels(&self) -> Option<&Rc<Cleared>> {
        match self {
            Granted::Seen(_, seen) => seen.labels.as_ref(),
            Granted::All | Granted::Matching(_) => None,
        }
    }

    /// The rules about texts that hold for the caller.
    pub fn texts(&self) -> Option<&Rc<Texts>> {
        match self {
            Granted::Seen(_, seen) => seen.texts.as_ref(),
            Granted::All | Granted::Matching(_) => None,
        }
    }

    /// The scopes of which one must match; `None` where all resources do.
    pub(super) fn scopes(&self) -> Option<&[Rc<Scope>]> {
        match self {
            Granted::All => None,
            Granted::Matching(scopes) => Some(scopes),
            Granted::Seen(scopes, _) => scopes.as_deref(),
        }
    }

    /// Whether it is for this resource, which is of the permit's type. What cannot be decided does not
    /// match. Other values beside the one that matches do no harm.
    pub fn covers(&self, resource: Node<'_>) -> bool {
        self.is_in_scope(resource)
            && self.labels().is_none_or(|labels| labels.covers(resource))
            && self.texts().is_none_or(|texts| texts.covers(resource))
    }

    /// Whether the scopes are for this resource, whatever the caller may see of it.
    pub(super) fn is_in_scope(&self, resource: Node<'_>) -> bool {
        self.scopes().is_none_or(|scopes| {
            scopes.iter().any(|scope| {
                let mut parameters = scope.parameters.iter();
                parameters.all(|parameter| matches(parameter, resource))
            })
        })
    }

    /// The root elements on which it rests; of a choice with the type.
    pub(super) fn elements(&self) -> impl Iterator<Item = &'static str> {
        let parameters = self
            .scopes()
            .unwrap_or_default()
            .iter()
            .flat_map(|scope| &scope.parameters);
        let places = parameters.filter_map(|parameter| parameter.definition.searched());
        places
            .flatten()
            .filter_map(|place| place.path.names().next())
    }

    /// What to add to a search, so that the server sends only what is granted, as far as one more
    /// condition on each parameter can say it; nothing where the search says it already. What the server
    /// does send is looked at in any case.
    pub(super) fn narrowing(&self, search: &Search) -> Vec<Parameter> {
        let Some(scopes) = self.scopes() else {
            return Vec::new();
        };
        let conditions: Vec<(SearchParameter, Vec<&TokenValue>)> = match scopes {
            [single] => {
                let parameters = single.parameters.iter();
                parameters
                    .map(|parameter| (parameter.definition, parameter.values.iter().collect()))
                    .collect()
            }
            several => match alternatives(several) {
                Some(condition) => vec![condition],
                None => return Vec::new(),
            },
        };
        let missing = conditions
            .into_iter()
            .filter(|(definition, granted)| !says(search, *definition, granted));
        missing
            .map(|(definition, granted)| Parameter {
                path: Vec::new(),
                definition,
                modifier: None,
                values: granted.iter().map(ToString::to_string).collect(),
            })
            .collect()
    }
}

impl Seen {
    /// Whether neither says anything.
    pub fn is_everything(&self) -> bool {
        self.labels.is_none() && self.texts.is_none()
    }
}

/// Several scopes as one condition, where all have the same single parameter.
fn alternatives(scopes: &[Rc<Scope>]) -> Option<(SearchParameter, Vec<&TokenValue>)> {
    let mut all: Option<(SearchParameter, Vec<&TokenValue>)> = None;
    for scope in scopes {
        let [parameter] = scope.parameters.as_slice() else {
            return None;
        };
        let (definition, values) = all.get_or_insert((parameter.definition, Vec::new()));
        if *definition != parameter.definition {
            return None;
        }
        for value in &parameter.values {
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    all
}

/// Whether a search asks for nothing beyond these values of this parameter.
fn says(search: &Search, definition: SearchParameter, granted: &[&TokenValue]) -> bool {
    let is_granted = |text: &String| {
        TokenValue::parse(text).is_some_and(|value| granted.iter().any(|one| one.includes(&value)))
    };
    search.parameters.iter().any(|parameter| {
        parameter.definition == definition
            && parameter.modifier.is_none()
            && parameter.path.is_empty()
            && parameter.values.iter().all(is_granted)
    })
}

/// Whether a resource has one of the values where the parameter looks.
fn matches(parameter: &ScopeParameter, resource: Node<'_>) -> bool {
    let mut left = MAX_LOOKED_AT;
    let mut places = parameter.definition.searched().into_iter().flatten();
    places.any(|place| {
        let names = place.path.names();
        let mut look = Look {
            values: &parameter.values,
            contact: names.clone().last() == Some("telecom"),
            left: &mut left,
        };
        look.below(resource, names)
    })
}

/// A look for a value at one path.
struct Look<'a> {
    values: &'a [TokenValue],
    /// What is there is a ContactPoint, whose `system` is no system of codes.
    contact: bool,
    left: &'a mut usize,
}

impl Look<'_> {
    /// Below a resource or an element, by the names that are left of the path.
    fn below(
        &mut self,
        node: Node<'_>,
        mut path: impl Iterator<Item = &'static str> + Clone,
    ) -> bool {
        let Some(name) = path.next() else {
            return self.is_wanted(node);
        };
        let Some(value) = node.get(name) else {
            return false;
        };
        // A value, or a list of them.
        let one = (value.kind() != Kind::Array).then_some(value);
        let mut items = value.items().chain(one);
        items.any(|item| self.looks_on() && self.below(item, path.clone()))
    }

    /// By the shape of the data types that a token can be compared with
    /// (<https://hl7.org/fhir/R4/search.html#token>).
    fn is_wanted(&mut self, value: Node<'_>) -> bool {
        match value.kind() {
            Kind::Boolean | Kind::String => self.is_code(value),
            Kind::Object => {
                if let Some(codings) = value.get("coding") {
                    let mut codings = codings.items();
                    return codings.any(|coding| self.looks_on() && self.is_coding(coding, "code"));
                }
                match value.get("value") {
                    Some(value) if self.contact => self.is_code(value),
                    Some(_) => self.is_coding(value, "value"),
                    None => self.is_coding(value, "code"),
                }
            }
            Kind::Array | Kind::Null | Kind::Number => false,
        }
    }

    /// A value that names no system: which one it is in, the standard says, not the resource.
    fn is_code(&self, value: Node<'_>) -> bool {
        self.values.iter().any(|wanted| match wanted {
            TokenValue::Code(code) => match value.kind() {
                Kind::Boolean => value.raw() == code,
                _ => value.is_str(code),
            },
            TokenValue::Coding { .. } | TokenValue::System(_) | TokenValue::Systemless(_) => false,
        })
    }

    /// A Coding, or an Identifier, where the code stands in `value`.
    fn is_coding(&self, coding: Node<'_>, code: &str) -> bool {
        let (own_system, own_code) = (coding.get("system"), coding.get(code));
        let is = |own: Option<Node<'_>>, text: &str| own.is_some_and(|own| own.is_str(text));
        self.values.iter().any(|wanted| match wanted {
            TokenValue::Code(code) => is(own_code, code),
            TokenValue::Coding { system, code } => is(own_system, system) && is(own_code, code),
            TokenValue::System(system) => is(own_system, system),
            TokenValue::Systemless(code) => own_system.is_none() && is(own_code, code),
        })
    }

    fn looks_on(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                *self.left = left;
                true
            }
            None => false,
        }
    }
}
