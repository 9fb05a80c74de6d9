//! Which exchanges are alarming, and how often that is told.

use super::*;

#[test]
fn every_kind_is_told_in_both_forms_and_nothing_else_is() {
    use Outcome::{Allowed, Cut, Forwarded, Proxy, Refused, Undecided, Withheld};
    let score = |action| move |record: &mut Record| record.risk = told(action, &[Detector::Theft]);
    let rule = |rule: &'static str| move |record: &mut Record| record.rule = rule.to_owned();
    let purpose = |purpose: &'static str| {
        move |record: &mut Record| record.purposes = vec![purpose.to_owned()]
    };
    type Change = Box<dyn Fn(&mut Record)>;
    // Kind, severity, disposition.
    type Row = (
        &'static str,
        Change,
        Outcome,
        Option<(&'static str, u64, u64)>,
    );
    let rows: Vec<Row> = vec![
        ("nothing", Box::new(|_| ()), Allowed, None),
        ("refused by a scope", Box::new(rule("scope")), Refused, None),
        (
            "an expired token",
            Box::new(rule("token.expired")),
            Refused,
            None,
        ),
        (
            "shut out before",
            Box::new(rule("risk.isolated")),
            Refused,
            None,
        ),
        ("a limit", Box::new(rule("limit.burst")), Refused, None),
        (
            "the operator's step-up",
            Box::new(rule("step-up.writes")),
            Refused,
            None,
        ),
        (
            "isolated",
            Box::new(score(Action::Isolate)),
            Refused,
            Some(("isolate", 5, 4)),
        ),
        (
            "quarantined",
            Box::new(score(Action::Quarantine)),
            Allowed,
            Some(("quarantine", 4, 3)),
        ),
        (
            "another certificate",
            Box::new(rule("token.binding")),
            Refused,
            Some(("token-binding", 4, 2)),
        ),
        (
            "a scope of that name",
            Box::new(rule("token.binding")),
            Allowed,
            None,
        ),
        (
            "not pinned",
            Box::new(rule("token.pin")),
            Refused,
            Some(("token-pin", 4, 2)),
        ),
        (
            "replayed",
            Box::new(rule("dpop.replay")),
            Refused,
            Some(("dpop-replay", 4, 2)),
        ),
        (
            "no table of proofs",
            Box::new(rule("dpop.replay-table")),
            Refused,
            None,
        ),
        (
            "step-up",
            Box::new(score(Action::StepUp)),
            Refused,
            Some(("step-up", 3, 25)),
        ),
        (
            "clamped",
            Box::new(score(Action::Clamp)),
            Allowed,
            Some(("clamp", 3, 7)),
        ),
        (
            "break-glass",
            Box::new(purpose("BTG")),
            Allowed,
            Some(("break-glass", 3, 17)),
        ),
        (
            "an emergency",
            Box::new(purpose("ETREAT")),
            Cut,
            Some(("break-glass", 3, 17)),
        ),
        (
            "withheld",
            Box::new(purpose("BTG")),
            Withheld,
            Some(("break-glass", 3, 17)),
        ),
        (
            "under way",
            Box::new(purpose("BTG")),
            Forwarded,
            Some(("break-glass", 3, 17)),
        ),
        (
            "break-glass, refused",
            Box::new(purpose("BTG")),
            Refused,
            None,
        ),
        (
            "break-glass, no answer",
            Box::new(purpose("BTG")),
            Proxy,
            None,
        ),
        (
            "break-glass, undecided",
            Box::new(purpose("BTG")),
            Undecided,
            None,
        ),
        ("treatment", Box::new(purpose("TREAT")), Allowed, None),
        (
            "cut by a guardrail",
            Box::new(rule("egress.page")),
            Cut,
            Some(("egress", 3, 7)),
        ),
        (
            "withheld by one",
            Box::new(rule("egress.page")),
            Withheld,
            Some(("egress", 3, 2)),
        ),
        (
            "cut by the upstream",
            Box::new(rule("answer.truncated")),
            Cut,
            None,
        ),
        (
            "only told",
            Box::new(score(Action::Report)),
            Allowed,
            Some(("report", 2, 15)),
        ),
    ];
    let mut seen = BTreeSet::new();
    for (name, change, outcome, expected) in rows {
        for format in [AlertFormat::Ecs, AlertFormat::Ocsf] {
            let mut record = record(format);
            change(&mut record);
            let found = alert(&record, outcome, 200);
            let found = found.map(|found| {
                let (kind, severity, disposition) = match format {
                    AlertFormat::Ecs => ("event.action", "event.severity", "none"),
                    AlertFormat::Ocsf => ("metadata.event_code", "severity_id", "disposition_id"),
                };
                let kind = at(&found, kind).as_str().expect("a kind").to_owned();
                (
                    kind,
                    at(&found, severity).as_u64(),
                    at(&found, disposition).as_u64(),
                )
            });
            let wanted = expected.map(|(kind, severity, disposition)| {
                let disposition = (format == AlertFormat::Ocsf).then_some(disposition);
                (kind.to_owned(), Some(severity), disposition)
            });
            seen.extend(expected.map(|(kind, ..)| kind));
            assert_eq!(found, wanted, "{name}, {format:?}");
            record.policy = Rc::new(policy(None));
            assert_eq!(alert(&record, outcome, 200), None, "{name}: off");
        }
    }
    let all: BTreeSet<&str> = Alarm::ALL.into_iter().map(Alarm::name).collect();
    assert_eq!(seen, all);
    let severities: Vec<Severity> = Alarm::ALL.into_iter().map(Alarm::severity).collect();
    assert!(
        severities.is_sorted_by(|one, next| one >= next),
        "the gravest first"
    );
}

