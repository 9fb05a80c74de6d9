//! What rules look at in a resource: its labels, codes and dates.

use std::cell::OnceCell;

use super::period::Period;
use super::terms::Label;
use crate::fhir::{Content, ElementPath, Primitive, ResourceType, Structure, search_parameter};
use crate::json::{Kind, Node};

/// How many values of one kind are looked at in a resource; with more it cannot be told.
const LOOKED_AT: usize = 1000;

/// The search parameters whose elements have the codes of a resource, and its dates.
const PARAMETERS: [&str; 2] = ["code", "date"];

/// A resource that is seen. Each part of it is read when a rule asks for it first; inside, `None` for a value
/// that is not understood.
pub(super) struct Seen<'a> {
    resource_type: ResourceType,
    resource: Node<'a>,
    labels: OnceCell<Option<Vec<Label>>>,
    codes: OnceCell<Vec<Option<Label>>>,
    dates: OnceCell<Vec<Option<Period>>>,
}

impl<'a> Seen<'a> {
    pub fn new(resource_type: ResourceType, resource: Node<'a>) -> Self {
        Seen {
            resource_type,
            resource,
            labels: OnceCell::new(),
            codes: OnceCell::new(),
            dates: OnceCell::new(),
        }
    }

    /// `None` where they are not understood, or too many.
    pub fn labels(&self) -> Option<&[Label]> {
        let labels = self.labels.get_or_init(|| Label::of(self.resource));
        labels.as_deref()
    }

    /// What its type's search parameter `code` looks at; never empty.
    pub fn codes(&self) -> &[Option<Label>] {
        self.codes.get_or_init(|| {
            self.read("code", |_, value, codes| {
                let codings = value.get("coding").into_iter().flat_map(Node::items);
                let before = codes.len();
                codes.extend(codings.take(LOOKED_AT + 1).map(Label::found));
                // In words, or a code of which the standard says the system.
                if codes.len() == before {
                    codes.push(None);
                }
            })
        })
    }

    /// What its type's search parameter `date` looks at; never empty.
    pub fn dates(&self) -> &[Option<Period>] {
        self.dates.get_or_init(|| {
            self.read("date", |path, value, dates| {
                dates.push(match value.kind() {
                    Kind::Object => Period::read(value),
                    _ if is_date(self.resource_type, path) => {
                        value.str().and_then(|text| Period::of(&text))
                    }
                    _ => None,
                });
            })
        })
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl Fn(ElementPath, Node<'a>, &mut Vec<Option<T>>),
    ) -> Vec<Option<T>> {
        let mut found = Vec::new();
        for path in paths(self.resource_type, name) {
            let mut see = |value: Option<Node<'a>>| {
                match value {
                    Some(value) => read(path, value, &mut found),
                    None => found.push(None),
                }
                found.len() <= LOOKED_AT
            };
            if !below(self.resource, path.names(), &mut see) {
                return vec![None];
            }
        }
        if found.is_empty() {
            found.push(None);
        }
        found
    }
}

/// The root elements on which rules may rest, beside the id and the labels; of a choice with the type.
pub fn elements(resource_type: ResourceType) -> impl Iterator<Item = &'static str> {
    let of = move |name| paths(resource_type, name);
    let paths = PARAMETERS.into_iter().flat_map(of);
    paths.filter_map(|path| path.names().next())
}

/// Whether a rule about codes can be decided for resources of this type.
pub(super) fn has_codes(resource_type: ResourceType) -> bool {
    paths(resource_type, "code").next().is_some()
}

/// Whether one about dates can.
pub(super) fn has_dates(resource_type: ResourceType) -> bool {
    paths(resource_type, "date").next().is_some()
}

/// Where a search parameter of this type looks.
fn paths(resource_type: ResourceType, name: &str) -> impl Iterator<Item = ElementPath> {
    let parameter = search_parameter(resource_type, name);
    let places = parameter.and_then(|parameter| parameter.searched());
    places.into_iter().flatten().map(|place| place.path)
}

/// Shows what stands at a path, `None` for what cannot be looked into, until it is enough; whether it was
/// not.
fn below<'a>(
    node: Node<'a>,
    mut path: impl Iterator<Item = &'static str> + Clone,
    see: &mut impl FnMut(Option<Node<'a>>) -> bool,
) -> bool {
    let Some(name) = path.next() else {
        return see(Some(node));
    };
    match node.get(name) {
        None if node.kind() == Kind::Object => true,
        None => see(None),
        Some(list) if list.kind() == Kind::Array => {
            list.items().all(|item| below(item, path.clone(), see))
        }
        Some(value) => below(value, path, see),
    }
}

/// Whether a date stands at this path, and not a text that may look like one.
fn is_date(resource_type: ResourceType, path: ElementPath) -> bool {
    let start = Some(Content::Object(Structure::of(resource_type)));
    let content = path.names().fold(start, |content, name| match content {
        Some(Content::Object(structure)) => structure.element(name).map(|found| found.content),
        _ => None,
    });
    matches!(
        content,
        Some(Content::Primitive(
            Primitive::Date | Primitive::DateTime | Primitive::Instant
        ))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_of_what_is_looked_at_count() {
        let (mut codes, mut dates) = (0, 0);
        for resource_type in ResourceType::all() {
            for name in PARAMETERS {
                let parameter = search_parameter(resource_type, name);
                let mut places = parameter.into_iter().filter_map(|found| found.searched());
                assert!(
                    places.all(|mut places| places
                        .all(|place| !place.some && place.only.is_none() && !place.is_reference)),
                    "{resource_type}.{name}"
                );
            }
            codes += usize::from(has_codes(resource_type));
            dates += usize::from(has_dates(resource_type));
        }
        assert_eq!((codes, dates), (30, 60));
    }
}
