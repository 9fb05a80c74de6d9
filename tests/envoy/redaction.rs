//! Rules that replace and generalise, in a real Envoy.

use fhir_guard_harness::client::Request;
use serde_json::json;

use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn values_leave_less_exact_and_cannot_be_searched_or_written_back() {
    let world = World::shared(Setting {
        policy: Some(Box::new(|policy| {
            policy["limits"] = json!([]);
            policy["redaction"] = json!([
                {"name": "dates", "resource": "Patient", "elements": ["birthDate"], "action": "generalize", "to": "year"},
                {"name": "areas", "resource": "Patient", "elements": ["address.postalCode"], "action": "generalize", "to": "area"},
                {"name": "names", "resource": "Patient", "elements": ["name.family", "name.given"], "action": "replace", "with": "***"},
                {"name": "numbers", "resource": "Patient", "elements": ["identifier(system=http://hl7.org/fhir/sid/us-ssn)"], "action": "remove"},
                {"name": "ages", "resource": "Condition", "elements": ["onsetAge"], "action": "generalize", "to": "age"},
            ]);
        })),
        ..Setting::default()
    })
    .await;
    world
        .put(&json!({
            "resourceType": "Patient", "id": "coarse", "birthDate": "1974-12-25", "gender": "male",
            "_birthDate": {"extension": [{"url": "http://example.org/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
            "name": [{"family": "CANARY", "given": ["CANARY", "CANARY"], "use": "official"}],
            "text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">CANARY</div>"},
            "address": [{"postalCode": "02139", "state": "MA"}],
            "identifier": [
                {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "CANARY"},
                {"system": "http://example.org/mrn", "value": "7"},
            ],
        }))
        .await;
    let years = "http://unitsofmeasure.org";
    world
        .put(&json!({
            "resourceType": "Condition", "id": "coarse", "subject": {"reference": "Patient/coarse"},
            "onsetAge": {"value": 93, "unit": "years", "system": years, "code": "a"},
        }))
        .await;
    let claims = world
        .claims()
        .scope("user/*.cruds")
        .fhir_user("Practitioner/7");
    let token = world.issuer.token(&claims);
    let client = world.client();
    for path in ["/r4/Patient/coarse", "/r4/Patient?_id=coarse"] {
        let answer = world.send(&client, Request::get(path).bearer(&token)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.text().contains("CANARY"), "{path}");
        assert!(!answer.text().contains("12-25"), "{path}");
        let body = answer.json().expect("json");
        let patient = match path.contains('?') {
            true => body["entry"][0]["resource"].clone(),
            false => body,
        };
        assert_eq!(patient["birthDate"], "1974", "{path}");
        assert_eq!(patient["address"][0]["postalCode"], "021", "{path}");
        assert_eq!(
            patient["name"],
            json!([{"family": "***", "given": ["***"], "use": "official"}]),
            "{path}"
        );
        assert_eq!(
            patient["identifier"],
            json!([{"system": "http://example.org/mrn", "value": "7"}]),
            "{path}"
        );
        assert_eq!(patient["meta"]["tag"][0]["code"], "SUBSETTED", "{path}");
        let labels = |place: usize| &patient["meta"]["security"][place]["code"];
        assert_eq!([labels(0), labels(1)], ["REDACTED", "MASKED"], "{path}");
    }
    let answer = world
        .send(&client, Request::get("/r4/Condition/coarse").bearer(&token))
        .await;
    assert_eq!(
        answer.json().expect("json")["onsetAge"],
        json!({"value": 90, "comparator": ">=", "unit": "years", "system": years, "code": "a"}),
    );
    for path in ["/r4/Patient?birthdate=1974-12-25", "/r4/Patient?family=x"] {
        let answer = world.send(&client, Request::get(path).bearer(&token)).await;
        assert_eq!(answer.status, 400, "{path}");
    }
    let back = json!({"resourceType": "Patient", "id": "coarse", "birthDate": "1974"});
    let request = Request::new("PUT", "/r4/Patient/coarse").bearer(&token);
    let request = request.body("application/fhir+json", back.to_string());
    assert_eq!(world.send(&client, request).await.status, 400);
    world.close().await;
}
