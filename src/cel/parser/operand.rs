//! Operands: literals, variables, members, indices and calls.

use super::super::function::{self, Function, expected};
use super::super::lexer::{Token, Wrong};
use super::super::node::Node;
use super::super::value::{Constant, Type};
use super::super::{ITEMS, Zone};
use super::{Parser, Typed};

/// Words that are no names (section Syntax of the specification), beside literals and `in`.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

impl<'a> Parser<'a> {
    /// A value with the members, indices and calls that follow it.
    pub(super) fn member(&mut self) -> Result<Typed, Wrong> {
        let first = self.primary()?;
        self.selections(first)
    }

    /// What follows a part: members, indices and calls.
    pub(super) fn selections(&mut self, mut of: Typed) -> Result<Typed, Wrong> {
        loop {
            let at = of.at;
            if self.sign("[") {
                let index = self.expression()?;
                self.expect("]")?;
                of = self.indexed(of, index)?;
            } else if self.sign(".") {
                let place = self.at();
                let name = self.name()?;
                if self.sign("(") {
                    of = self.call_of(of, name, place)?;
                    continue;
                }
                let of_map = self.takes(of, &[Type::Map], &format!("before \".{name}\""))?;
                of = self.node(at, Type::Dyn, Node::Member(Box::new(of_map), name.into()))?;
            } else {
                return Ok(of);
            }
        }
    }

    fn indexed(&mut self, of: Typed, index: Typed) -> Result<Typed, Wrong> {
        let (at, of_kind) = (of.at, of.kind);
        let wanted: &[Type] = match of_kind {
            Type::Map => &[Type::String],
            Type::List | Type::Strings => &[Type::Int],
            _ => &[Type::String, Type::Int],
        };
        let of = self.takes(of, &[Type::Map, Type::List], "before \"[\"")?;
        let index = self.takes(index, wanted, "as an index")?;
        let kind = match of_kind {
            Type::Strings => Type::String,
            _ => Type::Dyn,
        };
        self.node(at, kind, Node::Index(Box::new([of, index])))
    }

