//! From text to tree (RFC 7644 section 3.4.2.2, figure 1).
//!
//! The published grammar recurses on its left and gives no precedence. This is the same language
//! without either fault: `or` joins `and`s, `and` joins terms, a term is a comparison, a value
//! path, or a whole filter in parentheses. Each descent into parentheses or brackets is counted,
//! so no input reaches deeper than [`FILTER_DEPTH_MAX`].
//!
//! An error says where reading stopped and what would have been right there. It never repeats
//! what stood there instead, since that may be somebody's name.

use serde_json::Number;

use super::{AttrPath, CompareOp, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, Filter, Literal};
use crate::{Invalid, Leniency, Switch, instant};

const OPERATORS: &str = "an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)";
const LITERAL: &str = "a string in double quotes, a number, true, false or null";

impl Filter {
    /// Reads a filter as [`Leniency::default`] allows.
    ///
    /// ```
    /// use provost_scim::filter::Filter;
    ///
    /// let filter = Filter::parse(r#"userName eq "ana" or title pr and active eq true"#).unwrap();
    /// assert_eq!(filter.to_tree(), r#"(or (eq userName "ana") (and (pr title) (eq active true)))"#);
    /// ```
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::parse_with(text, &Leniency::default())
    }

    /// Reads a filter. `leniency` decides about bare words (L-F2), `emails[…].value` (L-F6) and
    /// dates without quotes (L-F7).
    pub fn parse_with(text: &str, leniency: &Leniency) -> Result<Self, Invalid> {
        let mut parser = Parser::new(text, leniency)?;
        let filter = parser.expression()?;
        parser.skip_blanks();
        if parser.peek().is_some() {
            return Err(parser.expected("`and`, `or` or the end"));
        }
        Ok(filter)
    }
}

