//! What the server says about itself (S-1.10 to S-1.16, checklist section 4).

use std::collections::BTreeSet;

use provost_scim::discovery::{self, BulkFacts, Facts};
use provost_scim::{Schemas, standard};
use serde_json::{Value, json};

use super::*;

const BASE: &str = "https://scim.example/scim/v2";

fn facts() -> Facts {
    Facts {
        max_results: 200,
        default_page_size: 100,
        cursor_timeout: 3600,
        documentation_uri: None,
        bulk: None,
        change_password: false,
    }
}

#[test]
fn the_configuration_is_one_object_with_every_required_part_section_4_4() {
    let config = Value::Object(discovery::service_provider_config(&facts(), BASE));
    assert_eq!(config["schemas"], json!([standard::SERVICE_PROVIDER_CONFIG]));
    assert_eq!(config["filter"], json!({ "supported": true, "maxResults": 200 }));
    assert_eq!(config["bulk"], json!({ "supported": false, "maxOperations": 0, "maxPayloadSize": 0 }));
    assert_eq!(config["etag"]["supported"], true);
    assert_eq!(config["changePassword"]["supported"], false);
    assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    // S-13.13
    let pagination = json!({ "cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
        "maxPageSize": 200, "cursorTimeout": 3600 });
    assert_eq!(config["pagination"], pagination);
    assert_eq!(config["meta"]["location"], "https://scim.example/scim/v2/ServiceProviderConfig");

    let bulk = BulkFacts { max_operations: 10, max_payload_bytes: 1000 };
    let config = discovery::service_provider_config(&Facts { bulk: Some(bulk), ..facts() }, BASE);
    assert_eq!(config["bulk"], json!({ "supported": true, "maxOperations": 10, "maxPayloadSize": 1000 }));

    let config = discovery::service_provider_config(&Facts { change_password: true, ..facts() }, BASE);
    assert_eq!(config["changePassword"], json!({ "supported": true }), "S-21.7");
}

#[test]
fn resource_types_name_their_schemas_and_where_they_are_served_s_1_6() {
    let types = discovery::resource_types(&Schemas::standard(), BASE);
    assert_eq!(
        Value::Object(types[0].clone()),
        json!({ "schemas": [standard::RESOURCE_TYPE], "id": "User", "name": "User", "description": "A person's account",
            "endpoint": "/Users", "schema": CORE, "schemaExtensions": [{ "schema": ENTERPRISE, "required": false }],
            "meta": { "resourceType": "ResourceType", "location": "https://scim.example/scim/v2/ResourceTypes/User" } })
    );
    assert!(!types[1].contains_key("schemaExtensions"), "D-13: only if there are any");
}

#[test]
fn every_schema_that_a_resource_may_name_is_listed_and_no_message_is_s_1_12_s_1_13() {
    let schemas = Schemas::standard();
    let listed: BTreeSet<_> = discovery::schemas(&schemas, BASE).into_iter().map(|s| s["id"].to_string()).collect();
    assert_eq!(listed.len(), 6);
    for resource_type in discovery::resource_types(&schemas, BASE) {
        assert!(listed.contains(&resource_type["schema"].to_string()));
    }
    for urn in [standard::SERVICE_PROVIDER_CONFIG, standard::RESOURCE_TYPE, standard::SCHEMA, ENTERPRISE] {
        assert!(listed.contains(&json!(urn).to_string()));
    }
    assert!(listed.iter().all(|urn| !urn.contains(":api:messages:")));
}

#[test]
fn a_schema_has_schemas_and_meta_itself() {
    let schema = discovery::schema(Schemas::standard().schema(CORE).unwrap(), BASE);
    assert_eq!(schema["schemas"], json!([standard::SCHEMA]));
    assert_eq!(schema["meta"], json!({ "resourceType": "Schema", "location": format!("{BASE}/Schemas/{CORE}") }));
}

#[test]
fn every_characteristic_is_told_where_it_applies_and_only_there_s_3_9() {
    fn each(attribute: &Value) {
        let kind = attribute["type"].as_str().unwrap();
        let has = |name: &str| attribute.get(name).is_some();
        for name in ["name", "type", "multiValued", "description", "required", "mutability", "returned"] {
            assert!(has(name), "{attribute} lacks {name}");
        }
        assert_eq!(has("caseExact"), ["string", "reference", "binary"].contains(&kind), "{attribute}");
        assert_eq!(has("uniqueness"), ["string", "reference", "integer", "decimal"].contains(&kind), "{attribute}");
        assert_eq!(has("referenceTypes"), kind == "reference", "{attribute}");
        assert_eq!(has("subAttributes"), kind == "complex", "{attribute}");
        for sub in attribute["subAttributes"].as_array().into_iter().flatten() {
            each(sub);
        }
    }
    for schema in discovery::schemas(&Schemas::standard(), BASE) {
        schema["attributes"].as_array().unwrap().iter().for_each(each);
    }
}

#[test]
fn a_listed_schema_reads_back_as_the_schema_it_came_from() {
    let schemas = Schemas::standard();
    for schema in &schemas.schemas {
        let text = Value::Object(discovery::schema(schema, BASE)).to_string();
        assert_eq!(Schema::from_json(&text).unwrap(), **schema);
    }
}
