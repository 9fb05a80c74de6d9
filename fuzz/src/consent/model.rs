//! Rules with what they say, told from how they were made.

use fhir_guard::consent::Effect;
use serde_json::{Map, Value, json};

use crate::input::Input;

/// The resource that rules are about.
pub struct Case {
    pub resource_type: &'static str,
    id: Option<&'static str>,
    code: Found,
    labels: Vec<&'static str>,
    /// The first and the last day; nothing where that cannot be told.
    days: Option<(u8, u8)>,
    /// How the days are written.
    form: u8,
}

/// The code of a resource.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Found {
    Code(&'static str),
    Words,
    Nothing,
}

/// A rule with its exceptions.
#[derive(Clone)]
pub struct Rule {
    says: Says,
    elements: Map<String, Value>,
    /// What each element says of the resource.
    found: Vec<Tri>,
    exceptions: Vec<Rule>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Says {
    Permit,
    Deny,
    Other,
}

/// Whether something holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tri {
    Yes,
    No,
    Perhaps,
}

const TYPES: [&str; 2] = ["Observation", "Procedure"];
const IDS: [&str; 2] = ["a", "b"];
const CODES: [&str; 2] = ["A", "B"];

impl Case {
    pub fn take(input: &mut Input<'_>) -> Case {
        let pick = |byte: u8| usize::from(byte % 2);
        let labels = input.byte();
        let (first, length) = (input.byte() % 20, input.byte() % 4);
        let form = input.byte() % 4;
        Case {
            resource_type: TYPES[pick(input.byte())],
            id: match input.byte() % 3 {
                0 => None,
                other => Some(IDS[pick(other)]),
            },
            code: match input.byte() % 4 {
                0 => Found::Nothing,
                1 => Found::Words,
                other => Found::Code(CODES[pick(other)]),
            },
            labels: [(1, "A"), (2, "B")]
                .iter()
                .filter(|(bit, _)| labels & bit != 0)
                .map(|(_, label)| *label)
                .collect(),
            days: match form {
                0 => None,
                1 => Some((first, first)),
                _ => Some((first, first + length)),
            },
            form,
        }
    }

    pub fn resource(&self) -> Value {
        let mut resource = json!({"resourceType": self.resource_type, "meta": {"security": []}});
        let coding = |code: &&str| json!({"system": "urn:s", "code": code});
        resource["meta"]["security"] = self.labels.iter().map(coding).collect();
        if let Some(id) = self.id {
            resource["id"] = json!(id);
        }
        match self.code {
            Found::Code(code) => resource["code"] = json!({"coding": [coding(&code)]}),
            Found::Words => resource["code"] = json!({"text": "A"}),
            Found::Nothing => {}
        }
        let stem = match self.resource_type {
            "Observation" => "effective",
            _ => "performed",
        };
        match (self.form, self.days) {
            (1, Some((first, _))) => resource[format!("{stem}DateTime")] = json!(day(first)),
            (_, Some((first, last))) => {
                resource[format!("{stem}Period")] = json!({"start": day(first), "end": day(last)});
            }
            (_, None) => resource[format!("{stem}DateTime")] = json!("in spring"),
        }
        resource
    }
}

impl Rule {
    pub fn take(input: &mut Input<'_>, case: &Case, depth: usize) -> Rule {
        let choice = input.byte();
        let mut rule = Rule::of(match choice % 8 {
            0 => Says::Other,
            1..=3 => Says::Deny,
            _ => Says::Permit,
        });
        for _ in 0..(choice >> 3) % 4 {
            rule.add(input, case);
        }
        let inner = match depth {
            0..=2 => (choice >> 5) % 4,
            _ => 0,
        };
        rule.exceptions = (0..inner)
            .map(|_| Rule::take(input, case, depth + 1))
            .collect();
        rule
    }

    /// A rule that denies, without exceptions.
    pub fn denial(input: &mut Input<'_>, case: &Case) -> Rule {
        let mut rule = Rule::of(Says::Deny);
        for _ in 0..input.byte() % 3 {
            rule.add(input, case);
        }
        rule
    }

    /// One that permits everything, at another time.
    pub fn permit_outside(choice: u8) -> Rule {
        let mut rule = Rule::of(Says::Permit);
        let period = match choice & 1 {
            0 => json!({"end": "2026-12-31"}),
            _ => json!({"start": "2027-02"}),
        };
        rule.elements.insert("period".to_owned(), period);
        rule
    }

    fn of(says: Says) -> Rule {
        Rule {
            says,
            elements: Map::new(),
            found: Vec::new(),
            exceptions: Vec::new(),
        }
    }

    pub fn json(&self) -> Value {
        let mut rule = self.elements.clone();
        let says = match self.says {
            Says::Permit => "permit",
            Says::Deny => "deny",
            Says::Other => "perhaps",
        };
        rule.insert("type".to_owned(), json!(says));
        if !self.exceptions.is_empty() {
            rule.insert(
                "provision".to_owned(),
                self.exceptions.iter().map(Rule::json).collect(),
            );
        }
        Value::Object(rule)
    }