/// Reads filters, and the bracketed filters of patch paths.
pub(crate) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    terms: usize,
    in_brackets: bool,
    leniency: &'a Leniency,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, leniency: &'a Leniency) -> Result<Self, Invalid> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(Invalid::filter(format!("the filter is longer than {FILTER_BYTES_MAX} bytes")));
        }
        Ok(Self { text, at: 0, depth: 0, terms: 0, in_brackets: false, leniency })
    }

    /// Reads `[filter]`, from its opening bracket at `start` up to and including the closing one.
    /// Answers what follows it, too.
    pub(crate) fn bracketed(text: &'a str, start: usize, leniency: &'a Leniency) -> Result<(Filter, &'a str), Invalid> {
        let mut parser = Self::new(text, leniency)?;
        parser.at = start;
        let filter = parser.brackets()?;
        Ok((filter, &text[parser.at..]))
    }

    fn expression(&mut self) -> Result<Filter, Invalid> {
        let mut parts = vec![self.conjunction()?];
        while self.take_keyword("or") {
            parts.push(self.conjunction()?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn conjunction(&mut self) -> Result<Filter, Invalid> {
        let mut parts = vec![self.term()?];
        while self.take_keyword("and") {
            parts.push(self.term()?);
        }
        Ok(one_or(parts, Filter::And))
    }

    fn term(&mut self) -> Result<Filter, Invalid> {
        self.skip_blanks();
        if self.peek() == Some('(') {
            return self.parentheses();
        }
        if self.take_keyword("not") {
            self.skip_blanks();
            if self.peek() != Some('(') {
                return Err(self.expected("`(` after `not`"));
            }
            return Ok(Filter::Not(Box::new(self.parentheses()?)));
        }
        self.count_term()?;
        let path = self.path()?;
        match self.peek() {
            Some('[') => self.value_path(path),
            _ => self.comparison(path),
        }
    }

    fn parentheses(&mut self) -> Result<Filter, Invalid> {
        self.enter()?;
        self.at += 1;
        let filter = self.expression()?;
        self.close(')', "`and`, `or` or `)`")?;
        self.depth -= 1;
        Ok(filter)
    }

    fn brackets(&mut self) -> Result<Filter, Invalid> {
        self.enter()?;
        self.at += 1;
        self.in_brackets = true;
        let filter = self.expression()?;
        self.close(']', "`and`, `or` or `]`")?;
        self.in_brackets = false;
        self.depth -= 1;
        Ok(filter)
    }

    /// `attribute[filter]`, and the form `attribute[filter].sub op literal`, which means one more
    /// condition on the same element (L-F6).
    fn value_path(&mut self, path: AttrPath) -> Result<Filter, Invalid> {
        if self.in_brackets {
            return Err(self.expected("no brackets inside brackets"));
        }
        if path.sub.is_some() {
            return Err(self.expected("brackets behind an attribute, not behind a sub-attribute"));
        }
        let inner = self.brackets()?;
        if self.peek() != Some('.') {
            return Ok(Filter::Element(path, Box::new(inner)));
        }
        if !self.leniency.allows(Switch::FilterBracketThenSub) {
            return Err(self.expected("nothing behind the brackets"));
        }
        self.at += 1;
        self.count_term()?;
        let sub = self.path()?;
        if sub.schema.is_some() || sub.sub.is_some() {
            return Err(self.expected("the name of one sub-attribute behind the brackets"));
        }
        let both = Filter::And(vec![inner, self.comparison(sub)?]);
        let filter = Filter::Element(path, Box::new(both));
        if self.depth + filter.nesting() > FILTER_DEPTH_MAX {
            return Err(too_deep());
        }
        Ok(filter)
    }

    fn comparison(&mut self, path: AttrPath) -> Result<Filter, Invalid> {
        self.skip_blanks();
        let start = self.at;
        let word = self.take_while(|c| c.is_ascii_alphabetic());
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(op) = CompareOp::named(word) else {
            self.at = start;
            return Err(self.expected(OPERATORS));
        };
        if !self.skip_blanks() {
            self.leniency.noted.note(Switch::FilterSpacing);
        }
        Ok(Filter::Compare(path, op, self.literal()?))
    }

    /// An attribute path: everything up to a blank, a bracket, a parenthesis or a quote.
    fn path(&mut self) -> Result<AttrPath, Invalid> {
        let start = self.at;
        let token = self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '(' | ')' | '[' | ']' | '"'));
        let path = AttrPath::parse(token);
        match path {
            Some(path) if self.in_brackets && path.schema.is_some() => {
                self.at = start;
                Err(self.expected("a sub-attribute's name without a schema URN, inside brackets"))
            }
            Some(path) => Ok(path),
            None => {
                self.at = start;
                Err(self.expected("an attribute's name"))
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, Invalid> {
        let start = self.at;
        let literal = match self.peek() {
            Some('"') => self.quoted(),
            Some('\'') if self.leniency.allows(Switch::FilterBareWords) => self.single_quoted(),
            Some(_) => {
                let word = self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, ')' | ']' | '"'));
                self.word(word)
            }
            None => None,
        };
        literal.ok_or_else(|| {
            self.at = start;
            self.expected(LITERAL)
        })
    }

    fn word(&self, word: &str) -> Option<Literal> {
        match word {
            "" => return None,
            "null" => return Some(Literal::Null),
            "true" => return Some(Literal::Boolean(true)),
            "false" => return Some(Literal::Boolean(false)),
            _ => {}
        }
        if let Ok(number) = serde_json::from_str::<Number>(word) {
            return Some(Literal::Number(number));
        }
        let date = instant::parse(word).is_some() && self.leniency.allows(Switch::FilterUnquotedDate);
        (date || self.leniency.allows(Switch::FilterBareWords)).then(|| Literal::String(word.to_owned()))
    }

    /// A JSON string. The quotes are found here, the escapes are left to the JSON reader.
    fn quoted(&mut self) -> Option<Literal> {
        let start = self.at;
        let mut escaped = false;
        let length = self.text[start + 1..].find(|c| match c {
            _ if escaped => {
                escaped = false;
                false
            }
            '\\' => {
                escaped = true;
                false
            }
            c => c == '"',
        })?;
        self.at = start + 1 + length + 1;
        serde_json::from_str(&self.text[start..self.at]).ok().map(Literal::String)
    }

    fn single_quoted(&mut self) -> Option<Literal> {
        let start = self.at + 1;
        let length = self.text[start..].find('\'')?;
        self.at = start + length + 1;
        Some(Literal::String(self.text[start..start + length].to_owned()))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Goes over blanks, and answers whether there were any. The grammar has one where it has one.
    fn skip_blanks(&mut self) -> bool {
        let blanks = self.take_while(|c| c.is_ascii_whitespace()).len();
        if blanks > 1 {
            self.leniency.noted.note(Switch::FilterSpacing);
        }
        blanks > 0
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes the word if it stands next, in any letter case and not as the start of a longer one.
    fn take_keyword(&mut self, keyword: &str) -> bool {
        let start = self.at;
        self.skip_blanks();
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '$' | '['));
        let taken = word.eq_ignore_ascii_case(keyword);
        if !taken {
            self.at = start;
        }
        taken
    }

    fn close(&mut self, bracket: char, expected: &str) -> Result<(), Invalid> {
        self.skip_blanks();
        if self.peek() != Some(bracket) {
            return Err(self.expected(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Invalid> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX { Err(too_deep()) } else { Ok(()) }
    }

    fn count_term(&mut self) -> Result<(), Invalid> {
        self.terms += 1;
        if self.terms > FILTER_TERMS_MAX {
            return Err(Invalid::filter(format!("the filter has more than {FILTER_TERMS_MAX} comparisons")));
        }
        Ok(())
    }

    fn expected(&self, what: &str) -> Invalid {
        let position = self.text[..self.at].chars().count() + 1;
        Invalid::filter(format!("the filter cannot be read at character {position}: expected {what}"))
    }
}

fn one_or(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

fn too_deep() -> Invalid {
    Invalid::filter(format!("the filter nests deeper than {FILTER_DEPTH_MAX} parentheses and brackets"))
}

impl CompareOp {
    /// The operator of this name, in any letter case.
    pub fn named(name: &str) -> Option<Self> {
        const ALL: [CompareOp; 9] = [
            CompareOp::Eq,
            CompareOp::Ne,
            CompareOp::Co,
            CompareOp::Sw,
            CompareOp::Ew,
            CompareOp::Gt,
            CompareOp::Ge,
            CompareOp::Lt,
            CompareOp::Le,
        ];
        ALL.into_iter().find(|op| op.as_str().eq_ignore_ascii_case(name))
    }

    /// The operator as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}
