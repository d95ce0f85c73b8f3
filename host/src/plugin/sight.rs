//! What a plugin may see of a resource: `grant.read`.
//!
//! Attributes outside it are absent from whatever a hook is handed. They are not lost by that: when a plugin answers with
//! a whole document, what it could not see is put back, so that only what it saw counts as changed.

use std::sync::Arc;

use provost_scim::filter::Filter;
use provost_scim::{Attributes, ResourceType, covers};
use serde_json::Value;

use super::config::Grant;

/// What every plugin sees: without them a document says nothing.
const ALWAYS: [&str; 3] = ["id", "meta", "schemas"];

/// The paths a plugin may see; absent for all.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight(Option<Arc<[String]>>);

/// The same for one resource type: canonical paths.
#[derive(Debug)]
pub(super) struct View<'a> {
    of: &'a ResourceType,
    paths: Vec<String>,
}

impl Sight {
    pub(super) fn of(grant: &Grant) -> Self {
        Self(grant.read.as_ref().map(|paths| paths.as_slice().into()))
    }

    /// Whether everything may be seen.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|paths| paths.iter().any(|path| path == "*"))
    }

    /// What may be seen of this type; absent if that is everything.
    pub(super) fn on<'a>(&self, of: &'a ResourceType) -> Option<View<'a>> {
        let paths = self.0.as_ref().filter(|_| !self.is_whole())?;
        let canonical = |path: &String| of.place(path).map(|place| place.path());
        Some(View { of, paths: paths.iter().filter_map(canonical).collect() })
    }

    /// Whether group members may be seen: they are no attribute of a document here.
    pub(super) fn has_members(&self) -> bool {
        self.0.as_ref().is_none_or(|paths| paths.iter().any(|path| covers(super::grant::plain(path), "members")))
    }

    /// The attribute that a filter compares and that may not be seen; absent if there is none. Whoever filters by an
    /// attribute learns its value.
    pub(super) fn unseen_in(&self, filter: &Filter, of: &ResourceType) -> Option<String> {
        self.on(of).and_then(|view| view.unseen_in(filter))
    }

    /// The document as far as it may be seen.
    pub(super) fn limit(&self, document: Attributes, of: &ResourceType) -> Attributes {
        match self.on(of) {
            None => document,
            Some(view) => view.limit(document),
        }
    }

    /// Puts what could not be seen of the original back into an answer. The original is made if it is needed.
    pub(super) fn restore(&self, answer: &mut Attributes, original: impl FnOnce() -> Attributes, of: &ResourceType) {
        if let Some(view) = self.on(of) {
            view.restore(answer, &original());
        }
    }
}

