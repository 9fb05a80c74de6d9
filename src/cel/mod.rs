//! Conditions in a subset of the Common Expression Language (<https://cel.dev>).
//!
//! A condition is text of the operator's about values of a caller's. It is read once, with types,
//! into a [`Condition`]; what is wrong with it is a [`Mistake`] of the configuration. To decide it
//! takes no memory, and time that its text bounds: there are no loops (`all`, `exists`, `map`,
//! `filter`) and no regular expressions (`matches`).
//!
//! What is supported means what the specification says
//! (<https://github.com/google/cel-spec/blob/master/doc/langdef.md>). An error inside `&&` and `||`
//! is absorbed by an operand that decides without it, whichever comes first; any other error is the
//! outcome, [`Fault`], and not a value that could be taken for one.

mod evaluate;
mod function;
mod lexer;
mod network;
mod node;
mod parser;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use evaluate::{Facts, Fault};
pub use lexer::Mistake;
pub use network::Network;
pub(crate) use time::civil;
pub use time::{Timestamp, Zone};
pub use value::{Type, Value};

use node::Node;

/// Bytes of the text of a condition.
pub const LENGTH: usize = 4096;

/// Levels of brackets, conditional operators and calls inside each other.
pub const DEPTH: usize = 32;

/// Operators, calls, names and literals of a condition; the items of a list do not count.
pub const NODES: usize = 256;

/// Items of one list.
pub const ITEMS: usize = 256;

/// What a condition may be about.
#[derive(Clone, Debug)]
pub struct Environment<'a> {
    /// The variables; a condition knows them by their places in this list.
    pub variables: &'a [Variable],
    /// Time zones by their names, beside `UTC` and offsets such as `+01:00`; `None` where they are not
    /// known because they are wrong themselves, so that no name of one is called wrong.
    pub zones: Option<&'a [(String, Zone)]>,
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Identifiers with dots between them, `principal.tenant`.
    pub name: &'static str,
    /// What it is, where it is there.
    pub kind: Type,
    /// The only values that it has; none where it may have any. To compare it with another is a
    /// mistake, because it never holds.
    pub words: Vec<&'static str>,
}

/// A condition that was read and whose types hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    root: Node,
    uses: Vec<usize>,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// The first mistake.
    pub fn read(text: &str, environment: &Environment<'_>) -> Result<Self, Mistake> {
        let (root, uses) = parser::read(text, environment)?;
        Ok(Condition { root, uses })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It cannot be decided: what it is about is missing, or is something else.
    pub fn holds(&self, facts: &dyn Facts) -> Result<bool, Fault> {
        match evaluate::evaluate(&self.root, facts)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(Fault::Type),
        }
    }

    /// Whether it is about a variable, by its place.
    pub fn uses(&self, variable: usize) -> bool {
        self.uses.contains(&variable)
    }
}
