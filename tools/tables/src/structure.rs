//! The elements of every type, as numbers.

use std::collections::BTreeMap;

use crate::rust::{Names, Source};
use crate::schema::{Content, GROUPS, Schema, Type};

/// Bits of an element's second number, above the number of its type.
const LIST: usize = 1 << 10;
const REQUIRED: usize = 1 << 11;
const CHOICE: usize = 1 << 12;

impl Schema {
    /// The table.
    pub fn write(&self, names: &Names) -> Source {
        let mut source = Source::new("The elements of every type of R4.");
        let resources: Vec<&str> = self.types[..self.resources]
            .iter()
            .map(|of| of.name.as_str())
            .collect();
        source.texts("The resource types, sorted.", "RESOURCE_TYPES", &resources);
        source.number(
            "The first primitive type; before it are the resource types.",
            "PRIMITIVES",
            self.resources,
        );
        source.number(
            "Any resource; before it are the primitive types.",
            "ANY_RESOURCE",
            self.resources + self.primitives,
        );
        let groups = self.types.len() - GROUPS.len();
        source.number(
            "The first of the groups of common elements, which are the last types.",
            "GROUPS",
            groups,
        );
        let mut starts = vec![0];
        let (mut elements, mut sets, mut set_starts) = (Vec::new(), Vec::new(), vec![0]);
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for of in &self.types {
            for element in &of.elements {
                let content = match &element.content {
                    Content::One(number) => *number,
                    Content::Choice(types) => {
                        let next = known.len();
                        let set = *known.entry(types.clone()).or_insert_with(|| {
                            sets.extend(types.iter().copied());
                            set_starts.push(sets.len());
                            next
                        });
                        set | CHOICE
                    }
                };
                let list = if element.list { LIST } else { 0 };
                let required = if element.required { REQUIRED } else { 0 };
                elements.push((names.of(&element.name), content | list | required));
            }
            starts.push(elements.len());
        }
        source.numbers(
            "Where the elements of each type begin in `ELEMENTS`, and behind the last type their end.",
            "TYPES", "u16", &starts,
        );
        let group = |of: &Type| of.group.map_or(0, |group| group - groups + 1);
        let common: Vec<usize> = self.types.iter().map(group).collect();
        source.numbers(
            "The common elements of each type: 0 for none, else 1 more than their place among the groups.",
            "COMMON", "u8", &common,
        );
        source.pairs(
            "The name of each element, and its type with bits: 10 for a list, 11 for a required one, 12 for a \
             choice, whose types are then a set of `CHOICES`. By type, then by name.",
            "ELEMENTS", &elements,
        );
        source.numbers(
            "Where each set of types begins in `CHOICE_TYPES_OF`, and the end.",
            "CHOICES",
            "u16",
            &set_starts,
        );
        source.numbers("The types of each choice.", "CHOICE_TYPES_OF", "u16", &sets);
        let data_types = (self.resources..).zip(&self.types[self.resources..]);
        let named: Vec<(usize, usize)> = data_types
            .filter(|(_, of)| !of.name.contains('_'))
            .map(|(number, of)| (number, names.of(&of.name)))
            .collect();
        source.pairs(
            "The data types and their names, by number.",
            "TYPE_NAMES",
            &named,
        );
        source.texts(
            "Every name that stands with two or more types in one object of the schema, sorted. Some of them are no \
             choice, but separate elements that look like one.",
            "CHOICE_NAMES", &texts(&self.choice_names),
        );
        source.texts(
            "The endings that the name of a choice may have, sorted.",
            "CHOICE_ENDINGS",
            &texts(&self.choice_types),
        );
        source
    }
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
