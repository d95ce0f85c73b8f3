//! What the store remembers of its resource types and schemas.

use std::sync::Arc;

use provost_scim::definition::{self, Document};
use provost_scim::{Resource, ResourceType, Schemas};
use serde_json::json;

use super::super::*;
use super::{Fixture, REALM, user};

/// The standard's schemas with one more resource type.
fn with_type(name: &str) -> Schemas {
    let document = |content| Document { file: "test.json".into(), content };
    let urn = "urn:example:params:scim:schemas:device:1.0:Device";
    let schema = json!({ "id": urn, "name": "Device", "attributes": [{ "name": "serial" }] });
    let resource_type = json!({ "name": name, "endpoint": "/Devices", "schema": urn });
    definition::read(&[document(schema)], &[document(resource_type)]).unwrap()
}

async fn open(fixture: &Fixture, schemas: Schemas) -> Result<Store, OpenError> {
    let dir = fixture._dir.as_ref().unwrap().path();
    let schemas = Arc::new(schemas);
    Store::open(&StoreConfig::new(dir, &schemas), schemas).await
}

#[tokio::test]
async fn a_type_with_resources_must_stay_and_one_without_may_go() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let schemas = with_type("Device");
    let device = schemas.resource_type("Device").unwrap().clone();
    let store = open(&fixture, schemas.clone()).await.unwrap();
    let stored = Resource::from_stored(device.clone(), user(&fixture, "x").stamp(), Default::default());
    store.commit(Write::create(&fixture.cx, stored.clone())).await.unwrap();
    store.close().await;
    drop(store);

    let gone = open(&fixture, Schemas::standard()).await.err().unwrap();
    assert!(
        matches!(&gone, OpenError::TypeGone { resource_type, resources: 1 } if resource_type == "Device"),
        "{gone}"
    );
    let store = open(&fixture, schemas.clone()).await.unwrap();
    assert_eq!(store.get(REALM, &device, stored.id()).await.unwrap(), Some(stored.clone()), "nothing was changed");
    store.commit(Write::delete(&fixture.cx, stored)).await.unwrap();
    store.close().await;
    drop(store);

    let store = open(&fixture, Schemas::standard()).await.unwrap();
    assert_eq!(store.type_name(device.number), "Device", "a name that the journal still needs is kept");
    let report = store.check().await.unwrap();
    assert!(report.is_sound() && report.fits(), "{report:#?}");
}

#[tokio::test]
async fn a_number_that_another_type_has_had_is_refused() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    open(&fixture, with_type("Device")).await.unwrap().close().await;

    let mut schemas = with_type("Gadget");
    let gadget = schemas.resource_types.pop().unwrap();
    let number = definition::number("Device");
    schemas.resource_types.push(Arc::new(ResourceType { number, ..(*gadget).clone() }));

    let taken = open(&fixture, schemas).await.err().unwrap();
    assert!(matches!(&taken, OpenError::NumberTaken { known, .. } if known == "Device"), "{taken}");
}

#[tokio::test]
async fn a_change_of_schemas_is_noticed_once() {
    let fixture = Fixture::new().await;
    assert!(!fixture.store.schemas_changed().await.unwrap(), "a new store has nothing to compare with");
    assert!(!fixture.store.schemas_changed().await.unwrap());
    fixture.store.close().await;

    let mut schemas = with_type("Device");
    let store = open(&fixture, schemas.clone()).await.unwrap();
    assert!(store.schemas_changed().await.unwrap());
    assert!(!store.schemas_changed().await.unwrap());
    store.close().await;
    drop(store);

    schemas.schemas.reverse();
    let device = schemas.resource_types.pop().unwrap();
    let described = ResourceType { description: "anything".into(), ..(*device).clone() };
    schemas.resource_types.insert(0, Arc::new(described));
    let store = open(&fixture, schemas).await.unwrap();
    assert!(!store.schemas_changed().await.unwrap(), "order and descriptions decide nothing");
}

#[tokio::test]
async fn what_does_not_fit_is_no_damage() {
    let fixture = Fixture::new().await;
    let ana = fixture.user("ana").await;
    fixture.replace(&ana, json!({ "title": 7, "nonsense": "hush" })).await.unwrap();

    let report = fixture.store.check().await.unwrap();

    assert!(report.is_sound() && !report.fits(), "{report:#?}");
    let told: Vec<_> = report.misfits.iter().map(ToString::to_string).collect();
    let place = format!("User {} does not fit its schema", ana.id());
    assert_eq!(
        told,
        [format!("{place}: `title` must be a string"), format!("{place}: no schema here knows `nonsense`")]
    );
    assert_eq!(report.unfit, 1);
}