    /// One more element, where it has none of this name.
    fn add(&mut self, input: &mut Input<'_>, case: &Case) {
        let (name, bits) = (input.byte(), input.byte());
        let (name, value, found) = match name % 10 {
            0 => several("class", bits, &TYPES, "Observations", |name| {
                let system = "http://hl7.org/fhir/resource-types";
                (
                    json!({"system": system, "code": name}),
                    of(name == case.resource_type),
                )
            }),
            1 => several("code", bits, &CODES, "", |code| {
                let wanted = match code {
                    "" => json!({"text": "A"}),
                    code => json!({"text": "x", "coding": [{"system": "urn:s", "code": code}]}),
                };
                let found = match case.code {
                    Found::Code(own) => of(own == code),
                    Found::Words | Found::Nothing => Tri::Perhaps,
                };
                (wanted, found)
            }),
            2 => several("securityLabel", bits, &CODES, "", |code| match code {
                "" => (json!({"code": "A"}), Tri::Perhaps),
                code => {
                    let found = of(case.labels.contains(&code));
                    (json!({"system": "urn:s", "code": code}), found)
                }
            }),
            3 => several("data", bits, &IDS, "", |id| {
                let meaning = if id.is_empty() { "related" } else { "instance" };
                let reference = format!("Observation/{id}");
                let found = match case.id {
                    _ if case.resource_type != "Observation" => Tri::No,
                    None => Tri::Perhaps,
                    Some(own) => of(own == id),
                };
                (
                    json!({"meaning": meaning, "reference": {"reference": reference}}),
                    found,
                )
            }),
            4 => {
                let (first, last) = (bits % 16, bits >> 4);
                let found = match case.days {
                    _ if first > last => Tri::Perhaps,
                    None => Tri::Perhaps,
                    // Day by day.
                    Some((from, until)) => {
                        let inside = (from..=until).filter(|day| (first..=last).contains(day));
                        match inside.count() {
                            0 => Tri::No,
                            count if count == usize::from(until - from) + 1 => Tri::Yes,
                            _ => Tri::Perhaps,
                        }
                    }
                };
                (
                    "dataPeriod",
                    json!({"start": day(first), "end": day(last)}),
                    found,
                )
            }
            5 => {
                let (start, found) = match bits % 3 {
                    0 => ("2026-01-01", Tri::Yes),
                    1 => ("2027-03-01", Tri::No),
                    _ => ("soon", Tri::Perhaps),
                };
                ("period", json!({ "start": start }), found)
            }
            6 => several("action", bits, &["access", "correct"], "use", |code| {
                let system = "http://terminology.hl7.org/CodeSystem/consentaction";
                (
                    json!({"coding": [{"system": system, "code": code}]}),
                    of(code == "access"),
                )
            }),
            7 => several(
                "actor",
                bits,
                &["Practitioner/d1", "Organization/h2"],
                "Group/g",
                |who| {
                    let system = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
                    let role = json!({"coding": [{"system": system, "code": "IRCP"}]});
                    let actor = json!({"role": role, "reference": {"reference": who}});
                    (actor, of(who == "Practitioner/d1"))
                },
            ),
            8 => several("purpose", bits, &["TREAT", "HRESCH"], "CAREMGT", |code| {
                let system = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
                (json!({"system": system, "code": code}), of(code == "TREAT"))
            }),
            _ => ("modifierExtension", json!([{"url": "urn:x"}]), Tri::Perhaps),
        };
        if !self.elements.contains_key(name) {
            self.elements.insert(name.to_owned(), value);
            self.found.push(found);
        }
    }
}

/// What rules say together.
pub fn verdict(rules: &[Rule]) -> Option<Effect> {
    let said: Vec<Effect> = rules.iter().filter_map(says).collect();
    match said.contains(&Effect::Deny) {
        true => Some(Effect::Deny),
        false => said.first().copied(),
    }
}

/// What a rule says, if it says anything: the worst of all that it may mean.
fn says(rule: &Rule) -> Option<Effect> {
    let certainly = rule.found.iter().all(|found| *found == Tri::Yes);
    let perhaps = !rule.found.contains(&Tri::No);
    let own = match rule.says {
        Says::Permit => Effect::Permit,
        Says::Deny => Effect::Deny,
        // Of what it is an exception to nobody knows.
        Says::Other => return perhaps.then_some(Effect::Deny),
    };
    match verdict(&rule.exceptions).unwrap_or(own) {
        Effect::Permit => certainly.then_some(Effect::Permit),
        Effect::Deny => perhaps.then_some(Effect::Deny),
    }
}

/// A list of these by their bits, and of one that is not understood; an empty one is not either.
fn several(
    name: &'static str,
    bits: u8,
    known: &[&'static str; 2],
    other: &'static str,
    make: impl Fn(&'static str) -> (Value, Tri),
) -> (&'static str, Value, Tri) {
    let mut items = Vec::new();
    let mut all = Vec::new();
    for (bit, text) in [(1, known[0]), (2, known[1]), (4, other)] {
        if bits & bit != 0 {
            let (item, found) = make(text);
            items.push(item);
            all.push(if bit == 4 { Tri::Perhaps } else { found });
        }
    }
    let found = if all.contains(&Tri::Yes) {
        Tri::Yes
    } else if all.is_empty() || all.contains(&Tri::Perhaps) {
        Tri::Perhaps
    } else {
        Tri::No
    };
    (name, Value::Array(items), found)
}

fn of(holds: bool) -> Tri {
    match holds {
        true => Tri::Yes,
        false => Tri::No,
    }
}

/// One of 24 days.
fn day(number: u8) -> String {
    format!("2020-06-{:02}", number + 1)
}
