//! Rules about when things were.

use super::*;

#[test]
fn dates_are_those_that_the_search_parameter_looks_at() {
    let year = || json!({"start": "2020-01-01", "end": "2020-12-31"});
    let at = |text: &str| resource("Observation", "effectiveDateTime", &json!(text));
    let period = |value: Value| resource("Observation", "effectivePeriod", &value);
    let events = |events: Value| {
        json!({"resourceType": "MedicationRequest",
        "dosageInstruction": [{"text": "x"}, {"timing": {"event": events}}]})
    };
    for (name, resource, (permits, denies)) in [
        ("a day inside", at("2020-06-01"), YES),
        ("the first day", at("2020-01-01"), YES),
        ("the last day", at("2020-12-31"), YES),
        ("the day before", at("2019-12-31"), NO),
        ("the day after", at("2021-01-01"), NO),
        ("a month", at("2020-12"), YES),
        ("the year", at("2020"), YES),
        ("a time", at("2020-06-01T08:00:00+02:00"), YES),
        (
            "a time of the first day",
            at("2020-01-01T08:00:00Z"),
            UNKNOWN,
        ),
        (
            "a time that is the day before everywhere",
            at("2019-12-31T09:59:59Z"),
            NO,
        ),
        (
            "a time that may be the first day",
            at("2019-12-31T10:00:00Z"),
            UNKNOWN,
        ),
        ("words", at("last year"), UNKNOWN),
        ("nothing", json!({"resourceType": "Observation"}), UNKNOWN),
        (
            "a number",
            resource("Observation", "effectiveDateTime", &json!(2020)),
            UNKNOWN,
        ),
        (
            "an instant",
            resource(
                "Observation",
                "effectiveInstant",
                &json!("2020-06-01T08:00:00Z"),
            ),
            YES,
        ),
        (
            "a period",
            period(json!({"start": "2020-02", "end": "2020-03"})),
            YES,
        ),
        (
            "a period that begins before",
            period(json!({"start": "2019-12-31", "end": "2020-03"})),
            UNKNOWN,
        ),
        (
            "a period that ends later",
            period(json!({"start": "2020-02", "end": "2021"})),
            UNKNOWN,
        ),
        (
            "a period around",
            period(json!({"start": "2019", "end": "2021"})),
            UNKNOWN,
        ),
        (
            "a period before",
            period(json!({"start": "2018", "end": "2019"})),
            NO,
        ),
        ("a period after", period(json!({"start": "2021"})), NO),
        (
            "an open period",
            period(json!({"start": "2020-02"})),
            UNKNOWN,
        ),
        (
            "a period of an end",
            period(json!({"end": "2020-02"})),
            UNKNOWN,
        ),
        ("a period that was over", period(json!({"end": "2019"})), NO),
        ("an empty period", period(json!({})), UNKNOWN),
        (
            "a period the wrong way round",
            period(json!({"start": "2020-06", "end": "2020-01"})),
            UNKNOWN,
        ),
        (
            "a timing",
            resource(
                "Observation",
                "effectiveTiming",
                &json!({"event": ["2020-06-01"]}),
            ),
            UNKNOWN,
        ),
        (
            "a text that looks like a date",
            resource("Immunization", "occurrenceString", &json!("2020")),
            UNKNOWN,
        ),
        (
            "an age",
            resource("Procedure", "performedAge", &json!({"value": 2020})),
            UNKNOWN,
        ),
        ("events", events(json!(["2020-06-01", "2020-07-01"])), YES),
        (
            "events, one after",
            events(json!(["2020-06-01", "2021-07-01"])),
            UNKNOWN,
        ),
        (
            "events after",
            events(json!(["2021-06-01", "2021-07-01"])),
            NO,
        ),
        (
            "as many as are looked at",
            events(json!(vec!["2020-06-01"; 1000])),
            YES,
        ),
        ("one more", events(json!(vec!["2020-06-01"; 1001])), UNKNOWN),
        (
            "an encounter",
            resource(
                "Encounter",
                "period",
                &json!({"start": "2020-06-01T08:00:00Z", "end": "2020-06-02T08:00:00Z"}),
            ),
            YES,
        ),
        (
            "a type without the parameter",
            resource("Condition", "recordedDate", &json!("2020-06-01")),
            UNKNOWN,
        ),
    ] {
        check(name, ("dataPeriod", year()), &resource, permits, denies);
    }
    for (name, period, (permits, denies)) in [
        ("open", json!({"start": "2020"}), YES),
        ("open, later", json!({"start": "2021"}), NO),
        ("until", json!({"end": "2020"}), YES),
        (
            "times",
            json!({"start": "2020-06-01T00:00:00+12:00", "end": "2020-06-01T23:59:59.5+12:00"}),
            UNKNOWN,
        ),
        (
            "times around",
            json!({"start": "2020-05-31T10:00:00Z", "end": "2020-06-02T11:59:59Z"}),
            YES,
        ),
        ("words", json!({"start": "June"}), UNKNOWN),
        (
            "the wrong way round",
            json!({"start": "2021", "end": "2019"}),
            UNKNOWN,
        ),
        ("empty", json!({}), UNKNOWN),
        ("a list", json!([{"start": "2020"}]), UNKNOWN),
        ("null", json!(null), UNKNOWN),
        ("modified", json!({"start": "2020", "_end": {}}), UNKNOWN),
    ] {
        check(
            name,
            ("dataPeriod", period),
            &at("2020-06-01"),
            permits,
            denies,
        );
    }
    // What is inside the last second is not later.
    let until = json!({"start": "2020-06-01T00:00:00Z", "end": "2020-06-01T08:00:00Z"});
    check(
        "a fraction",
        ("dataPeriod", until),
        &at("2020-06-01T08:00:00.9Z"),
        true,
        true,
    );
}
