//! Search parameters, type by type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::expression::{self, Alternative};
use crate::rust::{Names, Source};
use crate::schema::{Content, Schema, capital};
use crate::{items, text};

/// The kinds, in the order of the enumeration that reads them.
const KINDS: [&str; 9] = [
    "number",
    "date",
    "string",
    "token",
    "reference",
    "composite",
    "quantity",
    "uri",
    "special",
];

/// Names that <https://hl7.org/fhir/R4/search.html#all> has for every type, and the definitions do not.
const ALSO: [&str; 4] = ["_filter", "_has", "_list", "_type"];

/// Bits of where a parameter looks, above the number of the one type plus one.
const SOME: usize = 1 << 8;
const REFERENCE: usize = 1 << 9;

/// All parameters.
pub struct Search {
    /// By type, then by name. The types `Resource` and `DomainResource` stand for all that are one.
    rows: BTreeMap<usize, BTreeMap<String, Parameter>>,
    paths: BTreeSet<Vec<String>>,
    unknown: Vec<String>,
    resources: usize,
}

/// One parameter of one type.
#[derive(Default)]
struct Parameter {
    kind: usize,
    /// Numbers of resource types, sorted.
    targets: Vec<usize>,
    /// Where it looks; none where that is not known.
    places: Vec<Place>,
    /// Names of the parameters that a composite is made of.
    components: Vec<String>,
}

/// Where a parameter looks.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    /// Names of members in JSON.
    path: Vec<String>,
    /// The only type that the reference there may lead to.
    only: Option<usize>,
    some: bool,
    is_reference: bool,
}

/// An element that was reached: the names that lead there, and its type.
type Reached = (Vec<String>, usize);

impl Search {
    /// Reads the published Bundle.
    pub fn read(bundle: &Value, schema: &Schema) -> Result<Search, String> {
        let published: Vec<&Value> = items(bundle, "entry")
            .iter()
            .map(|entry| &entry["resource"])
            .collect();
        let by_url: BTreeMap<&str, &Value> = published
            .iter()
            .map(|one| Ok((text(one, "url")?, *one)))
            .collect::<Result<_, String>>()?;
        let mut search = Search {
            rows: BTreeMap::new(),
            paths: BTreeSet::new(),
            unknown: Vec::new(),
            resources: schema.resources,
        };
        for one in &published {
            for base in items(one, "base").iter().filter_map(Value::as_str) {
                search.add(one, base, schema, &by_url)?;
            }
        }
        let every = search.rows.entry(schema.number("Resource")?).or_default();
        for name in ALSO {
            every.insert(
                name.to_owned(),
                Parameter {
                    kind: kind("special")?,
                    ..Parameter::default()
                },
            );
            search
                .unknown
                .push(format!("Resource {name}: not published as a parameter"));
        }
        Ok(search)
    }

    /// The numbers of these parameters of a type, and the paths where they look.
    pub fn membership(
        &self,
        of: usize,
        names: &[&str],
    ) -> Result<(Vec<usize>, BTreeSet<usize>), String> {
        let rows = self
            .rows
            .get(&of)
            .ok_or("a type without search parameters")?;
        let mut numbers = Vec::new();
        let mut paths = BTreeSet::new();
        for name in names {
            let parameter = rows.get(*name).filter(|found| !found.places.is_empty());
            let parameter =
                parameter.ok_or_else(|| format!("{name} is no parameter that looks somewhere"))?;
            let before: usize = self.rows.range(..of).map(|(_, rows)| rows.len()).sum();
            numbers.push(
                before
                    + rows
                        .keys()
                        .position(|other| other == name)
                        .unwrap_or_default(),
            );
            paths.extend(parameter.places.iter().map(|place| self.path(&place.path)));
        }
        numbers.sort_unstable();
        Ok((numbers, paths))
    }

    /// Takes the names in.
    pub fn name(&mut self, names: &mut Names) {
        self.rows
            .values()
            .flat_map(BTreeMap::keys)
            .for_each(|name| names.add(name));
        self.paths.iter().flatten().for_each(|name| names.add(name));
    }

    /// What is in it.
    pub fn tell(&self, account: &mut Vec<String>) {
        let all = self.rows.values().flat_map(BTreeMap::values);
        let mut kinds = [0_usize; KINDS.len()];
        all.for_each(|parameter| kinds[parameter.kind] += 1);
        let kinds = KINDS
            .iter()
            .zip(kinds)
            .map(|(kind, count)| format!("{count} {kind}"));
        account.push(format!(
            "search: {} parameters of {} types ({}), {} paths, {} without paths",
            self.rows.values().map(BTreeMap::len).sum::<usize>(),
            self.rows.len(),
            kinds.collect::<Vec<_>>().join(", "),
            self.paths.len(),
            self.unknown.len(),
        ));
        account.extend(
            self.unknown
                .iter()
                .map(|unknown| format!("  without paths: {unknown}")),
        );
    }