impl View<'_> {
    /// Whether the whole of this path may be seen.
    pub(super) fn sees(&self, path: &str) -> bool {
        ALWAYS.iter().any(|always| covers(always, path)) || self.paths.iter().any(|granted| covers(granted, path))
    }

    /// Whether anything of this path may be seen.
    pub(super) fn touches(&self, path: &str) -> bool {
        self.sees(path) || self.paths.iter().any(|granted| covers(path, granted))
    }

    fn unseen_in(&self, filter: &Filter) -> Option<String> {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().find_map(|part| self.unseen_in(part)),
            Filter::Not(part) => self.unseen_in(part),
            Filter::Compare(path, ..) | Filter::Present(path) | Filter::Element(path, _) => {
                // What leads nowhere is for whoever binds the filter to refuse.
                let canonical = path.place(self.of)?.path();
                (!self.sees(&canonical)).then_some(canonical)
            }
        }
    }

    /// The document as far as it may be seen.
    pub(super) fn limit(&self, mut document: Attributes) -> Attributes {
        document.retain(|name, value| self.keep_value(name, value));
        document
    }

    fn keep_value(&self, path: &str, value: &mut Value) -> bool {
        if self.sees(path) {
            return true;
        }
        if !self.touches(path) {
            return false;
        }
        match value {
            Value::Object(parts) => parts.retain(|name, part| self.keep_value(&self.join(path, name), part)),
            Value::Array(elements) => elements
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|parts| parts.retain(|name, part| self.keep_value(&self.join(path, name), part))),
            _ => return false,
        }
        true
    }

    fn restore(&self, answer: &mut Attributes, original: &Attributes) {
        for (name, value) in original {
            self.restore_value(name, name, answer, value);
        }
    }

    fn restore_value(&self, path: &str, name: &str, answer: &mut Attributes, original: &Value) {
        if self.sees(path) {
            return;
        }
        match (answer.get_mut(name), original) {
            (None, original) => {
                let mut unseen = original.clone();
                // What was seen and is gone now was taken out.
                if self.touches(path) {
                    self.drop_seen(path, &mut unseen);
                }
                if !is_empty(&unseen) {
                    answer.insert(name.to_owned(), unseen);
                }
            }
            (Some(Value::Object(answer)), Value::Object(original)) => {
                for (part, value) in original {
                    self.restore_value(&self.join(path, part), part, answer, value);
                }
            }
            (Some(Value::Array(answer)), Value::Array(original)) => self.restore_elements(path, answer, original),
            (Some(_), _) => {}
        }
    }

    /// An element that came back as it was shown is the one that was shown.
    fn restore_elements(&self, path: &str, answer: &mut [Value], original: &[Value]) {
        let mut shown: Vec<(Value, &Value)> = original
            .iter()
            .map(|element| {
                let mut seen = Value::Array(vec![element.clone()]);
                self.keep_value(path, &mut seen);
                (seen[0].take(), element)
            })
            .collect();
        for element in answer {
            if let Some(place) = shown.iter().position(|(seen, _)| seen == element) {
                *element = shown.remove(place).1.clone();
            }
        }
    }

    fn drop_seen(&self, path: &str, value: &mut Value) {
        match value {
            Value::Object(parts) => {
                let names: Vec<String> = parts.keys().cloned().collect();
                for name in names {
                    let inner = self.join(path, &name);
                    if self.sees(&inner) {
                        parts.remove(&name);
                    } else if let Some(part) = parts.get_mut(&name)
                        && self.touches(&inner)
                    {
                        self.drop_seen(&inner, part);
                    }
                }
            }
            // A list that is gone was taken out as a whole: its elements were seen to be there.
            Value::Array(elements) => elements.clear(),
            _ => {}
        }
    }

    /// The operations as far as they may be seen. One that is about something else is not there at all.
    pub(super) fn operations(&self, operations: &Value) -> Value {
        let seen = operations.as_array().into_iter().flatten().filter_map(|operation| self.operation(operation));
        Value::Array(seen.collect())
    }

    fn operation(&self, operation: &Value) -> Option<Value> {
        let mut operation = operation.clone();
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
        if path.is_empty() {
            let value = operation.get_mut("value").and_then(Value::as_object_mut)?;
            value.retain(|name, value| {
                let canonical = self.of.place(name).map_or_else(|| name.clone(), |place| place.path());
                self.keep_value(&canonical, value)
            });
            return (!value.is_empty()).then_some(operation);
        }
        // A filter in a path compares values: only who sees the whole attribute may see it.
        let (attribute, filtered) = match path.split_once('[') {
            Some((attribute, _)) => (attribute, true),
            None => (path.as_str(), false),
        };
        let canonical = self.of.place(attribute).map_or_else(|| attribute.to_owned(), |place| place.path());
        if self.sees(&canonical) {
            return Some(operation);
        }
        if filtered || !self.touches(&canonical) {
            return None;
        }
        if let Some(value) = operation.get_mut("value")
            && !self.keep_value(&canonical, value)
        {
            operation.as_object_mut()?.remove("value");
        }
        Some(operation)
    }

    fn join(&self, path: &str, name: &str) -> String {
        match self.of.extensions.iter().any(|extension| extension.schema.id == path) {
            true => format!("{path}:{name}"),
            false => format!("{path}.{name}"),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(parts) => parts.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use provost_scim::Schemas;
    use serde_json::json;

    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn users() -> Arc<ResourceType> {
        Schemas::standard().resource_type("User").unwrap().clone()
    }

    fn sight(paths: &[&str]) -> Sight {
        Sight(Some(paths.iter().map(|path| (*path).to_owned()).collect()))
    }

    fn document() -> Attributes {
        let document = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "7", "userName": "ana", "title": "Head",
            "name": { "givenName": "Ana", "familyName": "Ruiz" },
            "emails": [{ "value": "a@x.org", "type": "work" }, { "value": "b@x.org", "type": "home" }],
            ENTERPRISE: { "department": "R", "costCenter": "4" },
        });
        document.as_object().unwrap().clone()
    }

    fn seen(paths: &[&str]) -> Value {
        Value::Object(sight(paths).limit(document(), &users()))
    }

    #[test]
    fn only_what_is_granted_is_there() {
        let head = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "7" });
        let with = |key: &str, value: Value| {
            let mut whole = head.clone();
            whole[key] = value;
            whole
        };
        assert_eq!(seen(&[]), head);
        assert_eq!(seen(&["title"]), with("title", json!("Head")));
        assert_eq!(seen(&["TITLE"]), with("title", json!("Head")));
        assert_eq!(seen(&["name.givenName"]), with("name", json!({ "givenName": "Ana" })));
        assert_eq!(seen(&["emails.type"]), with("emails", json!([{ "type": "work" }, { "type": "home" }])));
        assert_eq!(seen(&[&format!("{ENTERPRISE}:department")]), with(ENTERPRISE, json!({ "department": "R" })));
        assert_eq!(seen(&[ENTERPRISE]), with(ENTERPRISE, json!({ "department": "R", "costCenter": "4" })));
        assert_eq!(seen(&["*"]), Value::Object(document()));
        assert_eq!(seen(&["noSuchThing"]), head);
    }

    #[test]
    fn an_unchanged_answer_restores_the_original() {
        for paths in [&[][..], &["name"], &["name.givenName"], &["emails.type"], &[ENTERPRISE], &["title", "userName"]]
        {
            let sight = sight(paths);
            let mut answer = sight.limit(document(), &users());
            sight.restore(&mut answer, document, &users());
            assert_eq!(answer, document(), "{paths:?}");
        }
    }

    #[test]
    fn what_was_seen_and_taken_out_stays_out() {
        let sight = sight(&["title", "name.givenName"]);
        let mut answer = sight.limit(document(), &users());
        answer.remove("title");
        answer.remove("name");
        sight.restore(&mut answer, document, &users());

        assert!(!answer.contains_key("title"));
        assert_eq!(answer["name"], json!({ "familyName": "Ruiz" }));
        assert_eq!(answer["emails"], document()["emails"]);
    }

    #[test]
    fn elements_that_came_back_are_those_that_were_shown() {
        let sight = sight(&["emails.type"]);
        let mut answer = sight.limit(document(), &users());
        answer.insert("emails".to_owned(), json!([{ "type": "home" }, { "type": "other" }]));
        sight.restore(&mut answer, document, &users());

        assert_eq!(answer["emails"], json!([{ "value": "b@x.org", "type": "home" }, { "type": "other" }]));
    }

    #[test]
    fn filters_compare_only_what_may_be_seen() {
        let sight = sight(&["userName", "emails.type"]);
        let unseen = |text: &str| sight.unseen_in(&Filter::parse(text).unwrap(), &users());

        for text in
            ["userName eq \"a\"", "id eq \"7\" and meta.created pr", "emails.type eq \"work\"", "noSuchThing pr"]
        {
            assert_eq!(unseen(text), None, "{text}");
        }
        assert_eq!(unseen("userName pr or not (TITLE eq \"x\")").as_deref(), Some("title"));
        assert_eq!(unseen("emails.value eq \"x\"").as_deref(), Some("emails.value"));
        assert_eq!(unseen("emails[value eq \"x\"]").as_deref(), Some("emails"));
        assert_eq!(Sight::default().unseen_in(&Filter::parse("title pr").unwrap(), &users()), None);
    }

    #[test]
    fn operations_on_something_else_are_not_told() {
        let operations = json!([
            { "op": "replace", "path": "title", "value": "x" },
            { "op": "replace", "path": "userName", "value": "secret" },
            { "op": "replace", "path": "emails[value eq \"secret\"].type", "value": "work" },
            { "op": "add", "value": { "nickName": "secret", "title": "y" } },
            { "op": "replace", "path": "name", "value": { "givenName": "Ana", "familyName": "secret" } },
            { "op": "remove", "path": "nickName" },
        ]);
        let users = users();
        let sight = sight(&["title", "name.givenName", "emails.type"]);

        let told = sight.on(&users).unwrap().operations(&operations);

        assert!(!told.to_string().contains("secret"), "{told}");
        assert_eq!(told.as_array().unwrap().len(), 3, "{told}");
        assert_eq!(told[2]["value"], json!({ "givenName": "Ana" }));
    }
}
