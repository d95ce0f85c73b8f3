//! What must hold of anything that a client can send as text. Each function takes whatever a fuzzer
//! comes up with; a panic is a finding. The conformance tests run them over the seeds.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use provost_scim::bulk::{BulkRequest, Step};
use provost_scim::filter::{Filter, Target};
use provost_scim::patch::{PatchRequest, apply};
use provost_scim::path::PatchPath;
use provost_scim::{Leniency, Resource, ResourceType, Schemas, Stamp, message, validate};
use serde_json::{Value, json};
use uuid::Uuid;

/// The standard schemas.
static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::standard);

/// The switches as a server runs with them, and all of them off.
static LENIENCIES: LazyLock<[Leniency; 2]> = LazyLock::new(|| [Leniency::default(), Leniency::strict()]);

/// A resource of each type.
static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(|| SCHEMAS.resource_types.iter().map(resource).collect());

/// Any text as a filter: it is refused or read; what was read prints as itself, binds or is
/// refused, and judges any resource.
pub fn filter(text: &str) {
    for leniency in &*LENIENCIES {
        let Ok(filter) = Filter::parse_with(text, leniency) else { continue };
        let printed = filter.to_string();
        assert_eq!(Filter::parse(&printed).as_ref(), Ok(&filter), "{printed}");
        for resource in &*RESOURCES {
            if let Ok(bound) = filter.bind(resource.resource_type(), leniency) {
                bound.matches(&resource.document());
            }
        }
        let _ = filter.bind_each(&SCHEMAS.resource_types, leniency);
    }
}

/// Any text as a path: of an attribute, of a sort, of a patch.
pub fn path(text: &str) {
    for resource_type in &SCHEMAS.resource_types {
        if let Some(place) = resource_type.place(text) {
            let again = place.path();
            assert_eq!(resource_type.place(&again).map(|place| place.path()), Some(again));
        }
        let _ = Target::for_sort(text, resource_type);
    }
    for leniency in &*LENIENCIES {
        let Ok(path) = PatchPath::parse(text, leniency) else { continue };
        let printed = path.to_string();
        assert_eq!(PatchPath::parse(&printed, leniency).as_ref(), Ok(&path), "{printed}");
        for resource_type in &SCHEMAS.resource_types {
            let canonical = path.canonical(resource_type);
            assert_eq!(canonical.canonical(resource_type), canonical);
        }
    }
}

/// Any bytes as the body of a PATCH: what can be applied gives what validation takes, the second
/// time as well.
pub fn patch_body(bytes: &[u8]) {
    let Ok(body) = message::parse(bytes) else { return };
    for leniency in &*LENIENCIES {
        let Ok(operations) = PatchRequest::parse(body.clone(), leniency) else { continue };
        for current in &*RESOURCES {
            let Ok(draft) = apply(current.to_draft(), Some(current), &operations, leniency) else { continue };
            let patched = validate(draft, current.stamp()).expect("what a patch leaves is valid");
            if let Ok(draft) = apply(patched.to_draft(), Some(&patched), &operations, leniency) {
                validate(draft, patched.stamp()).expect("and so it is the second time");
            }
        }
    }
}

/// Any bytes as the body of a bulk request: it is refused, or it has an order in which each
/// operation comes once.
pub fn bulk_body(bytes: &[u8]) {
    let Ok(body) = message::parse(bytes) else { return };
    for leniency in &*LENIENCIES {
        let Ok(request) = BulkRequest::parse(body.clone(), &SCHEMAS, 1_000, leniency) else { continue };
        let steps = request.plan().into_iter().flat_map(|step| match step {
            Step::One(one) => vec![one],
            Step::Circle(all) | Step::Knot(all) => all,
        });
        let mut planned: Vec<usize> = steps.collect();
        planned.sort_unstable();
        assert!(planned.into_iter().eq(0..request.operations.len()));
    }
}

fn resource(resource_type: &Arc<ResourceType>) -> Resource {
    let attributes = match resource_type.name.as_str() {
        "User" => json!({
            "userName": "ana",
            "name": { "givenName": "Ana", "familyName": "López" },
            "active": true,
            "emails": [
                { "value": "a@x.example", "type": "work", "primary": true },
                { "value": "b@x.example", "type": "home" },
            ],
            "addresses": [{ "type": "work", "locality": "Oslo", "country": "NO" }],
            "x509Certificates": [{ "value": "AQID" }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "R", "manager": { "value": "m" } },
        }),
        _ => json!({ "displayName": "Staff" }),
    };
    let Value::Object(attributes) = attributes else { unreachable!("it is written as an object above") };
    let stamp = Stamp {
        id: Uuid::from_u128(7),
        version: 1,
        created: Timestamp::UNIX_EPOCH,
        last_modified: Timestamp::UNIX_EPOCH,
    };
    Resource::from_stored(resource_type.clone(), stamp, attributes)
}
