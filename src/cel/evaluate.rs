//! A condition that was read, decided about values.

use std::cmp::Ordering;

use super::node::{Arithmetic, Node, Relation};
use super::value::Value;

/// The values of one request.
pub trait Facts {
    /// The value of a variable by its place in the environment; `None` where it is absent.
    fn value(&self, variable: usize) -> Option<Value<'_>>;
}

/// Why a condition could not be decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// A variable, a member or an item is not there.
    Absent,
    /// A value of another type than the operator or the function takes.
    Type,
    /// A number, an instant or a time span beyond what there is; a division by zero.
    Range,
    /// A text that is no time, duration, address or network.
    Text,
}

impl Fault {
    /// Its name in the audit record.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Absent => "absent",
            Fault::Type => "type",
            Fault::Range => "range",
            Fault::Text => "text",
        }
    }
}

/// The value of a node. The recursion is as deep as the tree, which its reader bounds.
pub(super) fn evaluate<'a>(node: &'a Node, facts: &'a dyn Facts) -> Result<Value<'a>, Fault> {
    match node {
        Node::Constant(constant) => Ok(constant.value()),
        Node::Variable(variable) => facts.value(*variable).ok_or(Fault::Absent),
        Node::HasVariable(variable) => Ok(Value::Bool(facts.value(*variable).is_some())),
        Node::Member(of, name) => member(evaluate(of, facts)?, name),
        Node::Has(of, name) => match evaluate(of, facts)? {
            Value::Map(map) => Ok(Value::Bool(map.contains_key(&**name))),
            _ => Err(Fault::Type),
        },
        Node::Index(pair) => {
            let [of, at] = &**pair;
            index(evaluate(of, facts)?, evaluate(at, facts)?)
        }
        Node::Not(of) => match evaluate(of, facts)? {
            Value::Bool(value) => Ok(Value::Bool(!value)),
            _ => Err(Fault::Type),
        },
        Node::Negate(of) => match evaluate(of, facts)? {
            Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(Fault::Range),
            Value::Double(value) => Ok(Value::Double(-value)),
            _ => Err(Fault::Type),
        },
        Node::And(nodes) => logic(nodes, facts, false),
        Node::Or(nodes) => logic(nodes, facts, true),
        Node::Choice(nodes) => {
            let [condition, one, other] = &**nodes;
            match evaluate(condition, facts)? {
                Value::Bool(true) => evaluate(one, facts),
                Value::Bool(false) => evaluate(other, facts),
                _ => Err(Fault::Type),
            }
        }
        Node::Relation(relation, pair) => {
            let [one, two] = &**pair;
            relate(*relation, evaluate(one, facts)?, evaluate(two, facts)?)
        }
        Node::In(pair) => {
            let [item, of] = &**pair;
            contains(evaluate(item, facts)?, evaluate(of, facts)?)
        }
        Node::Arithmetic(operator, pair) => {
            let [one, two] = &**pair;
            calculate(*operator, evaluate(one, facts)?, evaluate(two, facts)?)
        }
        Node::Call(function, arguments) => match &**arguments {
            [one] => function.call(evaluate(one, facts)?, None),
            [one, two] => function.call(evaluate(one, facts)?, Some(evaluate(two, facts)?)),
            _ => Err(Fault::Type),
        },
        Node::Calendar(field, of, zone) => match evaluate(of, facts)? {
            Value::Timestamp(time) => Ok(Value::Int(field.of(time, zone))),
            _ => Err(Fault::Type),
        },
    }
}

/// `&&` and `||`: an operand of the value `decides` decides, whatever the others are.
fn logic<'a>(nodes: &'a [Node], facts: &'a dyn Facts, decides: bool) -> Result<Value<'a>, Fault> {
    let mut fault = None;
    for node in nodes {
        match evaluate(node, facts) {
            Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(value)),
            Ok(Value::Bool(_)) => {}
            Ok(_) => fault = fault.or(Some(Fault::Type)),
            Err(found) => fault = fault.or(Some(found)),
        }
    }
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Value::Bool(!decides)),
    }
}

fn member<'a>(of: Value<'a>, name: &str) -> Result<Value<'a>, Fault> {
    match of {
        Value::Map(map) => map.get(name).map(Value::of).ok_or(Fault::Absent),
        _ => Err(Fault::Type),
    }
}

fn index<'a>(of: Value<'a>, at: Value<'a>) -> Result<Value<'a>, Fault> {
    match (of, at) {
        (Value::Map(_), Value::String(name)) => member(of, name),
        (list, Value::Int(at)) if list.items().is_some() => {
            let item = usize::try_from(at).ok().and_then(|at| list.item(at));
            item.ok_or(Fault::Absent)
        }
        _ => Err(Fault::Type),
    }
}

fn contains<'a>(item: Value<'a>, of: Value<'a>) -> Result<Value<'a>, Fault> {
    let found = match (item, of) {
        (Value::String(name), Value::Map(map)) => map.contains_key(name),
        (Value::String(text), Value::Strings(items)) => items.iter().any(|item| item == text),
        (item, list) => {
            let length = list.items().ok_or(Fault::Type)?;
            let same = |at| list.item(at).is_some_and(|other| other.equals(item));
            (0..length).any(same)
        }
    };
    Ok(Value::Bool(found))
}

fn relate<'a>(relation: Relation, one: Value<'a>, two: Value<'a>) -> Result<Value<'a>, Fault> {
    let holds = match relation {
        Relation::Equal => one.equals(two),
        Relation::Unequal => !one.equals(two),
        _ => {
            let order = one.order(two).ok_or(Fault::Type)?;
            match relation {
                Relation::Less => order == Ordering::Less,
                Relation::LessOrEqual => order != Ordering::Greater,
                Relation::Greater => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }
        }
    };
    Ok(Value::Bool(holds))
}

fn calculate<'a>(by: Arithmetic, one: Value<'a>, two: Value<'a>) -> Result<Value<'a>, Fault> {
    use Value::{Double, Duration, Int, Timestamp};
    let value = match (by, one, two) {
        (_, Int(one), Int(two)) => match by {
            Arithmetic::Add => one.checked_add(two),
            Arithmetic::Subtract => one.checked_sub(two),
            Arithmetic::Multiply => one.checked_mul(two),
            Arithmetic::Divide => one.checked_div(two),
            Arithmetic::Remainder => one.checked_rem(two),
        }
        .map(Int),
        (_, Double(one), Double(two)) => match by {
            Arithmetic::Add => Some(one + two),
            Arithmetic::Subtract => Some(one - two),
            Arithmetic::Multiply => Some(one * two),
            Arithmetic::Divide => Some(one / two),
            Arithmetic::Remainder => return Err(Fault::Type),
        }
        // Neither infinite nor no number, so that every two have an order.
        .filter(|value| value.is_finite())
        .map(Double),
        (Arithmetic::Add, Timestamp(time), Duration(span))
        | (Arithmetic::Add, Duration(span), Timestamp(time)) => time.plus(span).map(Timestamp),
        (Arithmetic::Add, Duration(one), Duration(two)) => one.checked_add(two).map(Duration),
        (Arithmetic::Subtract, Timestamp(time), Duration(span)) => time.minus(span).map(Timestamp),
        (Arithmetic::Subtract, Timestamp(one), Timestamp(two)) => one.since(two).map(Duration),
        (Arithmetic::Subtract, Duration(one), Duration(two)) => one.checked_sub(two).map(Duration),
        _ => return Err(Fault::Type),
    };
    value.ok_or(Fault::Range)
}