    /// The name of a member or of a function.
    fn name(&mut self) -> Result<&'a str, Wrong> {
        match self.peek() {
            Token::Word(word) if !is_reserved(word) => {
                let word = *word;
                self.advance();
                Ok(word)
            }
            _ => self.unexpected("a name after \".\""),
        }
    }

    fn primary(&mut self) -> Result<Typed, Wrong> {
        let at = self.at();
        if self.sign("(") {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(Typed { at, ..inner });
        }
        if self.sign("[") {
            return self.list(at);
        }
        if let Some(constant) = self.literal()? {
            let kind = constant.kind();
            return self.node(at, kind, Node::Constant(constant));
        }
        match self.peek() {
            Token::Word(word) if !is_reserved(word) => {
                let word = *word;
                self.advance();
                match self.sign("(") {
                    true => self.call(word, at),
                    false => self.variable(word, at),
                }
            }
            _ => self.unexpected("a value"),
        }
    }

    /// A literal, if one comes next.
    fn literal(&mut self) -> Result<Option<Constant>, Wrong> {
        let constant = match self.peek() {
            Token::Int(number) => match i64::try_from(*number) {
                Ok(number) => Constant::Int(number),
                Err(_) => {
                    let message = "expected a number within the range of int, found another one";
                    return Err(Wrong::new(self.at(), message));
                }
            },
            Token::Double(number) => Constant::Double(*number),
            Token::Text(text) => Constant::String(text.as_str().into()),
            Token::Word("true") => Constant::Bool(true),
            Token::Word("false") => Constant::Bool(false),
            Token::Word("null") => Constant::Null,
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(constant))
    }

    /// The rest of a list; its items are known when it is read.
    fn list(&mut self, at: usize) -> Result<Typed, Wrong> {
        let mut items = Vec::new();
        while !self.sign("]") {
            if !items.is_empty() {
                self.expect(",")?;
                if self.sign("]") {
                    break;
                }
            }
            if items.len() >= ITEMS {
                let message = format!("expected at most {ITEMS} items in a list, found more");
                return Err(Wrong::new(self.at(), message));
            }
            items.push(self.item()?);
        }
        let list = Constant::List(items.into());
        let kind = list.kind();
        self.node(at, kind, Node::Constant(list))
    }

    fn item(&mut self) -> Result<Constant, Wrong> {
        let expected = "a literal, or ip, cidr, timestamp or duration of one, as an item of a list";
        let nodes = self.nodes;
        let at = self.at();
        let item = self.deeper(Self::unary)?;
        self.nodes = nodes;
        match item.node {
            Node::Constant(constant) => Ok(constant),
            _ => Err(Wrong::new(
                at,
                format!("expected {expected}, found something else"),
            )),
        }
    }

    /// A variable: as many names with dots between them as make one.
    fn variable(&mut self, first: &str, at: usize) -> Result<Typed, Wrong> {
        let variables = self.environment.variables;
        let mut name = first.to_owned();
        loop {
            let place = variables.iter().position(|known| known.name == name);
            if let Some((place, known)) = place.and_then(|at| Some((at, variables.get(at)?))) {
                if !self.uses.contains(&place) {
                    self.uses.push(place);
                }
                return self.node(at, known.kind, Node::Variable(place));
            }
            let inner = format!("{name}.");
            let begins = variables.iter().any(|known| known.name.starts_with(&inner));
            if !begins || !self.sign(".") {
                return Err(Wrong {
                    at,
                    message: match begins {
                        true => format!("expected a member of {name}"),
                        false => "expected a variable".to_owned(),
                    },
                    word: Some((
                        name,
                        variables
                            .iter()
                            .map(|known| known.name.to_owned())
                            .collect(),
                    )),
                });
            }
            name = format!("{inner}{}", self.name()?);
        }
    }

    /// The rest of a call without a receiver.
    fn call(&mut self, name: &str, at: usize) -> Result<Typed, Wrong> {
        if name == "has" {
            return self.has(at);
        }
        let Some((function, takes, gives)) = function::global(name) else {
            return Err(unknown_function(name, at, false));
        };
        let argument = self.expression()?;
        self.expect(")")?;
        let inner = argument.at;
        let argument = self.takes(argument, takes, &format!("in {name}(...)"))?;
        if let (Node::Constant(constant), true) = (&argument, function::folds(function)) {
            let value = function.call(constant.value(), None).ok();
            let Some(constant) = value.and_then(Constant::of) else {
                let message = format!("expected {}, found another value", expected(function));
                return Err(Wrong::new(inner, message));
            };
            return Ok(Typed {
                node: Node::Constant(constant),
                kind: gives,
                at,
            });
        }
        self.node(at, gives, Node::Call(function, Box::new([argument])))
    }

    fn has(&mut self, at: usize) -> Result<Typed, Wrong> {
        let inner = self.at();
        let argument = self.expression()?;
        self.expect(")")?;
        let node = match argument.node {
            Node::Variable(place) => Node::HasVariable(place),
            Node::Member(of, name) => Node::Has(of, name),
            _ => {
                let message = "expected a variable or a member, such as token.claims.department";
                return Err(Wrong::new(inner, message));
            }
        };
        self.node(at, Type::Bool, node)
    }

    /// The rest of a call on a value.
    fn call_of(&mut self, of: Typed, name: &str, place: usize) -> Result<Typed, Wrong> {
        let at = of.at;
        let before = format!("before \".{name}\"");
        if name == "size" {
            self.expect(")")?;
            let of = self.takes(of, &[Type::String, Type::List, Type::Map], &before)?;
            return self.node(at, Type::Int, Node::Call(Function::Size, Box::new([of])));
        }
        if let Some((function, kind, takes)) = function::receiver(name) {
            let of = self.takes(of, &[kind], &before)?;
            let argument = self.expression()?;
            self.expect(")")?;
            let argument = self.takes(argument, takes, &format!("in {name}(...)"))?;
            return self.node(
                at,
                Type::Bool,
                Node::Call(function, Box::new([of, argument])),
            );
        }
        let Some((field, span)) = function::field(name) else {
            return Err(unknown_function(name, place, true));
        };
        if let Some(function) = span.filter(|_| of.kind == Type::Duration) {
            self.expect(")")?;
            return self.node(at, Type::Int, Node::Call(function, Box::new([of.node])));
        }
        let of = self.takes(of, &[Type::Timestamp], &before)?;
        let zone = match self.sign(")") {
            true => Zone::default(),
            false => self.zone()?,
        };
        self.node(at, Type::Int, Node::Calendar(field, Box::new(of), zone))
    }

    fn zone(&mut self) -> Result<Zone, Wrong> {
        let at = self.at();
        let Token::Text(text) = self.advance() else {
            return Err(Wrong::new(
                at,
                "expected a time zone between quotation marks",
            ));
        };
        self.expect(")")?;
        let Some(zones) = self.environment.zones else {
            return Ok(Zone::default());
        };
        let named = zones.iter().find(|(name, _)| *name == text);
        let zone = named.map(|(_, zone)| zone.clone());
        zone.or_else(|| Zone::fixed(&text)).ok_or_else(|| {
            let zones = zones.iter().map(|(name, _)| name.clone());
            Wrong {
                at,
                message: "expected UTC, an offset such as +01:00, or one of time_zones".to_owned(),
                word: Some((text, zones.collect())),
            }
        })
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word) || matches!(word, "true" | "false" | "null" | "in")
}

fn unknown_function(name: &str, at: usize, of_value: bool) -> Wrong {
    match function::refused(name) {
        Some(why) => Wrong::new(at, why),
        None => Wrong {
            at,
            message: "expected a function".to_owned(),
            word: Some((name.to_owned(), function::names(of_value))),
        },
    }
}
