//! The functions that a condition may call.

use super::evaluate::Fault;
use super::network::{Network, ip};
use super::time::{Timestamp, duration};
use super::value::{Type, Value};

/// A function of values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Timestamp,
    Duration,
    Ip,
    IsIp,
    Cidr,
    ContainsIp,
    /// A time span in whole units of so many nanoseconds, the rest of a larger one if there is one.
    Span(i64, Option<i64>),
}

/// A part of a date or a time of day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Field {
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    FullYear,
    Hours,
    Milliseconds,
    Minutes,
    Month,
    Seconds,
}

/// Functions of their arguments alone: name, argument, result.
const GLOBAL: [(&str, Function, &[Type], Type); 6] = [
    (
        "size",
        Function::Size,
        &[Type::String, Type::List, Type::Map],
        Type::Int,
    ),
    (
        "timestamp",
        Function::Timestamp,
        &[Type::String, Type::Int, Type::Timestamp],
        Type::Timestamp,
    ),
    (
        "duration",
        Function::Duration,
        &[Type::String, Type::Duration],
        Type::Duration,
    ),
    ("ip", Function::Ip, &[Type::String], Type::Ip),
    ("isIP", Function::IsIp, &[Type::String], Type::Bool),
    ("cidr", Function::Cidr, &[Type::String], Type::Network),
];

/// Functions of a value with one argument: name, value, argument.
const RECEIVER: [(&str, Function, Type, &[Type]); 4] = [
    (
        "startsWith",
        Function::StartsWith,
        Type::String,
        &[Type::String],
    ),
    (
        "endsWith",
        Function::EndsWith,
        Type::String,
        &[Type::String],
    ),
    (
        "contains",
        Function::Contains,
        Type::String,
        &[Type::String],
    ),
    (
        "containsIP",
        Function::ContainsIp,
        Type::Network,
        &[Type::Ip, Type::String],
    ),
];

/// Parts of an instant, and of a time span where that has them.
const FIELDS: [(&str, Field, Option<Function>); 10] = [
    ("getDate", Field::Date, None),
    ("getDayOfMonth", Field::DayOfMonth, None),
    ("getDayOfWeek", Field::DayOfWeek, None),
    ("getDayOfYear", Field::DayOfYear, None),
    ("getFullYear", Field::FullYear, None),
    (
        "getHours",
        Field::Hours,
        Some(Function::Span(3_600_000_000_000, None)),
    ),
    (
        "getMilliseconds",
        Field::Milliseconds,
        Some(Function::Span(1_000_000, Some(1000))),
    ),
    (
        "getMinutes",
        Field::Minutes,
        Some(Function::Span(60_000_000_000, None)),
    ),
    ("getMonth", Field::Month, None),
    (
        "getSeconds",
        Field::Seconds,
        Some(Function::Span(1_000_000_000, None)),
    ),
];

/// What CEL has elsewhere, and why it is not here.
const REFUSED: [(&str, &str); 7] = [
    ("all", LOOP),
    ("exists", LOOP),
    ("exists_one", LOOP),
    ("existsOne", LOOP),
    ("filter", LOOP),
    ("map", LOOP),
    (
        "matches",
        "regular expressions are not supported; expected ==, in, startsWith, endsWith or contains",
    ),
];
const LOOP: &str = "loops over lists are not supported; expected in, == or an index";

/// Why a name of CEL is no function here.
pub(super) fn refused(name: &str) -> Option<&'static str> {
    let refused = REFUSED.iter().find(|(known, _)| *known == name);
    refused.map(|(_, why)| *why)
}

/// The function of this name with what it takes and gives.
pub(super) fn global(name: &str) -> Option<(Function, &'static [Type], Type)> {
    let known = GLOBAL.iter().find(|(known, ..)| *known == name);
    known.map(|(_, function, takes, gives)| (*function, *takes, *gives))
}

/// The function of this name, of what it is a function, and what else it takes.
pub(super) fn receiver(name: &str) -> Option<(Function, Type, &'static [Type])> {
    let known = RECEIVER.iter().find(|(known, ..)| *known == name);
    known.map(|(_, function, of, takes)| (*function, *of, *takes))
}

/// The part of an instant of this name, and the function of a time span.
pub(super) fn field(name: &str) -> Option<(Field, Option<Function>)> {
    let known = FIELDS.iter().find(|(known, ..)| *known == name);
    known.map(|(_, field, span)| (*field, *span))
}

