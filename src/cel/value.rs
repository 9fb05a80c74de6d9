//! Values, and what they are.

use std::cmp::Ordering;
use std::fmt;
use std::net::IpAddr;

use serde_json::{Map, Value as Json};

use super::{Network, Timestamp};

/// A value while a condition is decided; whatever is long is borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `double`, never infinite nor not a number.
    Double(f64),
    /// `string`
    String(&'a str),
    /// `timestamp`
    Timestamp(Timestamp),
    /// `duration`, in nanoseconds.
    Duration(i64),
    /// `net.IP`; an IPv4 address is never in the form of an IPv6 address.
    Ip(IpAddr),
    /// `net.CIDR`
    Network(Network),
    /// A list of strings.
    Strings(&'a [String]),
    /// A list of known words.
    Words(&'a [&'static str]),
    /// A list that a condition has in itself.
    List(&'a [Constant]),
    /// A list in JSON.
    Array(&'a [Json]),
    /// A map: an object in JSON.
    Map(&'a Map<String, Json>),
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// Known only where the value is at hand.
    Dyn,
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// Text.
    String,
    /// An instant.
    Timestamp,
    /// A time span.
    Duration,
    /// An address.
    Ip,
    /// A network.
    Network,
    /// A list of anything.
    List,
    /// A list of strings.
    Strings,
    /// Values by strings.
    Map,
}

/// A value that a condition has in itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    String(Box<str>),
    Timestamp(Timestamp),
    Duration(i64),
    Ip(IpAddr),
    Network(Network),
    List(Box<[Constant]>),
}

impl Constant {
    pub fn value(&self) -> Value<'_> {
        match self {
            Constant::Null => Value::Null,
            Constant::Bool(value) => Value::Bool(*value),
            Constant::Int(value) => Value::Int(*value),
            Constant::Double(value) => Value::Double(*value),
            Constant::String(value) => Value::String(value),
            Constant::Timestamp(value) => Value::Timestamp(*value),
            Constant::Duration(value) => Value::Duration(*value),
            Constant::Ip(value) => Value::Ip(*value),
            Constant::Network(value) => Value::Network(*value),
            Constant::List(value) => Value::List(value),
        }
    }

    /// A constant of a value that is none of another's.
    pub fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Timestamp(value) => Constant::Timestamp(value),
            Value::Duration(value) => Constant::Duration(value),
            Value::Ip(value) => Constant::Ip(value),
            Value::Network(value) => Constant::Network(value),
            _ => return None,
        })
    }

    pub fn kind(&self) -> Type {
        match self {
            Constant::Null => Type::Null,
            Constant::Bool(_) => Type::Bool,
            Constant::Int(_) => Type::Int,
            Constant::Double(_) => Type::Double,
            Constant::String(_) => Type::String,
            Constant::Timestamp(_) => Type::Timestamp,
            Constant::Duration(_) => Type::Duration,
            Constant::Ip(_) => Type::Ip,
            Constant::Network(_) => Type::Network,
            Constant::List(items) => {
                let text = |item: &Constant| item.kind() == Type::String;
                match !items.is_empty() && items.iter().all(text) {
                    true => Type::Strings,
                    false => Type::List,
                }
            }
        }
    }
}

impl Type {
    /// Whether a value of one could be one of the other.
    pub fn meets(self, other: Type) -> bool {
        let list = |kind| matches!(kind, Type::List | Type::Strings);
        self == other || self == Type::Dyn || other == Type::Dyn || (list(self) && list(other))
    }

    /// Whether values of both can be equal.
    pub fn compares(self, other: Type) -> bool {
        self.meets(other) || (self.is_number() && other.is_number())
    }

    /// Whether it is one of the types of numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Type::Int | Type::Double)
    }

    /// Whether values have an order among each other.
    pub fn is_ordered(self) -> bool {
        !matches!(
            self,
            Type::Null | Type::Ip | Type::Network | Type::List | Type::Strings | Type::Map
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Dyn => "dyn",
            Type::Null => "null",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Double => "double",
            Type::String => "string",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::Ip => "net.IP",
            Type::Network => "net.CIDR",
            Type::List => "list",
            Type::Strings => "list(string)",
            Type::Map => "map",
        })
    }
}

impl<'a> Value<'a> {
    /// A value of JSON. A whole number is an `int` where it fits, every other number a `double`.
    pub fn of(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Double(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Value::String(text),
            Json::Array(items) => Value::Array(items),
            Json::Object(members) => Value::Map(members),
        }
    }

    /// The item of a list at this place.
    pub fn item(self, at: usize) -> Option<Value<'a>> {
        match self {
            Value::Strings(items) => items.get(at).map(|text| Value::String(text)),
            Value::Words(items) => items.get(at).map(|text| Value::String(text)),
            Value::List(items) => items.get(at).map(Constant::value),
            Value::Array(items) => items.get(at).map(Value::of),
            _ => None,
        }
    }

    /// How many items a list has; `None` for what is no list.
    pub fn items(self) -> Option<usize> {
        Some(match self {
            Value::Strings(items) => items.len(),
            Value::Words(items) => items.len(),
            Value::List(items) => items.len(),
            Value::Array(items) => items.len(),
            _ => return None,
        })
    }

    /// Whether both are the same. Values of different types are not; numbers are compared as
    /// numbers. JSON is never deeper than its reader lets it be, which bounds the recursion.
    pub fn equals(self, other: Value<'_>) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::String(one), Value::String(two)) => one == two,
            (Value::Ip(one), Value::Ip(two)) => one == two,
            (Value::Network(one), Value::Network(two)) => one == two,
            (Value::Map(one), Value::Map(two)) => {
                let same = |(key, value): (&String, &Json)| {
                    let other = two.get(key);
                    other.is_some_and(|other| Value::of(value).equals(Value::of(other)))
                };
                one.len() == two.len() && one.iter().all(same)
            }
            _ => match (self.items(), other.items()) {
                (Some(length), Some(others)) => {
                    let same = |at| {
                        let pair = self.item(at).zip(other.item(at));
                        pair.is_some_and(|(one, two)| one.equals(two))
                    };
                    length == others && (0..length).all(same)
                }
                (None, None) => self.order(other) == Some(Ordering::Equal),
                _ => false,
            },
        }
    }

    /// The order of both; `None` where there is none.
    pub fn order(self, other: Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(one), Value::Bool(two)) => Some(one.cmp(&two)),
            (Value::Int(one), Value::Int(two)) => Some(one.cmp(&two)),
            (Value::Double(one), Value::Double(two)) => one.partial_cmp(&two),
            (Value::Int(one), Value::Double(two)) => mixed(one, two),
            (Value::Double(one), Value::Int(two)) => mixed(two, one).map(Ordering::reverse),
            // The order of UTF-8 is that of the code points.
            (Value::String(one), Value::String(two)) => Some(one.cmp(two)),
            (Value::Timestamp(one), Value::Timestamp(two)) => Some(one.cmp(&two)),
            (Value::Duration(one), Value::Duration(two)) => Some(one.cmp(&two)),
            _ => None,
        }
    }
}

/// A whole number against another one, without rounding either.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the fraction is compared by itself, and what is out of range was compared before"
)]
fn mixed(whole: i64, number: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if number >= BEYOND {
        return Some(Ordering::Less);
    }
    if number < -BEYOND {
        return Some(Ordering::Greater);
    }
    let cut = number.trunc();
    match whole.cmp(&(cut as i64)) {
        Ordering::Equal => cut.partial_cmp(&number),
        order => Some(order),
    }
}
