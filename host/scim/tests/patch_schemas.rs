//! What holds for patches of any schema: random attributes in the base schema and in the
//! extension, random resources of them, random operations under random switches.
//!
//! A patch never yields a resource that validation refuses, and the same operation again changes
//! nothing (S-16.7, S-16.9, S-16.30).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use provost_scim::patch::{PATCH_OP, PatchRequest, apply};
use provost_scim::{Attribute, Leniency, Resource, ResourceType, Schemas, Stamp, Switch, check, validate};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Choices that proptest made, and can shrink.
struct Choices<'a> {
    seeds: &'a [u8],
    at: usize,
}

impl Choices<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let seed = self.seeds.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        usize::from(seed) % bound
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Three attributes of the base schema and three of the extension.
fn random_type(choices: &mut Choices<'_>) -> Arc<ResourceType> {
    let mut user = (**Schemas::standard().resource_type("User").unwrap()).clone();
    let mut base = (*user.schema).clone();
    let mut extension = (*user.extensions[0].schema).clone();
    for n in 0..6 {
        let attribute = random_attribute(&format!("a{n}"), choices);
        if n < 3 { base.attributes.push(attribute) } else { extension.attributes.push(attribute) }
    }
    user.schema = Arc::new(base);
    user.extensions[0].schema = Arc::new(extension);
    Arc::new(user)
}

fn random_attribute(name: &str, choices: &mut Choices<'_>) -> Attribute {
    let kinds =
        ["string", "boolean", "integer", "decimal", "dateTime", "binary", "reference", "complex", "complex", "complex"];
    let mut definition = json!({
        "name": name,
        "type": choices.of(&kinds),
        "multiValued": choices.of(&[true, false]),
        "caseExact": choices.of(&[true, false]),
        "mutability": choices.of(&["readWrite", "readWrite", "readWrite", "immutable"]),
    });
    if definition["type"] == "complex" {
        definition["subAttributes"] = json!([
            { "name": "value", "type": choices.of(&["string", "integer", "reference"]), "required": choices.of(&[true, false]),
              "mutability": choices.of(&["readWrite", "readWrite", "immutable"]) },
            { "name": "type", "type": "string" },
            { "name": "primary", "type": "boolean" },
            { "name": "when", "type": "dateTime" },
            { "name": "tags", "type": "string", "multiValued": true },
        ]);
    }
    serde_json::from_value(definition).unwrap()
}

fn single(definition: &Attribute, choices: &mut Choices<'_>) -> Value {
    use provost_scim::AttributeType as Type;
    match definition.kind {
        Type::String => choices.of(&["x", "X", "y", "z", ""]).into(),
        Type::Boolean => choices.of(&[json!(true), json!(false), json!("True")]),
        Type::Integer => choices.of(&[0, 1, -7]).into(),
        Type::Decimal => choices.of(&[json!(0.5), json!(2), json!(-0.0)]),
        Type::DateTime => {
            choices.of(&["2011-05-13T04:42:34Z", "2011-05-13T06:42:34+02:00", "2020-01-01T00:00:00.5Z"]).into()
        }
        Type::Binary => choices.of(&["+/8=", "-_8", "AAAA"]).into(),
        Type::Reference => choices.of(&["https://x.example/A", "https://x.example/a"]).into(),
        Type::Complex => object(definition, &["value", "type", "primary", "when", "tags"], choices),
    }
}

fn object(definition: &Attribute, parts: &[&str], choices: &mut Choices<'_>) -> Value {
    let mut fields = Map::new();
    for part in parts {
        if choices.below(2) == 0 {
            let sub = definition.sub_attribute(part).unwrap();
            fields.insert((*part).to_owned(), value(sub, choices));
        }
    }
    fields.into()
}

fn value(definition: &Attribute, choices: &mut Choices<'_>) -> Value {
    match definition.multi_valued {
        true => (0..choices.below(4)).map(|_| single(definition, choices)).collect(),
        false => single(definition, choices),
    }
}

fn random_resource(of: &Arc<ResourceType>, choices: &mut Choices<'_>) -> Option<Resource> {
    let mut body = json!({ "schemas": [USER], "userName": "ana", ENTERPRISE: {} });
    for n in 0..6 {
        if choices.below(3) > 0 {
            let (name, definition) = named(of, n);
            let at = if n < 3 { &mut body } else { &mut body[ENTERPRISE] };
            at[name] = value(definition, choices);
        }
    }
    resource(check::create(body, of, &Leniency::default()).ok()?).ok()
}

fn resource(draft: provost_scim::Draft) -> Result<Resource, provost_scim::Invalid> {
    let (created, last_modified) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    validate(draft, Stamp { id: Uuid::from_u128(7), version: 1, created, last_modified })
}

