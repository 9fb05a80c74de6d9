//! The elements of every type, from the published JSON Schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::rust::Names;
use crate::{items, shown};

/// A choice of more types than this is one of all data types, to which Meta belongs
/// (<https://hl7.org/fhir/R4/datatypes.html#open>); the schema leaves it out.
const OPEN: usize = 40;

/// What the common elements of a type are; the schema repeats them in every type.
pub const GROUPS: [(&str, &[&str]); 4] = [
    ("Element", &["extension", "id"]),
    ("BackboneElement", &["extension", "id", "modifierExtension"]),
    ("Resource", &["id", "implicitRules", "language", "meta"]),
    (
        "DomainResource",
        &[
            "contained",
            "extension",
            "id",
            "implicitRules",
            "language",
            "meta",
            "modifierExtension",
            "text",
        ],
    ),
];

/// All types.
pub struct Schema {
    /// Resource types by name, primitive types by name, any resource, then all others by name, and
    /// last the groups of common elements.
    pub types: Vec<Type>,
    numbers: BTreeMap<String, usize>,
    /// How many resource types there are, and how many primitive types.
    pub resources: usize,
    pub primitives: usize,
    /// Names that stand with several types in one object.
    pub choice_names: Vec<String>,
    /// How the name of a choice may end.
    pub choice_types: Vec<String>,
}

/// One type.
pub struct Type {
    /// As in the schema: `Patient`, `string`, `Observation_Component`.
    pub name: String,
    /// Which of the groups its common elements are; `None` for a primitive type.
    pub group: Option<usize>,
    /// Sorted by name; without the common ones.
    pub elements: Vec<Element>,
}

/// One element.
#[derive(Clone, Debug)]
pub struct Element {
    /// The name in JSON; of a choice without the type.
    pub name: String,
    /// What its values are.
    pub content: Content,
    /// It may repeat.
    pub list: bool,
    /// It must be there.
    pub required: bool,
}

/// What values of an element are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Of this type.
    One(usize),
    /// Of one of these types, by their names.
    Choice(Vec<usize>),
}

impl Schema {
    /// Reads the published schema.
    pub fn read(schema: &Value) -> Result<Schema, String> {
        let definitions = schema["definitions"]
            .as_object()
            .ok_or("no definitions in the schema")?;
        let is_resource =
            |name: &str| definitions[name]["properties"]["resourceType"]["const"].is_string();
        let is_primitive = |name: &str| name.starts_with(|first: char| first.is_ascii_lowercase());
        let is_other =
            |name: &str| !is_resource(name) && !is_primitive(name) && name != "ResourceList";
        let sorted = |wanted: &dyn Fn(&str) -> bool| {
            let found: BTreeSet<String> = definitions
                .keys()
                .filter(|name| wanted(name))
                .cloned()
                .collect();
            found
        };
        let (resources, primitives) = (sorted(&is_resource), sorted(&is_primitive));
        let mut order: Vec<String> = resources.iter().chain(&primitives).cloned().collect();
        order.push("ResourceList".to_owned());
        // `Element` is a group like the three that the schema does not have.
        order.extend(
            sorted(&is_other)
                .into_iter()
                .filter(|name| name != "Element"),
        );
        order.extend(GROUPS.iter().map(|(name, _)| (*name).to_owned()));
        let numbers = order
            .iter()
            .cloned()
            .enumerate()
            .map(|(index, name)| (name, index))
            .collect();
        let mut schema = Schema {
            types: Vec::new(),
            numbers,
            resources: resources.len(),
            primitives: primitives.len(),
            choice_names: Vec::new(),
            choice_types: Vec::new(),
        };
        for name in &order {
            let made = match GROUPS.iter().position(|(group, _)| group == name) {
                Some(index) => schema.group(index, definitions)?,
                None => schema.type_of(name, &definitions[name])?,
            };
            schema.types.push(made);
        }
        let objects = definitions
            .iter()
            .filter(|(name, _)| *name != "ResourceList");
        schema.choice_names = schema.names_with_types(objects.map(|(_, definition)| definition));
        let open = schema.number("Extension")?;
        if let Some(Content::Choice(types)) =
            schema.element(open, "value").map(|value| &value.content)
        {
            let endings = types.iter().map(|of| capital(&schema.types[*of].name));
            schema.choice_types = endings.collect();
        }
        schema.choice_types.sort();
        Ok(schema)
    }

    /// The number of a type.
    pub fn number(&self, name: &str) -> Result<usize, String> {
        self.numbers
            .get(name)
            .copied()
            .ok_or_else(|| format!("no type {name} in the schema"))
    }

    /// The number of a resource type.
    pub fn resource(&self, name: &str) -> Result<usize, String> {
        let number = self.number(name)?;
        if number < self.resources {
            Ok(number)
        } else {
            Err(format!("{name} is no resource type"))
        }
    }

    /// The element of this name, common ones included; of a choice without the type.
    pub fn element(&self, of: usize, name: &str) -> Option<&Element> {
        let own = self.types[of]
            .elements
            .iter()
            .find(|element| element.name == name);
        own.or_else(|| match self.types[of].group {
            Some(group) if group != of => self.element(group, name),
            _ => None,
        })
    }

    /// Takes the names in.
    pub fn name(&self, names: &mut Names) {
        for of in &self.types {
            of.elements
                .iter()
                .for_each(|element| names.add(&element.name));
        }
        self.types
            .iter()
            .filter(|of| !of.name.contains('_'))
            .for_each(|of| names.add(&of.name));
    }