    /// The table.
    pub fn write(&self, names: &Names) -> Source {
        let mut source = Source::new("The search parameters of every type of R4.");
        let types: Vec<usize> =
            (0..=self.rows.keys().last().copied().unwrap_or_default()).collect();
        let (mut rows, mut starts, mut places) = (Vec::new(), vec![0], Vec::new());
        let (mut where_starts, mut targets, mut target_starts) = (vec![0], Vec::new(), vec![0]);
        let mut sets: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let (mut composites, mut components) = (Vec::new(), Vec::new());
        let mut dense = Vec::new();
        for of in types {
            let own = self.rows.get(&of);
            let first = rows.len();
            for (name, parameter) in own.into_iter().flatten() {
                let next = sets.len();
                let set = *sets.entry(parameter.targets.clone()).or_insert_with(|| {
                    targets.extend(parameter.targets.iter().copied());
                    target_starts.push(targets.len());
                    next
                });
                for (at, component) in parameter.components.iter().enumerate() {
                    let found = own.and_then(|own| own.keys().position(|other| other == component));
                    composites.push((rows.len(), at));
                    components
                        .push(first + found.unwrap_or_else(|| panic!("{name}: no {component}")));
                }
                rows.push((names.of(name), parameter.kind | set << 4));
                places.extend(parameter.places.iter().map(|place| {
                    let only = place.only.map_or(0, |only| only + 1);
                    let some = if place.some { SOME } else { 0 };
                    let reference = if place.is_reference { REFERENCE } else { 0 };
                    (self.path(&place.path), only | some | reference)
                }));
                where_starts.push(places.len());
            }
            if own.is_some() || of < self.resources {
                dense.push(of);
                starts.push(rows.len());
            }
        }
        // Behind the resource types there are only `Resource` and `DomainResource`.
        source.numbers(
            "Where the parameters of each resource type begin in `PARAMETERS`; see `EVERY` for what is behind them.",
            "OF_TYPE", "u16", &starts,
        );
        let place_of = |name: usize| dense.iter().position(|of| *of == name).unwrap_or_default();
        let mut behind = self.rows.keys().rev();
        let (domain, every) = (
            behind.next().copied().unwrap_or_default(),
            behind.next().copied().unwrap_or_default(),
        );
        source.number(
            "The place in `OF_TYPE` of the parameters of every type.",
            "EVERY",
            place_of(every),
        );
        source.number(
            "The place in `OF_TYPE` of those of every type with a narrative.",
            "DOMAIN",
            place_of(domain),
        );
        source.pairs(
            "The name of each parameter; its kind in 4 bits, and above them its set of targets. By type, then by name.",
            "PARAMETERS", &rows,
        );
        source.numbers(
            "Where the places of each parameter begin in `PLACES`, and the end.",
            "PLACES_OF",
            "u16",
            &where_starts,
        );
        source.pairs(
            "A path, and in 8 bits the one type that the reference there must lead to, plus 1; bit 8: not every value \
             there counts; bit 9: it is a Reference.",
            "PLACES", &places,
        );
        source.numbers(
            "Where each set of targets begins in `TARGETS`, and the end.",
            "TARGET_SETS",
            "u16",
            &target_starts,
        );
        source.numbers(
            "The resource types of the sets of targets.",
            "TARGETS",
            "u8",
            &targets,
        );
        let (mut path_starts, mut segments) = (vec![0], Vec::new());
        for path in &self.paths {
            segments.extend(path.iter().map(|name| names.of(name)));
            path_starts.push(segments.len());
        }
        source.numbers(
            "Where each path begins in `SEGMENTS`, and the end.",
            "PATHS",
            "u16",
            &path_starts,
        );
        source.numbers(
            "The names of members that a path leads through.",
            "SEGMENTS",
            "u16",
            &segments,
        );
        let composites: Vec<(usize, usize)> = composites
            .into_iter()
            .zip(components)
            .map(|((row, _), component)| (row, component))
            .collect();
        source.pairs(
            "A composite parameter and one of its components, in order.",
            "COMPONENTS",
            &composites,
        );
        source
    }

    fn path(&self, path: &[String]) -> usize {
        self.paths
            .iter()
            .position(|other| other == path)
            .unwrap_or_else(|| panic!("{path:?}"))
    }

