//! What is counted of exchanges, for the statistics of the proxy.
//!
//! One list of metrics, [`Metric`]; docs/metrics.md says what each means, and a test compares the two. What is
//! counted is kept by the worker and handed to the proxy at every tick, so that an exchange calls the host for
//! none of it. A worker that dies loses what it counted since the last one.
//!
//! No name and no label has anything in it that a caller wrote: labels are words of ours, or names that the
//! operator gave. Of those there may be as many as [`LABELS`]; what comes then counts as `other`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::audit::{Outcome, Record, Severity};

/// The most different labels of all metrics together that one worker tells apart.
pub const LABELS: usize = 512;
/// The longest label, in bytes; longer ones are cut.
pub const LABEL: usize = 64;
/// How many durations are kept at most. One that finds no room is not told, and counted all the same.
pub const DURATIONS: usize = 256;

const SECOND: u64 = 1_000_000_000;

/// Everything that is counted or told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Metric {
    /// Exchanges by how they ended.
    Exchanges,
    /// Refusals, and answers withheld, by the rule that decided.
    Refusals,
    /// Exchanges by what was asked for.
    Interactions,
    /// Resources by what became of them.
    Resources,
    /// From the first byte of the request to the last of the answer, upstream included.
    Duration,
    /// How long exchanges waited until their intents were acknowledged.
    Announced,
    /// What rules that only report would have refused.
    Reported,
    /// Exchanges that had priority over a limit.
    Priority,
    /// Exchanges of callers about whom a detector has spoken.
    Detections,
    /// What was done about such callers.
    Actions,
    /// Alerts that were made.
    Alerts,
    /// Calls to other servers.
    Calls,
    /// Of those, the ones that brought nothing of use.
    FailedCalls,
    /// What waits for the repository of records on one worker, looked at once a second where it is anything.
    Queued,
    /// Records that went to the access log alone.
    Lost,
    /// When a document of another server was last fetched and good.
    Fetched,
    /// When the newest configuration was taken.
    Configured,
    /// What exchanges under way hold on one worker, looked at once a second where it is anything.
    Held,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// The value that was told last, whichever worker told it.
    Gauge,
    /// Single values.
    Histogram,
}

/// One change, for the proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// The full name, with its label: see [`Metric::stat`].
    pub name: Cow<'static, str>,
    /// What it is.
    pub kind: Kind,
    /// What a counter grows by, or the value.
    pub value: u64,
}

impl Metric {
    /// All of them, in the order of the documentation.
    pub const ALL: [Metric; 18] = [
        Metric::Exchanges,
        Metric::Refusals,
        Metric::Interactions,
        Metric::Resources,
        Metric::Duration,
        Metric::Announced,
        Metric::Reported,
        Metric::Priority,
        Metric::Detections,
        Metric::Actions,
        Metric::Alerts,
        Metric::Calls,
        Metric::FailedCalls,
        Metric::Queued,
        Metric::Lost,
        Metric::Fetched,
        Metric::Configured,
        Metric::Held,
    ];

    /// Its name, as Prometheus shows it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Exchanges => "fhir_guard_exchanges_total",
            Metric::Refusals => "fhir_guard_refusals_total",
            Metric::Interactions => "fhir_guard_interactions_total",
            Metric::Resources => "fhir_guard_resources_total",
            Metric::Duration => "fhir_guard_exchange_milliseconds",
            Metric::Announced => "fhir_guard_announced_milliseconds",
            Metric::Reported => "fhir_guard_reported_total",
            Metric::Priority => "fhir_guard_priority_total",
            Metric::Detections => "fhir_guard_detections_total",
            Metric::Actions => "fhir_guard_actions_total",
            Metric::Alerts => "fhir_guard_alerts_total",
            Metric::Calls => "fhir_guard_calls_total",
            Metric::FailedCalls => "fhir_guard_failed_calls_total",
            Metric::Queued => "fhir_guard_audit_queued_bytes",
            Metric::Lost => "fhir_guard_audit_lost_total",
            Metric::Fetched => "fhir_guard_fetched_seconds",
            Metric::Configured => "fhir_guard_configured_seconds",
            Metric::Held => "fhir_guard_held_bytes",
        }
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        match self {
            Metric::Announced | Metric::Duration | Metric::Held | Metric::Queued => Kind::Histogram,
            Metric::Fetched | Metric::Configured => Kind::Gauge,
            _ => Kind::Counter,
        }
    }

    /// The name of its label.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Metric::Exchanges => Some("outcome"),
            Metric::Refusals | Metric::Reported => Some("rule"),
            Metric::Interactions => Some("interaction"),
            Metric::Resources => Some("decision"),
            Metric::Priority => Some("limit"),
            Metric::Detections => Some("detector"),
            Metric::Actions => Some("response"),
            Metric::Alerts => Some("severity"),
            Metric::Calls | Metric::FailedCalls => Some("purpose"),
            Metric::Fetched => Some("document"),
            Metric::Announced
            | Metric::Duration
            | Metric::Configured
            | Metric::Held
            | Metric::Queued
            | Metric::Lost => None,
        }
    }

    /// The labels that are there from the beginning, at nothing.
    fn known(self) -> &'static [&'static str] {
        match self {
            Metric::Exchanges => &[
                "allowed",
                "cut",
                "proxy",
                "refused",
                "undecided",
                "withheld",
            ],
            Metric::Resources => &["passed", "redacted", "removed"],
            Metric::Lost => &[""],
            _ => &[],
        }
    }

    /// The name of the proxy's statistic with this label. The label stands before the name, between marks by
    /// which `stats_tags` (in Istio `extraStatTags`) know it, for a filter cannot give labels otherwise.
    pub fn stat(self, value: &str) -> Cow<'static, str> {
        let name = self.name();
        match self.label() {
            Some(label) => format!("{label}=.={value};.;{name}").into(),
            None => name.into(),
        }
    }
}

