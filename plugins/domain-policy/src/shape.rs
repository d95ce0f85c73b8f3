//! Shapes of names: `{letters}.{letters}`, `svc-{word}`, `{letter}{digits}@example.com`.
//!
//! What stands outside braces stands for itself, in any letter case. Inside braces is a class of
//! characters: `letter` and `digit` are one, `letters`, `digits`, `word` (letters, digits, `-` and
//! `_`) and `any` are one or more. Fitting takes time in proportion to the text, whatever the shape.

/// A parsed shape.
#[derive(Debug)]
pub struct Shape(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(char),
    Class { holds: fn(char) -> bool, repeats: bool },
}

impl Shape {
    /// Reads a shape, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '{' {
                parts.push(Part::Literal(c));
                continue;
            }
            let Some((name, behind)) = rest.as_str().split_once('}') else {
                return Err("has a `{` without its `}`".to_owned());
            };
            let (holds, repeats): (fn(char) -> bool, bool) = match name {
                "letter" => (char::is_alphabetic, false),
                "letters" => (char::is_alphabetic, true),
                "digit" => (|c| c.is_ascii_digit(), false),
                "digits" => (|c| c.is_ascii_digit(), true),
                "word" => (|c| c.is_alphanumeric() || matches!(c, '-' | '_'), true),
                "any" => (|_| true, true),
                _ => {
                    return Err("names a class that is not one of letter, letters, digit, digits, word, any".to_owned());
                }
            };
            parts.push(Part::Class { holds, repeats });
            rest = behind.chars();
        }
        if parts.is_empty() { Err("is empty".to_owned()) } else { Ok(Self(parts)) }
    }

    /// Whether the whole text has this shape.
    pub fn fits(&self, text: &str) -> bool {
        // `reached[n]` says whether the text so far can be made of the first `n` parts.
        let mut reached = vec![false; self.0.len() + 1];
        reached[0] = true;
        for c in text.chars() {
            let mut next = vec![false; reached.len()];
            for (at, part) in self.0.iter().enumerate() {
                next[at + 1] = match part {
                    Part::Literal(literal) => reached[at] && literal.to_lowercase().eq(c.to_lowercase()),
                    Part::Class { holds, repeats } => (reached[at] || (*repeats && reached[at + 1])) && holds(c),
                };
            }
            reached = next;
        }
        reached[self.0.len()]
    }
}