    fn add(
        &mut self,
        one: &Value,
        base: &str,
        schema: &Schema,
        by_url: &BTreeMap<&str, &Value>,
    ) -> Result<(), String> {
        let (name, kind) = (text(one, "code")?, kind(text(one, "type")?)?);
        let of = schema.number(base)?;
        let targets = items(one, "target").iter().filter_map(Value::as_str);
        let mut parameter = Parameter {
            kind,
            targets: targets
                .map(|target| schema.resource(target))
                .collect::<Result<_, _>>()?,
            ..Parameter::default()
        };
        let expression = one["expression"].as_str().unwrap_or_default();
        let mut found = Some(BTreeSet::new());
        if KINDS[kind] == "composite" {
            for component in items(one, "component") {
                let definition = by_url.get(text(component, "definition")?);
                parameter.components.push(
                    text(
                        definition.ok_or("a component that is not published")?,
                        "code",
                    )?
                    .to_owned(),
                );
                let starts = alternatives(expression, base).and_then(|starts| {
                    let reached = starts
                        .iter()
                        .map(|start| walk(schema, (Vec::new(), of), start));
                    reached.collect::<Option<Vec<_>>>()
                });
                for start in starts.iter().flatten().flatten() {
                    let more = places(schema, of, start, text(component, "expression")?);
                    found = found
                        .zip(more)
                        .map(|(found, more)| found.into_iter().chain(more).collect());
                }
            }
        } else {
            found = places(schema, of, &(Vec::new(), of), expression);
        }
        parameter.places = found.into_iter().flatten().collect();
        if parameter.places.is_empty() {
            self.unknown.push(format!("{base} {name}: {expression}"));
        }
        let only: Option<BTreeSet<usize>> =
            parameter.places.iter().map(|place| place.only).collect();
        if let Some(only) = only.filter(|only| !only.is_empty()) {
            parameter.targets = only.into_iter().collect();
        }
        parameter.targets.sort_unstable();
        self.paths
            .extend(parameter.places.iter().map(|place| place.path.clone()));
        match self
            .rows
            .entry(of)
            .or_default()
            .insert(name.to_owned(), parameter)
        {
            None => Ok(()),
            Some(_) => Err(format!("{base} {name} is published twice")),
        }
    }
}

fn kind(name: &str) -> Result<usize, String> {
    KINDS
        .iter()
        .position(|known| *known == name)
        .ok_or_else(|| format!("a parameter of the kind {name}"))
}

/// The alternatives of an expression that are about this type.
fn alternatives(text: &str, base: &str) -> Option<Vec<Alternative>> {
    let mut found = expression::read(text)?;
    found.retain(|one| {
        one.of
            .as_deref()
            .is_none_or(|of| of == base || of == "%resource")
    });
    Some(found)
}

/// Where an expression looks that is evaluated at this element; `None` where that is not known.
fn places(schema: &Schema, of: usize, at: &Reached, expression: &str) -> Option<BTreeSet<Place>> {
    let base = &schema.types[of].name;
    let reference = schema.number("Reference").ok()?;
    let mut found = BTreeSet::new();
    for one in alternatives(expression, base)? {
        let begin = match one.of {
            Some(_) => (Vec::new(), of),
            None => at.clone(),
        };
        let only = match &one.only {
            Some(only) => Some(schema.resource(only).ok()?),
            None => None,
        };
        for (path, content) in walk(schema, begin, &one)? {
            found.insert(Place {
                path,
                only,
                some: one.some,
                is_reference: content == reference,
            });
        }
    }
    Some(found)
}

/// The elements that the steps lead to; `None` where one of them is no element.
fn walk(schema: &Schema, begin: Reached, one: &Alternative) -> Option<Vec<Reached>> {
    let mut reached = vec![begin];
    for step in &one.steps {
        let mut next = Vec::new();
        for (path, of) in &reached {
            let element = schema.element(*of, &step.name)?;
            let mut add = |name: String, content: usize| {
                next.push((
                    path.iter().cloned().chain([name]).collect::<Vec<_>>(),
                    content,
                ));
            };
            match (&element.content, &step.as_type) {
                (Content::One(content), None) => add(step.name.clone(), *content),
                (Content::One(_), Some(_)) => return None,
                (Content::Choice(types), as_type) => {
                    let before = types.len();
                    let wanted = |number: &&usize| {
                        // One of the published expressions says DateTime for dateTime.
                        let own = capital(&schema.types[**number].name);
                        as_type
                            .as_ref()
                            .is_none_or(|as_type| capital(as_type) == own)
                    };
                    let kept: Vec<usize> = types.iter().filter(wanted).copied().collect();
                    if kept.is_empty() && before > 0 {
                        return None;
                    }
                    for number in kept {
                        add(
                            format!("{}{}", step.name, capital(&schema.types[number].name)),
                            number,
                        );
                    }
                }
            }
        }
        reached = next;
    }
    Some(reached)
}
