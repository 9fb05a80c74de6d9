//! The tokens of a condition to its tree, with types.

mod operand;

use super::lexer::{Mistake, Token, Wrong, tokens};
use super::node::{Arithmetic, Node, Relation};
use super::value::{Constant, Type};
use super::{DEPTH, Environment, NODES};

/// The tree of a condition, and the variables that it is about.
pub(super) fn read(
    text: &str,
    environment: &Environment<'_>,
) -> Result<(Node, Vec<usize>), Mistake> {
    condition(text, environment).map_err(|wrong| wrong.placed(text))
}

fn condition(text: &str, environment: &Environment<'_>) -> Result<(Node, Vec<usize>), Wrong> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        environment,
        depth: 0,
        nodes: 0,
        uses: Vec::new(),
    };
    let root = parser.expression()?;
    if *parser.peek() != Token::End {
        return parser.unexpected("an operator, or the end of the condition");
    }
    let root = parser.takes(root, &[Type::Bool], "as a condition")?;
    Ok((root, parser.uses))
}

/// A part of the tree, what it is, and where it begins.
struct Typed {
    node: Node,
    kind: Type,
    at: usize,
}

struct Parser<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    next: usize,
    environment: &'a Environment<'a>,
    depth: usize,
    nodes: usize,
    uses: Vec<usize>,
}

