//! Answers.

use fhir_guard::label::INLINE;

use super::{exports, small};
use crate::sources::literals;

/// Bodies of answers, whole and in parts, under every shape that may fit and every rule.
pub fn screen() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for text in literals(&["src/response/tests"])
        .into_iter()
        .chain(labelled())
        .chain(about_patients())
    {
        let patient = |text: &str| format!(r#"{{"resourceType":"Patient","id":"1"{text}}}"#);
        let entries = |kind: &str, text: &str| {
            format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{text}]}}"#)
        };
        let mut bodies: Vec<(&[u8], String)> = Vec::new();
        if text.trim_start().starts_with(',') {
            bodies.push((&[0, 5], patient(&text)));
        } else if text.trim_start().starts_with('{') {
            if text.contains("Bundle") {
                bodies.push((&[2, 3, 4, 0xc2], text));
            } else if text.contains("\"resource\"") {
                bodies.push((&[2, 3], entries("searchset", &text)));
                bodies.push((&[4, 6], entries("history", &text)));
            } else {
                bodies.push((&[0, 1, 7], text));
            }
        }
        for (shapes, body) in bodies {
            for shape in shapes {
                for rules in [0, 2, 3, 4, 6, 8, 11, 16, 24, 32, 48, 26, 59] {
                    seeds.push([&[*shape, rules, shape ^ rules][..], body.as_bytes()].concat());
                    if rules & 10 != 0 {
                        let labelled = shape | 16;
                        seeds.push(
                            [&[labelled, rules, shape ^ rules][..], body.as_bytes()].concat(),
                        );
                    }
                }
                for cuts in (0..32).filter(|_| body.contains("counted")) {
                    seeds.push([&[*shape, cuts % 2 * 2, cuts][..], body.as_bytes()].concat());
                }
            }
        }
    }
    seeds.extend(exports::seeds());
    small(seeds)
}

/// Bundles and resources with more than guardrails let through.
fn about_patients() -> Vec<String> {
    let observation = |id: usize, rest: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","code":{{"text":"counted"}},{rest}}}"#
        )
    };
    let subjects = [
        r#""subject":{"reference":"Patient/1"}"#,
        r#""subject":{"reference":"Patient/2/_history/3"},"performer":[{"reference":"https://fhir.example.org/r4/Patient/1"},{"reference":"Patient/9"}]"#,
        r##""contained":[{"resourceType":"Patient","id":"p","gender":"male"}],"subject":{"reference":"#p"}"##,
        r##""contained":[{"resourceType":"Patient","id":"p","gender":"other"}],"subject":{"reference":"#p"}"##,
        r#""subject":{"display":"x"},"performer":[{"identifier":{"value":"1"}},{"reference":"urn:x"}]"#,
    ];
    let all = subjects.iter().enumerate();
    let all: Vec<String> = all.map(|(id, rest)| observation(id, rest)).collect();
    let mut seeds = all.clone();
    for kind in ["searchset", "history"] {
        let entry = |resource: String| format!(r#"{{"resource":{resource}}}"#);
        let patients = (0..5).map(|id| format!(r#"{{"resourceType":"Patient","id":"{id}","active":true,"name":[{{"text":"counted"}}]}}"#));
        let deleted = r#"{"request":{"method":"DELETE","url":"Patient/7"}},{"request":{"method":"DELETE","url":"Observation/7"}}"#;
        let observations: Vec<String> = all.iter().cloned().map(entry).collect();
        let patients: Vec<String> = patients.map(entry).collect();
        let contained = ["male", "female", "other", "unknown"].map(|gender| {
            let rest = observations[2].replace("male", gender);
            rest.replace("\"id\":\"2\"", &format!("\"id\":\"{gender}\""))
        });
        let contained = contained.to_vec();
        for entries in [observations, patients, contained] {
            let entries = entries.join(",");
            let link = r#""link":[{"relation":"next","url":"http://fhir/r4/Observation?code=1&_offset=2"}]"#;
            seeds.push(format!(
                r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{entries},{deleted}],{link}}}"#
            ));
        }
    }
    seeds
}

/// Members of a Patient, and Bundles, with labels and with what rules rewrite.
fn labelled() -> Vec<String> {
    let coding = |system: &str, code: &str| {
        format!(r#"{{"system":"http://terminology.hl7.org/CodeSystem/{system}","code":"{code}"}}"#)
    };
    let labels = [
        coding("v3-Confidentiality", "R"),
        coding("v3-Confidentiality", "L"),
        coding("v3-ActCode", "HIV"),
        coding("v3-ActCode", "SUD"),
        "{}".to_owned(),
        r#"{"system":"http://icd","code":"F11.20"}"#.to_owned(),
    ];
    let mut seeds = Vec::new();
    for label in &labels {
        let own = format!(r#"{{"url":"{INLINE}","valueCoding":{label}}}"#);
        let meta = format!(r#""meta":{{"security":[{label}]}}"#);
        for members in [
            meta.clone(),
            format!(r#""extension":[{own}]"#),
            format!(r#"{meta},"name":[{{"extension":[{own}],"family":"x"}}]"#),
            format!(r#""photo":[{{"extension":[{own}],"url":"http://a"}}]"#),
            format!(r#""birthDate":"1970-01-01","_birthDate":{{"extension":[{own}]}}"#),
            format!(r#""name":[{{"given":["a","b"],"_given":[null,{{"extension":[{own}]}}]}}]"#),
            format!(
                r#""name":[{{"period":{{"start":"1970-01-01","_start":{{"extension":[{own}]}}}}}}]"#
            ),
            format!(r#""_language":{{"extension":[{own}]}},"language":"de""#),
            format!(r#""maritalStatus":{{"coding":[{label}]}}"#),
            format!(r#""contained":[{{"resourceType":"Device","id":"d",{meta}}}]"#),
        ] {
            let patient = format!(r#"{{"resourceType":"Patient","id":"1",{members}}}"#);
            seeds.push(format!(r#"{{"extension":[{own}],"resource":{patient}}}"#));
            seeds.push(format!(
                r#"{{"resourceType":"Bundle",{meta},"type":"searchset","entry":[{{"resource":{patient}}}]}}"#
            ));
            seeds.push(format!(",{members}"));
        }
    }
    for members in [
        r#"{"url":"u","valueAge":{"value":93,"unit":"years","code":"a"}}"#,
        r#"{"url":"u","valueAge":{"value":9.3e1,"comparator":"<"}}"#,
        r#"{"url":"u","valueAge":{"value":8,"code":"mo"}},{"url":"v"}"#,
    ] {
        seeds.push(format!(r#","extension":[{members}]"#));
    }
    seeds.push(r#","address":[{"postalCode":"02139","_postalCode":{"id":"x"}}],"birthDate":"1970-01-01","name":[{"period":{"start":"1970-01-01","end":"1980"},"family":"x","given":["y",null]}]"#.to_owned());
    seeds
}
