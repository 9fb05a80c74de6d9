//! The expressions of the published search parameters: the few forms of FHIRPath that they have.

/// One alternative of an expression.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Alternative {
    /// The steps, without the resource type at their beginning.
    pub steps: Vec<Step>,
    /// The resource type at the beginning; `None` where the expression has none.
    pub of: Option<String>,
    /// The one type that the reference at the end must lead to.
    pub only: Option<String>,
    /// Not every value counts: a condition of another kind stands somewhere.
    pub some: bool,
}

/// An element, and the type that is meant where it is a choice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Step {
    /// As in the expression; of a choice without the type.
    pub name: String,
    /// `as` or `.as()`.
    pub as_type: Option<String>,
}

/// Reads an expression; `None` where it has a form that is not among them.
pub fn read(expression: &str) -> Option<Vec<Alternative>> {
    let mut found = Vec::new();
    for alternative in split(expression, "|") {
        let conditions = split(alternative, " and ");
        let several = conditions.len() > 1;
        for condition in conditions {
            // The one comparison there is: what it compares is an element as any other.
            let left = condition.split("!=").next().unwrap_or_default();
            let mut one = alternative_of(left.trim())?;
            one.some |= several;
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    Some(found)
}

/// The parts between separators that stand in no parentheses.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(separator) => {
                parts.push(text[start..at].trim());
                start = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn alternative_of(text: &str) -> Option<Alternative> {
    let mut made = Alternative::default();
    for (index, part) in split(text, ".").into_iter().enumerate() {
        if let Some(inner) = part
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            if index > 0 {
                return None;
            }
            let (path, as_type) = inner.split_once(" as ")?;
            made = alternative_of(path.trim())?;
            made.steps.last_mut()?.as_type = Some(as_type.trim().to_owned());
            continue;
        }
        let Some((function, argument)) = part.split_once('(') else {
            made.step(index, part)?;
            continue;
        };
        let argument = argument.strip_suffix(')')?.trim();
        match function {
            "as" => made.steps.last_mut()?.as_type = Some(argument.to_owned()),
            "exists" if argument.is_empty() => made.some = true,
            "where" => match argument.strip_prefix("resolve() is ") {
                Some(only) => made.only = Some(only.trim().to_owned()),
                None => made.some = true,
            },
            _ => return None,
        }
    }
    Some(made)
}

impl Alternative {
    fn step(&mut self, index: usize, part: &str) -> Option<()> {
        // `%resource` begins at the resource again, wherever the expression is evaluated.
        if index == 0 && part == "%resource" {
            self.of = Some(part.to_owned());
            return Some(());
        }
        let (name, place) = part
            .split_once('[')
            .map_or((part, None), |(name, place)| (name, Some(place)));
        self.some |= place.is_some();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        if index == 0 && name.starts_with(|first: char| first.is_ascii_uppercase()) {
            self.of = Some(name.to_owned());
        } else {
            self.steps.push(Step {
                name: name.to_owned(),
                as_type: None,
            });
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &str) {
        let found = read(expression).map(|alternatives| {
            let shown = alternatives.iter().map(|one| {
                let steps = one.steps.iter().map(|step| match &step.as_type {
                    Some(as_type) => format!("{}:{as_type}", step.name),
                    None => step.name.clone(),
                });
                let of = one.of.as_deref().unwrap_or("?");
                let only = one
                    .only
                    .as_ref()
                    .map(|only| format!(" only {only}"))
                    .unwrap_or_default();
                let some = if one.some { " some" } else { "" };
                format!("{of}/{}{only}{some}", steps.collect::<Vec<_>>().join("."))
            });
            shown.collect::<Vec<_>>().join(" | ")
        });
        assert_eq!(
            found.as_deref().unwrap_or("unknown"),
            expected,
            "{expression}"
        );
    }

    #[test]
    fn every_form_of_the_published_expressions_is_read() {
        for (expression, expected) in [
            ("Patient.name.given", "Patient/name.given"),
            ("Patient.name | Person.name", "Patient/name | Person/name"),
            ("name | alias", "?/name | ?/alias"),
            ("Observation", "Observation/"),
            (
                "(Observation.value as Quantity)",
                "Observation/value:Quantity",
            ),
            (
                "(Observation.value as CodeableConcept).text",
                "Observation/value:CodeableConcept.text",
            ),
            (
                "Condition.onset.as(Age) | Condition.onset.as(Range)",
                "Condition/onset:Age | Condition/onset:Range",
            ),
            (
                "Encounter.subject.where(resolve() is Patient)",
                "Encounter/subject only Patient",
            ),
            (
                "Person.telecom.where(system='email')",
                "Person/telecom some",
            ),
            (
                "Library.relatedArtifact.where(type='composed-of').resource",
                "Library/relatedArtifact.resource some",
            ),
            ("Bundle.entry[0].resource", "Bundle/entry.resource some"),
            (
                "Patient.deceased.exists() and Patient.deceased != false",
                "Patient/deceased some",
            ),
            (
                "%resource.referenceSeq.chromosome",
                "%resource/referenceSeq.chromosome",
            ),
            (
                "value.as(DateTime) | value.as(Period)",
                "?/value:DateTime | ?/value:Period",
            ),
            ("Patient.name.first()", "unknown"),
            ("Patient.extension('http://a.example').value", "unknown"),
            ("iif(a, b)", "unknown"),
            ("", "unknown"),
        ] {
            check(expression, expected);
        }
    }
}