    /// What is in it.
    pub fn tell(&self, account: &mut Vec<String>) {
        let elements: usize = self.types.iter().map(|of| of.elements.len()).sum();
        let all = self.types.iter().flat_map(|of| &of.elements);
        let choices = all
            .filter(|element| matches!(element.content, Content::Choice(_)))
            .count();
        account.push(format!(
            "structure: {} types ({} of resources, {} primitive), {elements} elements, {choices} of them a choice",
            self.types.len(), self.resources, self.primitives,
        ));
    }

    fn type_of(&self, name: &str, definition: &Value) -> Result<Type, String> {
        let Some(members) = definition["properties"].as_object() else {
            return Ok(Type {
                name: name.to_owned(),
                group: None,
                elements: Vec::new(),
            });
        };
        let common = |(_, own): &&(&str, &[&str])| own.iter().all(|own| members.contains_key(*own));
        let (group, common) = GROUPS
            .iter()
            .rev()
            .find(|group| common(group))
            .ok_or_else(|| format!("{name} has no id"))?;
        let members: BTreeMap<&str, &Value> = members
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(member, value)| {
                !common.contains(member) && !member.starts_with('_') && !value["const"].is_string()
            })
            .collect();
        Ok(Type {
            name: name.to_owned(),
            group: Some(self.number(group)?),
            elements: self.elements(definition, &members)?,
        })
    }

    fn group(
        &self,
        index: usize,
        definitions: &serde_json::Map<String, Value>,
    ) -> Result<Type, String> {
        let (name, common) = GROUPS[index];
        // Some type that has them all.
        let example = if index < 2 { "Timing" } else { "Patient" };
        let definition = &definitions[example];
        let members = common
            .iter()
            .map(|common| (*common, &definition["properties"][*common]))
            .collect();
        Ok(Type {
            name: name.to_owned(),
            group: None,
            elements: self.elements(&Value::Null, &members)?,
        })
    }

    /// The elements among these members of the schema, choices as one.
    fn elements(
        &self,
        definition: &Value,
        members: &BTreeMap<&str, &Value>,
    ) -> Result<Vec<Element>, String> {
        let mut choices: BTreeMap<&str, BTreeSet<(String, &str)>> = BTreeMap::new();
        for (member, value) in members {
            for (stem, number) in self.endings(member) {
                // One that may repeat is no choice, and one of another type only looks like it.
                let own = self.reference(value, member).ok();
                if value["items"].is_null() && own.is_none_or(|own| own == number) {
                    let description = value["description"].as_str().unwrap_or_default();
                    choices
                        .entry(stem)
                        .or_default()
                        .insert((self.types_name(number), description));
                }
            }
        }
        choices.retain(|_, found| {
            let one = found
                .iter()
                .map(|(_, description)| description)
                .collect::<BTreeSet<_>>();
            found.len() > 1 && one.len() == 1
        });
        let required: BTreeSet<&str> = items(definition, "required")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut found = Vec::new();
        let mut taken = BTreeSet::new();
        for (stem, types) in &choices {
            let mut numbers = types
                .iter()
                .map(|(name, _)| self.number(name))
                .collect::<Result<Vec<_>, _>>()?;
            if numbers.len() > OPEN {
                numbers.push(self.number("Meta")?);
            }
            numbers.sort_unstable();
            taken.extend(
                types
                    .iter()
                    .map(|(name, _)| format!("{stem}{}", capital(name))),
            );
            found.push(Element {
                name: (*stem).to_owned(),
                content: Content::Choice(numbers),
                list: false,
                required: false,
            });
        }
        for (member, value) in members
            .iter()
            .filter(|(member, _)| !taken.contains(**member))
        {
            let list = !value["items"].is_null();
            let of = if list { &value["items"] } else { value };
            found.push(Element {
                name: (*member).to_owned(),
                content: Content::One(self.reference(of, member)?),
                list,
                required: required.contains(member),
            });
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The type of a member; a code with its values listed is a code.
    fn reference(&self, value: &Value, member: &str) -> Result<usize, String> {
        if let Some(to) = value["$ref"].as_str() {
            return self.number(to.rsplit('/').next().unwrap_or_default());
        }
        if value["enum"].is_array() {
            return self.number("code");
        }
        Err(format!("no type of {member} in {}", shown(value)))
    }

    /// What a member's name may be taken apart to: a stem and a data type.
    fn endings<'a>(&'a self, member: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
        self.numbers
            .iter()
            .filter(|(name, number)| !name.contains('_') && **number >= self.resources)
            .filter_map(|(name, number)| {
                let stem = member.strip_suffix(&capital(name))?;
                (!stem.is_empty()).then_some((stem, *number))
            })
    }

    fn names_with_types<'a>(&self, definitions: impl Iterator<Item = &'a Value>) -> Vec<String> {
        let mut found = BTreeSet::new();
        for definition in definitions {
            let mut stems: BTreeMap<&str, usize> = BTreeMap::new();
            let members = definition["properties"].as_object();
            for member in members
                .into_iter()
                .flat_map(|members| members.keys())
                .filter(|name| !name.starts_with('_'))
            {
                self.endings(member)
                    .for_each(|(stem, _)| *stems.entry(stem).or_default() += 1);
            }
            found.extend(
                stems
                    .into_iter()
                    .filter(|(_, count)| *count > 1)
                    .map(|(stem, _)| stem.to_owned()),
            );
        }
        found.into_iter().collect()
    }

    fn types_name(&self, number: usize) -> String {
        let found = self.numbers.iter().find(|(_, other)| **other == number);
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// A type's name as the name of a choice ends with it.
pub fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}