const RELATIONS: [(&str, Relation); 6] = [
    ("==", Relation::Equal),
    ("!=", Relation::Unequal),
    ("<", Relation::Less),
    ("<=", Relation::LessOrEqual),
    (">", Relation::Greater),
    (">=", Relation::GreaterOrEqual),
];
const SUMS: [(&str, Arithmetic); 2] = [("+", Arithmetic::Add), ("-", Arithmetic::Subtract)];
const PRODUCTS: [(&str, Arithmetic); 3] = [
    ("*", Arithmetic::Multiply),
    ("/", Arithmetic::Divide),
    ("%", Arithmetic::Remainder),
];

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        self.tokens
            .get(self.next)
            .map_or(&Token::End, |(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |(_, at)| *at)
    }

    fn advance(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.next = self.next.saturating_add(1);
        token
    }

    /// Takes this sign if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        let comes = matches!(self.peek(), Token::Sign(next) if *next == sign);
        self.next = self.next.saturating_add(usize::from(comes));
        comes
    }

    /// The meaning of the sign that comes next, if it is one of these.
    fn one_of<T: Copy>(&mut self, signs: &[(&str, T)]) -> Option<T> {
        let meaning = signs.iter().find(|(sign, _)| self.sign(sign));
        meaning.map(|(_, meaning)| *meaning)
    }

    fn expect(&mut self, sign: &str) -> Result<(), Wrong> {
        match self.sign(sign) {
            true => Ok(()),
            false => self.unexpected(&format!("{sign:?}")),
        }
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, Wrong> {
        let found = match self.peek() {
            Token::Word(word) => format!("{word:?}"),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::Int(_) | Token::Double(_) => "a number".to_owned(),
            Token::Text(_) => "a string".to_owned(),
            Token::End => "the end of the condition".to_owned(),
        };
        let message = format!("expected {expected}, found {found}");
        Err(Wrong::new(self.at(), message))
    }

    /// One node more.
    fn node(&mut self, at: usize, kind: Type, node: Node) -> Result<Typed, Wrong> {
        self.nodes = self.nodes.saturating_add(1);
        match self.nodes > NODES {
            true => Err(Wrong::new(
                at,
                format!(
                    "expected at most {NODES} operators, calls, names and literals, found more"
                ),
            )),
            false => Ok(Typed { node, kind, at }),
        }
    }

    /// One level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth >= DEPTH {
            let message = format!("expected at most {DEPTH} levels inside each other, found more");
            return Err(Wrong::new(self.at(), message));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// A part that is one of these types, or may be.
    fn takes(&self, part: Typed, types: &[Type], place: &str) -> Result<Node, Wrong> {
        if types.iter().any(|kind| part.kind.meets(*kind)) {
            return Ok(part.node);
        }
        let names: Vec<String> = types.iter().map(Type::to_string).collect();
        let (expected, found) = (names.join(" or "), part.kind);
        let message = format!("expected {expected} {place}, found {found}");
        Err(Wrong::new(part.at, message))
    }

    fn expression(&mut self) -> Result<Typed, Wrong> {
        self.deeper(|parser| {
            let condition = parser.either()?;
            if !parser.sign("?") {
                return Ok(condition);
            }
            let at = condition.at;
            let condition = parser.takes(condition, &[Type::Bool], "before \"?\"")?;
            let one = parser.either()?;
            parser.expect(":")?;
            let other = parser.expression()?;
            if !one.kind.compares(other.kind) {
                let (one, two) = (one.kind, other.kind);
                let message = format!("expected {one} after \":\" as before it, found {two}");
                return Err(Wrong::new(other.at, message));
            }
            let kind = match one.kind == other.kind {
                true => one.kind,
                false => Type::Dyn,
            };
            let nodes = Box::new([condition, one.node, other.node]);
            parser.node(at, kind, Node::Choice(nodes))
        })
    }

    fn either(&mut self) -> Result<Typed, Wrong> {
        self.logic("||", Self::both, Node::Or)
    }

    fn both(&mut self) -> Result<Typed, Wrong> {
        self.logic("&&", Self::relation, Node::And)
    }

    fn logic(
        &mut self,
        sign: &str,
        part: fn(&mut Self) -> Result<Typed, Wrong>,
        make: fn(Vec<Node>) -> Node,
    ) -> Result<Typed, Wrong> {
        let first = part(self)?;
        if !matches!(self.peek(), Token::Sign(next) if *next == sign) {
            return Ok(first);
        }
        let (at, place) = (first.at, format!("beside {sign:?}"));
        let mut nodes = vec![self.takes(first, &[Type::Bool], &place)?];
        while self.sign(sign) {
            let next = part(self)?;
            nodes.push(self.takes(next, &[Type::Bool], &place)?);
        }
        self.node(at, Type::Bool, make(nodes))
    }

    fn relation(&mut self) -> Result<Typed, Wrong> {
        let mut left = self.sum()?;
        loop {
            if *self.peek() == Token::Word("in") {
                self.advance();
                let right = self.sum()?;
                left = self.inside(left, right)?;
            } else if let Some(relation) = self.one_of(&RELATIONS) {
                let right = self.sum()?;
                left = self.related(relation, left, right)?;
            } else {
                return Ok(left);
            }
        }
    }

    fn related(&mut self, relation: Relation, left: Typed, right: Typed) -> Result<Typed, Wrong> {
        let is_equality = matches!(relation, Relation::Equal | Relation::Unequal);
        if !left.kind.compares(right.kind) {
            let message = match (left.kind, right.kind) {
                (Type::Strings, Type::String) | (Type::String, Type::Strings) => {
                    "expected two values of one type, found a list and a string: is \"in\" meant?"
                        .to_owned()
                }
                (one, two) => format!("expected {one} as on the left, found {two}"),
            };
            return Err(Wrong::new(right.at, message));
        }
        let unordered = [&left, &right]
            .into_iter()
            .find(|part| !part.kind.is_ordered());
        if let Some(part) = unordered.filter(|_| !is_equality) {
            let message = format!("expected values that have an order, found {}", part.kind);
            return Err(Wrong::new(part.at, message));
        }
        if is_equality {
            self.known_words(&left, &right)?;
            self.known_words(&right, &left)?;
        }
        let (at, pair) = (left.at, Box::new([left.node, right.node]));
        self.node(at, Type::Bool, Node::Relation(relation, pair))
    }

    fn inside(&mut self, left: Typed, right: Typed) -> Result<Typed, Wrong> {
        self.known_words(&left, &right)?;
        self.known_words(&right, &left)?;
        let strings = matches!(right.kind, Type::Strings | Type::Map);
        if strings && !left.kind.meets(Type::String) {
            let message = format!("expected string before \"in\", found {}", left.kind);
            return Err(Wrong::new(left.at, message));
        }
        let (at, item) = (left.at, left.node);
        let of = self.takes(right, &[Type::List, Type::Map], "after \"in\"")?;
        self.node(at, Type::Bool, Node::In(Box::new([item, of])))
    }

    /// A variable that has only a few values is not compared with another one.
    fn known_words(&self, variable: &Typed, with: &Typed) -> Result<(), Wrong> {
        let (Node::Variable(place), Node::Constant(constant)) = (&variable.node, &with.node) else {
            return Ok(());
        };
        let Some(variable) = self.environment.variables.get(*place) else {
            return Ok(());
        };
        let known = &variable.words;
        let texts = match constant {
            Constant::List(items) => items,
            single => std::slice::from_ref(single),
        };
        let unknown = texts.iter().find_map(|text| match text {
            Constant::String(text) if !known.contains(&&**text) => Some(text),
            _ => None,
        });
        match unknown.filter(|_| !known.is_empty()) {
            None => Ok(()),
            Some(text) => Err(Wrong {
                at: with.at,
                message: format!("expected a value that {} can have", variable.name),
                word: Some((
                    text.to_string(),
                    known.iter().map(|word| (*word).to_owned()).collect(),
                )),
            }),
        }
    }

    fn sum(&mut self) -> Result<Typed, Wrong> {
        self.chain(&SUMS, Self::product)
    }

    fn product(&mut self) -> Result<Typed, Wrong> {
        self.chain(&PRODUCTS, Self::unary)
    }

    fn chain(
        &mut self,
        signs: &[(&str, Arithmetic)],
        part: fn(&mut Self) -> Result<Typed, Wrong>,
    ) -> Result<Typed, Wrong> {
        let mut left = part(self)?;
        loop {
            let place = self.at();
            let Some(by) = self.one_of(signs) else {
                return Ok(left);
            };
            let right = part(self)?;
            let Some(kind) = arithmetic(by, left.kind, right.kind) else {
                let (one, two) = (left.kind, right.kind);
                let hint = match one == Type::String {
                    true => "; strings are not joined, compare their parts",
                    false => "",
                };
                let message = format!(
                    "expected numbers of one type, or times and durations, found {one} and {two}{hint}"
                );
                return Err(Wrong::new(place, message));
            };
            let (at, pair) = (left.at, Box::new([left.node, right.node]));
            left = self.node(at, kind, Node::Arithmetic(by, pair))?;
        }
    }

    fn unary(&mut self) -> Result<Typed, Wrong> {
        let at = self.at();
        let mut count: usize = 0;
        if self.sign("!") {
            count += 1;
            while self.sign("!") {
                count += 1;
            }
            let part = self.member()?;
            let part = self.takes(part, &[Type::Bool], "after \"!\"")?;
            return match count % 2 {
                0 => self.node(
                    at,
                    Type::Bool,
                    Node::Not(Box::new(Node::Not(Box::new(part)))),
                ),
                _ => self.node(at, Type::Bool, Node::Not(Box::new(part))),
            };
        }
        while self.sign("-") {
            count += 1;
        }
        if count == 0 {
            return self.member();
        }
        // The smallest number has no positive one.
        if let (Token::Int(magnitude), true) = (self.peek(), count == 1)
            && let Some(least) = 0_i64.checked_sub_unsigned(*magnitude)
        {
            self.advance();
            let literal = self.node(at, Type::Int, Node::Constant(Constant::Int(least)))?;
            return self.selections(literal);
        }
        let part = self.member()?;
        let kind = part.kind;
        let mut node = self.takes(part, &[Type::Int, Type::Double], "after \"-\"")?;
        for _ in 0..=(count - 1) % 2 {
            node = Node::Negate(Box::new(node));
        }
        self.node(at, kind, node)
    }
}

/// What comes of two types; `None` where they do not go together.
fn arithmetic(by: Arithmetic, one: Type, two: Type) -> Option<Type> {
    use Type::{Double, Duration, Dyn, Int, Timestamp};
    let sums = matches!(by, Arithmetic::Add | Arithmetic::Subtract);
    Some(match (one, two) {
        (Int, Int) => Int,
        (Double, Double) if by != Arithmetic::Remainder => Double,
        (Duration, Duration) if sums => Duration,
        (Timestamp, Duration) if sums => Timestamp,
        (Duration, Timestamp) if by == Arithmetic::Add => Timestamp,
        (Timestamp, Timestamp) if by == Arithmetic::Subtract => Duration,
        (Dyn, Dyn | Int | Double | Duration | Timestamp)
        | (Int | Double | Duration | Timestamp, Dyn) => Dyn,
        _ => return None,
    })
}