/// The names of all functions, of values or not.
pub(super) fn names(of_value: bool) -> Vec<String> {
    let names: Vec<&str> = match of_value {
        false => GLOBAL.iter().map(|known| known.0).chain(["has"]).collect(),
        true => {
            let fields = FIELDS.iter().map(|known| known.0);
            let known = RECEIVER.iter().map(|known| known.0);
            known.chain(fields).chain(["size"]).collect()
        }
    };
    names.into_iter().map(str::to_owned).collect()
}

/// What a text of a function's should have been.
pub(super) fn expected(function: Function) -> &'static str {
    match function {
        Function::Timestamp => "a time such as \"2026-01-31T08:00:00Z\"",
        Function::Duration => "a duration such as \"1h30m\"",
        Function::Ip => "an IP address such as \"192.0.2.1\"",
        Function::Cidr => "a network such as \"192.0.2.0/24\"",
        _ => "another value",
    }
}

/// Whether a function of constants is decided once, so that what is wrong is found at once.
pub(super) fn folds(function: Function) -> bool {
    matches!(
        function,
        Function::Timestamp | Function::Duration | Function::Ip | Function::Cidr
    )
}

impl Function {
    /// The outcome for these values.
    pub fn call<'a>(self, one: Value<'a>, two: Option<Value<'a>>) -> Result<Value<'a>, Fault> {
        let text = Fault::Text;
        Ok(match (self, one, two) {
            (Function::Size, Value::String(text), None) => count(text.chars().count()),
            (Function::Size, Value::Map(map), None) => count(map.len()),
            (Function::Size, list, None) => count(list.items().ok_or(Fault::Type)?),
            (Function::StartsWith, Value::String(one), Some(Value::String(two))) => {
                Value::Bool(one.starts_with(two))
            }
            (Function::EndsWith, Value::String(one), Some(Value::String(two))) => {
                Value::Bool(one.ends_with(two))
            }
            (Function::Contains, Value::String(one), Some(Value::String(two))) => {
                Value::Bool(one.contains(two))
            }
            (Function::Timestamp, Value::String(one), None) => {
                Value::Timestamp(Timestamp::parse(one).ok_or(text)?)
            }
            (Function::Timestamp, Value::Int(one), None) => {
                Value::Timestamp(Timestamp::from_seconds(one).ok_or(Fault::Range)?)
            }
            (Function::Timestamp, Value::Timestamp(_), None)
            | (Function::Duration, Value::Duration(_), None) => one,
            (Function::Duration, Value::String(one), None) => {
                Value::Duration(duration(one).ok_or(text)?)
            }
            (Function::Ip, Value::String(one), None) => Value::Ip(ip(one).ok_or(text)?),
            (Function::IsIp, Value::String(one), None) => Value::Bool(ip(one).is_some()),
            (Function::Cidr, Value::String(one), None) => {
                Value::Network(Network::parse(one).ok_or(text)?)
            }
            (Function::ContainsIp, Value::Network(one), Some(Value::Ip(two))) => {
                Value::Bool(one.contains(two))
            }
            (Function::ContainsIp, Value::Network(one), Some(Value::String(two))) => {
                Value::Bool(one.contains(ip(two).ok_or(text)?))
            }
            (Function::Span(unit, rest), Value::Duration(one), None) => {
                let units = one.checked_div(unit).ok_or(Fault::Range)?;
                let units = rest.map_or(Some(units), |rest| units.checked_rem(rest));
                Value::Int(units.ok_or(Fault::Range)?)
            }
            _ => return Err(Fault::Type),
        })
    }
}

impl Field {
    /// This part of an instant, as it is in a zone.
    pub fn of(self, time: Timestamp, zone: &super::Zone) -> i64 {
        let civil = time.civil(zone);
        match self {
            Field::Date => civil.day,
            Field::DayOfMonth => civil.day - 1,
            Field::DayOfWeek => civil.weekday,
            Field::DayOfYear => civil.day_of_year,
            Field::FullYear => civil.year,
            Field::Hours => civil.second / 3600,
            Field::Milliseconds => time.millisecond(),
            Field::Minutes => civil.second / 60 % 60,
            Field::Month => civil.month - 1,
            Field::Seconds => civil.second % 60,
        }
    }
}

fn count(size: usize) -> Value<'static> {
    Value::Int(i64::try_from(size).unwrap_or(i64::MAX))
}
