//! What a condition is once it was read.

use super::Zone;
use super::function::{Field, Function};
use super::value::Constant;

/// A part of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Constant(Constant),
    /// By its place in the environment.
    Variable(usize),
    /// `has(variable)`
    HasVariable(usize),
    /// `map.key`, `map["key"]`
    Member(Box<Node>, Box<str>),
    /// `has(map.key)`
    Has(Box<Node>, Box<str>),
    /// `list[0]`, `map[key]`
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// At least two.
    And(Vec<Node>),
    /// At least two.
    Or(Vec<Node>),
    Choice(Box<[Node; 3]>),
    Relation(Relation, Box<[Node; 2]>),
    /// `item in list`, `key in map`
    In(Box<[Node; 2]>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    Call(Function, Box<[Node]>),
    /// A part of an instant, in a time zone.
    Calendar(Field, Box<Node>, Zone),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