#[test]
fn the_gravest_is_told_with_what_else_there_is() {
    let mut repeats = Repeats::default();
    let record = worst(AlertFormat::Ecs);
    let mut tell = |record: &Record, seconds: u64| {
        let now = NOW + seconds * 1_000_000_000;
        let alert = record.alert(Outcome::Cut, 200, now, &mut repeats)?;
        let value: Value = serde_json::from_str(&alert.line).expect("JSON");
        let labels = &value["labels"];
        Some((
            value["event"]["action"]
                .as_str()
                .expect("a kind")
                .to_owned(),
            labels["also"].clone(),
            labels["left_out"].clone(),
        ))
    };
    let quarantine = |also: Value, left_out: Value| Some(("quarantine".to_owned(), also, left_out));
    assert_eq!(
        tell(&record, 0),
        quarantine(json!(["break-glass", "egress"]), Value::Null)
    );
    assert_eq!(tell(&record, 1), None, "just told");
    let mut calm = record.clone();
    calm.risk = None;
    assert_eq!(tell(&calm, 2), None, "a part of what was just told");
    let mut new = record.clone();
    new.risk = told(Action::Clamp, &[Detector::Volume]);
    let clamp = (
        "clamp".to_owned(),
        json!(["break-glass", "egress"]),
        Value::Null,
    );
    assert_eq!(tell(&new, 3), Some(clamp), "another kind");
    // One was of quarantine, three were of each of the others.
    assert_eq!(
        tell(&record, 60),
        quarantine(json!(["break-glass", "egress"]), json!("3"))
    );
}

#[test]
fn an_alert_is_repeated_for_others() {
    type Change = fn(&mut Record);
    let rows: [(&str, Change, Outcome, Change, bool); 9] = [
        ("the same", |_| (), Outcome::Cut, |_| (), false),
        (
            "another certificate",
            |_| (),
            Outcome::Cut,
            |own| own.certificate = Some("00".to_owned()),
            true,
        ),
        (
            "another address of the same",
            |_| (),
            Outcome::Cut,
            |own| own.address = Some("::1".to_owned()),
            false,
        ),
        (
            "another client without one",
            |own| own.certificate = None,
            Outcome::Cut,
            |own| own.client = Some("b".to_owned()),
            true,
        ),
        (
            "another issuer of it",
            |own| own.certificate = None,
            Outcome::Cut,
            |own| own.issuer = Some("b".to_owned()),
            true,
        ),
        (
            "another user, who breaks the glass",
            |own| own.risk = None,
            Outcome::Cut,
            |own| own.subject = Some("b".to_owned()),
            true,
        ),
        (
            "another user of who is isolated",
            |own| own.risk = told(Action::Isolate, &[]),
            Outcome::Refused,
            |own| own.subject = Some("b".to_owned()),
            false,
        ),
        (
            "another stolen token",
            |own| (own.rule, own.risk, own.certificate) = ("token.binding".to_owned(), None, None),
            Outcome::Refused,
            |own| own.client = Some("b".to_owned()),
            false,
        ),
        (
            "from elsewhere",
            |own| (own.rule, own.risk, own.certificate) = ("token.binding".to_owned(), None, None),
            Outcome::Refused,
            |own| own.address = Some("::1".to_owned()),
            true,
        ),
    ];
    for (name, begin, outcome, change, expected) in rows {
        let mut repeats = Repeats::default();
        let mut record = worst(AlertFormat::Ecs);
        begin(&mut record);
        assert!(
            record.alert(outcome, 200, NOW, &mut repeats).is_some(),
            "{name}"
        );
        change(&mut record);
        let again = record.alert(outcome, 200, NOW, &mut repeats);
        assert_eq!(again.is_some(), expected, "{name}");
    }
}
