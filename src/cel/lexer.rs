//! The text of a condition to its tokens.

use super::LENGTH;

/// What is wrong with a condition, and where. Repeats no text of it but identifiers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// `expected ..., found ...`
    pub message: String,
    /// A word that is unknown, and those that are known in its place.
    pub word: Option<(String, Vec<String>)>,
}

/// A mistake whose place is still an offset in bytes.
#[derive(Debug)]
pub(super) struct Wrong {
    pub at: usize,
    pub message: String,
    pub word: Option<(String, Vec<String>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// An identifier or a reserved word.
    Word(&'a str),
    /// A whole number without its sign.
    Int(u64),
    Double(f64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Operators and brackets, the longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "!", "<", ">", "+", "-", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", "{", "}", ".", ",",
];

/// Characters of a message.
const MESSAGE: usize = 240;

impl Wrong {
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        let mut message = message.into();
        // A word of the condition may be as long as that.
        if let Some((end, _)) = message.char_indices().nth(MESSAGE) {
            message.truncate(end);
            message.push_str("...");
        }
        Wrong {
            at,
            message,
            word: None,
        }
    }

    /// The mistake in a text.
    pub fn placed(self, text: &str) -> Mistake {
        let before = text.get(..self.at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Mistake {
            line: before.matches('\n').count().saturating_add(1),
            column: line.chars().count().saturating_add(1),
            message: self.message,
            word: self.word,
        }
    }
}

/// The tokens with their offsets; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, Wrong> {
    if text.len() > LENGTH {
        let found = text.len();
        return Err(Wrong::new(
            0,
            format!("expected a condition of at most {LENGTH} bytes, found {found} bytes"),
        ));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip();
        let at = lexer.at;
        let token = lexer.token()?;
        let ended = token == Token::End;
        tokens.push((token, at));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, Wrong> {
        Err(Wrong::new(self.at, message))
    }

    /// Takes what is as long as `holds` says.
    fn take(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|letter| !holds(letter)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn skip(&mut self) {
        loop {
            self.take(|letter| matches!(letter, ' ' | '\t' | '\r' | '\n' | '\x0c'));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take(|letter| letter != '\n');
        }
    }

    fn token(&mut self) -> Result<Token<'a>, Wrong> {
        let rest = self.rest();
        let mut letters = rest.chars();
        let Some(first) = letters.next() else {
            return Ok(Token::End);
        };
        let second = letters.next().unwrap_or_default();
        if first.is_ascii_digit() || (first == '.' && second.is_ascii_digit()) {
            return self.number();
        }
        if let Some(open) = opening(rest) {
            return self.string(open);
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Word(
                self.take(|letter| letter.is_ascii_alphanumeric() || letter == '_'),
            ));
        }
        match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            Some(sign) => {
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
            None => {
                self.wrong("expected a condition in CEL, found a character that it does not have")
            }
        }
    }

    fn number(&mut self) -> Result<Token<'a>, Wrong> {
        let start = self.at;
        let out_of_range = "expected a number within the range of its type, found another one";
        if self.rest().starts_with("0x") {
            self.at += 2;
            let digits = self.take(|letter| letter.is_ascii_hexdigit());
            let Ok(number) = u64::from_str_radix(digits, 16) else {
                return self.wrong(out_of_range);
            };
            return self.ended(Token::Int(number));
        }
        self.take(|letter| letter.is_ascii_digit());
        let mut whole = true;
        let fraction = |rest: &str| {
            let rest = rest.strip_prefix('.');
            rest.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
        };
        if fraction(self.rest()) {
            whole = false;
            self.at += 1;
            self.take(|letter| letter.is_ascii_digit());
        }
        if self.rest().starts_with(['e', 'E']) {
            whole = false;
            self.at += 1;
            self.at += usize::from(self.rest().starts_with(['+', '-']));
            if self.take(|letter| letter.is_ascii_digit()).is_empty() {
                return self.wrong("expected the digits of an exponent");
            }
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let token = match whole {
            true => digits.parse().ok().map(Token::Int),
            false => digits
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Token::Double),
        };
        match token {
            Some(token) => self.ended(token),
            None => Err(Wrong::new(start, out_of_range)),
        }
    }

    /// No letter follows a number.
    fn ended(&self, token: Token<'a>) -> Result<Token<'a>, Wrong> {
        if self.rest().starts_with(['u', 'U']) {
            return self.wrong("unsigned numbers are not supported; expected one without u");
        }
        match self
            .rest()
            .starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
        {
            true => self.wrong("expected an operator after a number, found a letter"),
            false => Ok(token),
        }
    }

    fn string(&mut self, open: Opening) -> Result<Token<'a>, Wrong> {
        let start = self.at;
        let unclosed = "expected the end of a string, found that of the condition or of the line";
        self.at += open.length();
        let mut out = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(open.quote) {
                self.at += open.quote.len();
                return Ok(Token::Text(out));
            }
            let Some(letter) = rest.chars().next() else {
                return Err(Wrong::new(start, unclosed));
            };
            if matches!(letter, '\n' | '\r') && open.quote.len() == 1 {
                return Err(Wrong::new(start, unclosed));
            }
            self.at += letter.len_utf8();
            match letter {
                '\\' if !open.raw => out.push(self.escape()?),
                _ => out.push(letter),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Wrong> {
        let start = self.at.saturating_sub(1);
        let unknown = || Wrong::new(start, "expected an escape of CEL after a backslash");
        let letter = self.rest().chars().next().ok_or_else(unknown)?;
        self.at += letter.len_utf8();
        let digits = match letter {
            '\\' | '?' | '"' | '\'' | '`' => return Ok(letter),
            'a' => return Ok('\x07'),
            'b' => return Ok('\x08'),
            'f' => return Ok('\x0c'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\x0b'),
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='3' => {
                self.at = start + 1;
                return self.code(3, 8).ok_or_else(unknown);
            }
            _ => return Err(unknown()),
        };
        self.code(digits, 16).ok_or_else(unknown)
    }

    fn code(&mut self, digits: usize, radix: u32) -> Option<char> {
        let text = self.rest().get(..digits)?;
        let plain = text.chars().all(|letter| letter.is_digit(radix));
        self.at += digits;
        char::from_u32(u32::from_str_radix(text, radix).ok().filter(|_| plain)?)
    }
}

/// How a string begins.
#[derive(Clone, Copy)]
struct Opening {
    quote: &'static str,
    raw: bool,
}

impl Opening {
    fn length(self) -> usize {
        self.quote.len() + usize::from(self.raw)
    }
}

fn opening(text: &str) -> Option<Opening> {
    let inner = text.strip_prefix(['r', 'R']);
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes
        .into_iter()
        .find(|quote| inner.unwrap_or(text).starts_with(quote))?;
    Some(Opening {
        quote,
        raw: inner.is_some(),
    })
}