/// What a worker has counted and not handed to the proxy yet.
#[derive(Debug)]
pub struct Meters {
    /// By metric and label: what was told since the last time, if anything was.
    values: BTreeMap<Metric, BTreeMap<String, Option<u64>>>,
    labels: usize,
    durations: Vec<(Metric, u64)>,
}

impl Default for Meters {
    fn default() -> Meters {
        Meters::new()
    }
}

impl Meters {
    /// Nothing is counted yet; what is known before is told as nothing.
    pub fn new() -> Meters {
        let mut meters = Meters {
            values: BTreeMap::new(),
            labels: 0,
            durations: Vec::with_capacity(DURATIONS),
        };
        for metric in Metric::ALL {
            for label in metric.known() {
                meters.add(metric, label, 0);
            }
        }
        meters
    }

    /// Tells that a configuration was taken; `now` is in nanoseconds since 1970.
    pub fn configured(&mut self, now: u64) {
        self.set(Metric::Configured, "", now / SECOND);
    }

    /// Counts an exchange that is over, which took so many nanoseconds.
    pub fn ended(&mut self, record: &Record, outcome: Outcome, took: u64) {
        self.add(Metric::Exchanges, outcome.name(), 1);
        if matches!(outcome, Outcome::Refused | Outcome::Withheld) {
            self.add(Metric::Refusals, rule(&record.rule), 1);
        }
        if let Some(interaction) = record.interaction {
            self.add(Metric::Interactions, interaction, 1);
        }
        for (decision, count) in [
            ("passed", record.passed),
            ("redacted", record.redacted),
            ("removed", record.removed),
        ] {
            if count > 0 {
                self.add(Metric::Resources, decision, count);
            }
        }
        for reported in &record.reported {
            self.add(Metric::Reported, rule(reported), 1);
        }
        for limit in &record.priority {
            self.add(Metric::Priority, limit, 1);
        }
        for detector in record.risk.iter().flat_map(|risk| &risk.reasons) {
            self.add(Metric::Detections, detector.name(), 1);
        }
        if let Some(risk) = &record.risk {
            self.add(Metric::Actions, risk.action.name(), 1);
        }
        let announced = record
            .announced
            .map(|time| (Metric::Announced, time / 1000));
        let durations = announced.into_iter();
        for one in durations.chain([(Metric::Duration, took / 1_000_000)]) {
            if self.durations.len() < DURATIONS {
                self.durations.push(one);
            }
        }
    }

    /// Counts an alert.
    pub fn alerted(&mut self, severity: Severity) {
        self.add(Metric::Alerts, &severity.name().to_ascii_lowercase(), 1);
    }

    /// Counts a call to another server, and whether it brought anything of use.
    pub fn called(&mut self, purpose: &str, good: bool) {
        self.add(Metric::Calls, purpose, 1);
        self.add(Metric::FailedCalls, purpose, u64::from(!good));
    }

    /// Tells when a document was last fetched and good, in nanoseconds since 1970.
    pub fn fetched(&mut self, document: &str, at: u64) {
        self.set(Metric::Fetched, document, at / SECOND);
    }

    /// Tells how many bytes are held.
    pub fn held(&mut self, bytes: usize) {
        if bytes > 0 {
            self.set(Metric::Held, "", u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    /// Tells how many bytes wait for a repository, and counts the records that it will not get.
    pub fn queued(&mut self, bytes: usize, lost: u64) {
        if bytes > 0 {
            self.set(Metric::Queued, "", u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        if lost > 0 {
            self.add(Metric::Lost, "", lost);
        }
    }

    /// Whether there is no room for more of what is not counted but told one by one: time to
    /// [`take`](Self::take) it.
    pub fn is_full(&self) -> bool {
        self.durations.len() >= DURATIONS
    }

    /// What has changed since the last time, for the proxy.
    pub fn take(&mut self) -> Vec<Change> {
        let values = self.values.iter_mut().flat_map(|(metric, labels)| {
            labels.iter_mut().filter_map(|(label, value)| {
                Some(Change {
                    name: metric.stat(label),
                    kind: metric.kind(),
                    value: value.take()?,
                })
            })
        });
        let durations = self.durations.drain(..).map(|(metric, value)| Change {
            name: metric.stat(""),
            kind: metric.kind(),
            value,
        });
        values.chain(durations).collect()
    }

    fn add(&mut self, metric: Metric, label: &str, value: u64) {
        self.tell(metric, label, |told| told.saturating_add(value));
    }

    fn set(&mut self, metric: Metric, label: &str, value: u64) {
        self.tell(metric, label, |_| value);
    }

    fn tell(&mut self, metric: Metric, label: &str, new: impl FnOnce(u64) -> u64) {
        let labels = self.values.entry(metric).or_default();
        // Nearly all are known, and written as they are: no text is made for them.
        if let Some(value) = labels.get_mut(label) {
            *value = Some(new(value.unwrap_or(0)));
            return;
        }
        let mut own = safe(label);
        if !labels.contains_key(&own) {
            match self.labels < LABELS {
                true => self.labels += 1,
                false => own = "other".to_owned(),
            }
        }
        let value = labels.entry(own).or_default();
        *value = Some(new(value.unwrap_or(0)));
    }
}

/// A rule's name without what it found: that may be text of the upstream.
fn rule(rule: &str) -> &str {
    rule.split_once(':').map_or(rule, |(name, _)| name)
}

/// A label in which nothing is left that the proxy's names or Prometheus would read as anything else.
fn safe(label: &str) -> String {
    let plain = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => char::from(byte),
        _ => '_',
    };
    label.bytes().take(LABEL).map(plain).collect()
}
