//! One JSON object, read member by member. What does not fit is noted and counts as absent, so
//! that one mistake does not hide the next.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Mistake;
use crate::error::shown;

/// What members of an operator's own are called; those of this product must be known.
const FOREIGN: &str = "urn:";
const OURS: &str = "urn:provost:";

/// An object that is being read.
pub(super) struct Members<'a> {
    file: &'a str,
    /// What the object is called in errors.
    path: String,
    fields: &'a Map<String, Value>,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Members<'a> {
    /// The members of a value that should be an object.
    pub(super) fn of(
        file: &'a str,
        path: impl Into<String>,
        value: &'a Value,
        mistakes: &'a mut Vec<Mistake>,
    ) -> Option<Self> {
        let path = path.into();
        match value {
            Value::Object(fields) => Some(Self { file, path, fields, mistakes }),
            _ => {
                mistakes.push(Mistake { file: file.to_owned(), path, reason: "must be a JSON object".to_owned() });
                None
            }
        }
    }

    /// Another name for the object, once it is known.
    pub(super) fn named(&mut self, path: impl Into<String>) {
        self.path = path.into();
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn wrong(&mut self, reason: impl Into<String>) {
        self.wrong_at(self.path.clone(), reason);
    }

    pub(super) fn wrong_at(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.mistakes.push(Mistake { file: self.file.to_owned(), path: path.into(), reason: reason.into() });
    }

    /// The same place to note mistakes, for an object inside this one.
    pub(super) fn inside<'b>(&'b mut self, path: impl Into<String>, value: &'b Value) -> Option<Members<'b>> {
        Members::of(self.file, path, value, self.mistakes)
    }

    /// Refuses members that mean nothing here. Those of foreign namespaces are left alone.
    pub(super) fn only(&mut self, known: &[&str]) {
        for name in self.fields.keys() {
            let is_known = known.iter().any(|known| known.eq_ignore_ascii_case(name));
            let is_foreign = name.starts_with(FOREIGN) && !name.starts_with(OURS);
            if !is_known && !is_foreign {
                let names: Vec<_> = known.iter().filter(|name| !name.starts_with(OURS)).copied().collect();
                self.wrong(format!("`{}` is not a member here; known are {}", shown(name), names.join(", ")));
            }
        }
    }

    /// A member that is there and not null, in any letter case.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let found = self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.get(name)? {
            Value::String(text) => Some(text.clone()),
            _ => {
                self.wrong(format!("`{name}` must be a string"));
                None
            }
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(format!("`{name}` must be true or false"));
                false
            }
        }
    }

    pub(super) fn list(&mut self, name: &str) -> &'a [Value] {
        match self.get(name) {
            None => &[],
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.wrong(format!("`{name}` must be a list"));
                &[]
            }
        }
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        let values = self.list(name);
        let texts: Vec<_> = values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect();
        if texts.len() < values.len() {
            self.wrong(format!("`{name}` must be a list of strings"));
        }
        texts
    }

    /// One of a few words; the default if it is absent.
    pub(super) fn word<T: DeserializeOwned + Default>(&mut self, name: &str, words: &[&str]) -> T {
        let Some(text) = self.text(name) else { return T::default() };
        let word = words.iter().find(|word| word.eq_ignore_ascii_case(&text));
        match word.and_then(|word| serde_json::from_value(Value::from(*word)).ok()) {
            Some(word) => word,
            None => {
                let text = shown(&text);
                self.wrong(format!("`{name}` cannot be `{text}`; it is one of {}", words.join(", ")));
                T::default()
            }
        }
    }
}
