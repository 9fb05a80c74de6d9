//! Files and manifests of exports, and requests for them.

use crate::sources::literals;

/// Files line by line, and manifests, for the screen.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut bodies: Vec<(u8, String)> = Vec::new();
    let texts = literals(&["src/response/tests"]);
    let resources = |of: &str| {
        let own = texts.iter().filter(|text| text.starts_with('{'));
        let of = format!(r#""resourceType":"{of}""#);
        own.filter(move |text| text.contains(&of) && !text.contains('\n'))
            .cloned()
            .collect::<Vec<_>>()
    };
    for (shape, of) in [(0x38, "Observation"), (0x39, "Patient")] {
        let plain =
            |id: &str, rest: &str| format!(r#"{{"resourceType":"{of}","id":"{id}"{rest}}}"#);
        let mut lines = resources(of);
        lines.extend([
            plain("1", ""),
            plain("2", r#","birthDate":"1970-01-01","name":[{"family":"x"}]"#),
            plain(
                "3",
                r#","subject":{"reference":"Patient/1"},"valueString":"x""#,
            ),
            plain(
                "4",
                r#","subject":{"reference":"Patient/2"},"note":[{"text":"\n"}]"#,
            ),
            plain("5", r#","category":[{"coding":[{"code":"laboratory"}]}]"#),
        ]);
        for pair in lines.windows(2) {
            bodies.push((shape, pair.join("\n") + "\n"));
            bodies.push((shape, format!("\r\n {}\r\n\n", pair[0])));
            bodies.push((shape | 0xc0, pair[1].clone()));
        }
        bodies.push((shape, lines.concat()));
        bodies.push((shape, lines[0].replace(',', ",\n")));
    }
    for issue in [
        r#"{"severity":"warning","code":"not-found","diagnostics":"x"}"#,
        r#"{"severity":"x","code":7}"#,
        r#"null,{"code":"value"}"#,
    ] {
        let line = format!(r#"{{"resourceType":"OperationOutcome","issue":[{issue}]}}"#);
        bodies.push((0x3a, format!("{line}\n{line}\n")));
    }
    let file = |of: &str, rest: &str| {
        format!(r#"{{"type":"{of}","url":"http://fhir/files/a","count":7{rest}}}"#)
    };
    for (output, error, rest) in [
        (file("Patient", ""), String::new(), ""),
        (
            [file("Patient", ""), file("Goal", ""), "7".to_owned()].join(","),
            file("OperationOutcome", ""),
            r#","deleted":[{}]"#,
        ),
        (
            file("Observation", r#","extension":{}"#),
            String::new(),
            r#","link":[{}]"#,
        ),
        (
            r#"{"type":"Patient","url":"https://x/a"}"#.to_owned(),
            String::new(),
            "",
        ),
    ] {
        bodies.push((
            0x3b,
            format!(
                r#"{{"transactionTime":"2026-01-01T00:00:00Z","request":"x","requiresAccessToken":false,"output":[{output}],"error":[{error}]{rest}}}"#
            ),
        ));
    }
    let mut seeds = Vec::new();
    for (shape, body) in bodies {
        for rules in [0, 1, 2, 3, 4, 11, 16, 32, 59] {
            seeds.push([&[shape, rules, shape ^ rules][..], body.as_bytes()].concat());
        }
    }
    seeds
}

/// Requests that start an export, links of ours, and links of a server in the place of a body.
pub fn requests() -> Vec<Vec<u8>> {
    let texts = literals(&["src/request/tests/exports.rs", "tests/it/exchange/exports"]);
    let links: Vec<&String> = texts
        .iter()
        .filter(|text| {
            text.starts_with("http") || text.starts_with("/base") || text.starts_with("/files")
        })
        .collect();
    let mut seeds = Vec::new();
    for (number, path) in texts
        .iter()
        .filter(|text| text.contains("export"))
        .enumerate()
    {
        let (_, path) = path.split_once('/').unwrap_or(("", path));
        let path = path.strip_prefix("r4/").unwrap_or(path);
        let link = links[number % links.len()];
        for method in [0, 5] {
            seeds.push(
                [
                    &[method],
                    &b"/r4/"[..],
                    path.as_bytes(),
                    b"\n",
                    link.as_bytes(),
                ]
                .concat(),
            );
        }
    }
    for filter in [
        "Observation?code=x",
        "Patient?gender=male",
        "Patient?birthdate=1970",
        "Observation?patient=p1&status=final",
    ] {
        for place in ["", "Patient/", "Group/g1/"] {
            let filter = filter.replace('&', "%26");
            let path = format!("/r4/{place}$export?_type=Observation,Patient&_typeFilter={filter}");
            seeds.push([b"\0", path.as_bytes(), b"\nhttp://fhir/files/a"].concat());
        }
    }
    for link in links {
        seeds.push([b"\0/r4/$export\n", link.as_bytes()].concat());
    }
    seeds
}