fn named(of: &ResourceType, n: usize) -> (String, &Attribute) {
    let name = format!("a{n}");
    let schema = if n < 3 { &of.schema } else { &of.extensions[0].schema };
    let definition = schema.attribute(&name).unwrap();
    (name, definition)
}

/// One operation. None selects by what it then changes: that would be another operation the
/// second time.
fn random_operation(of: &ResourceType, choices: &mut Choices<'_>) -> Value {
    let n = choices.below(6);
    let (name, definition) = named(of, n);
    let path = if n < 3 { name.clone() } else { format!("{ENTERPRISE}:{name}") };
    let op = choices.of(&["add", "replace", "remove", "Replace"]);
    let complex = !definition.sub_attributes.is_empty();
    let selected = format!("{path}[type eq \"{}\"]", choices.of(&["x", "y", "new"]));
    let sub = choices.of(&["value", "primary", "when", "tags"]);
    let (path, new) = match choices.below(if complex { 6 } else { 3 }) {
        0 => (Some(path), value(definition, choices)),
        1 => (Some(path), choices.of(&[json!(null), json!([])])),
        2 if op != "remove" => {
            let new = value(definition, choices);
            let fields = if n < 3 { json!({ name: new }) } else { json!({ ENTERPRISE: { name: new } }) };
            (None, fields)
        }
        2 => (Some(path), single(definition, choices)),
        3 => (Some(format!("{path}.{sub}")), value(definition.sub_attribute(sub).unwrap(), choices)),
        4 => (Some(format!("{selected}.{sub}")), value(definition.sub_attribute(sub).unwrap(), choices)),
        _ => (Some(selected), object(definition, &["value", "primary", "when"], choices)),
    };
    let mut operation = json!({ "op": op });
    if let Some(path) = path {
        operation["path"] = path.into();
    }
    if op != "remove" || choices.below(3) == 0 {
        operation["value"] = new;
    }
    operation
}

fn patched(current: &Resource, operations: &[Value], leniency: &Leniency) -> Option<provost_scim::Draft> {
    let body = json!({ "schemas": [PATCH_OP], "Operations": operations });
    let operations = PatchRequest::parse(body, leniency).ok()?;
    apply(current.to_draft(), Some(current), &operations, leniency).ok()
}

fn leniency(switches: &[bool]) -> Leniency {
    let mut leniency = Leniency::default();
    Switch::ALL.iter().zip(switches).for_each(|(switch, on)| leniency.turn(*switch, *on));
    leniency
}

fn switches() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(any::<bool>(), Switch::ALL.len())
}

fn seeds() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 220)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, max_global_rejects: 65_536, ..ProptestConfig::default() })]

    /// Only what is empty is left to validation (`""` where a value is required); all else a patch refuses itself.
    #[test]
    fn a_patch_never_yields_a_resource_that_validation_refuses(
        seeds in seeds(),
        switches in switches(),
        count in 1_usize..5,
    ) {
        let mut choices = Choices { seeds: &seeds, at: 0 };
        let of = random_type(&mut choices);
        let Some(current) = random_resource(&of, &mut choices) else { return Err(TestCaseError::reject("no resource")) };
        let operations: Vec<Value> = (0..count).map(|_| random_operation(&of, &mut choices)).collect();

        if let Some(draft) = patched(&current, &operations, &leniency(&switches))
            && let Err(error) = resource(draft.clone())
        {
            prop_assert!(
                error.detail.ends_with("is required"),
                "{} after {:?} on {:?}", error, operations, current.attributes()
            );
        }
    }

    /// No version and no journal row the second time: what would be stored is what is stored.
    #[test]
    fn the_same_patch_twice_changes_nothing_the_second_time(seeds in seeds(), switches in switches()) {
        let mut choices = Choices { seeds: &seeds, at: 0 };
        let of = random_type(&mut choices);
        let Some(current) = random_resource(&of, &mut choices) else { return Err(TestCaseError::reject("no resource")) };
        let operations = [random_operation(&of, &mut choices)];
        let leniency = leniency(&switches);

        let once = patched(&current, &operations, &leniency).and_then(|draft| resource(draft).ok());
        if let Some(once) = once {
            // A strict server may refuse to remove what is gone; it changes nothing either way.
            let twice = patched(&once, &operations, &leniency).and_then(|draft| resource(draft).ok());
            if let Some(twice) = twice {
                prop_assert_eq!(
                    twice.attributes(), once.attributes(),
                    "{:?} on {:?} under {:?}", operations, current.attributes(), leniency
                );
            }
        }
    }
}
