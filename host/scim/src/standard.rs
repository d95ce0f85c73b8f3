//! What the RFCs themselves define: the schemas of RFC 7643 section 8.7 with their errata, and the
//! common attributes of section 3.1, which stand in no schema and on every resource.
//!
//! The schemas are files in `schemas/`. Where their values differ from the RFC's printed JSON, an
//! erratum or the RFC's own prose is the reason.

use std::sync::{Arc, LazyLock};

use crate::schema::Extension;
use crate::{Attribute, AttributeType, Mutability, ResourceType, Returned, Schema, Schemas, Uniqueness};

/// The URN of the User schema.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the Group schema.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The URN of the enterprise extension of User.
pub const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The URN of the ServiceProviderConfig schema.
pub const SERVICE_PROVIDER_CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// The URN of the ResourceType schema.
pub const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The URN of the Schema schema.
pub const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

static STANDARD: LazyLock<Schemas> = LazyLock::new(build);

/// A copy of the standard's schemas; the schemas inside are shared.
pub(crate) fn schemas() -> Schemas {
    STANDARD.clone()
}

fn build() -> Schemas {
    let read = |text| Arc::new(Schema::from_json(text).expect("the schemas in this crate are well formed"));
    let user = read(include_str!("../schemas/user.json"));
    let group = read(include_str!("../schemas/group.json"));
    let enterprise = read(include_str!("../schemas/enterprise-user.json"));

    let users = ResourceType {
        name: "User".into(),
        number: 1,
        description: user.description.clone(),
        endpoint: "/Users".into(),
        schema: user.clone(),
        extensions: vec![Extension { schema: enterprise.clone(), required: false }],
        has_members: false,
    };
    let groups = ResourceType {
        name: "Group".into(),
        number: 2,
        description: group.description.clone(),
        endpoint: "/Groups".into(),
        schema: group.clone(),
        extensions: Vec::new(),
        has_members: true,
    };
    Schemas {
        schemas: vec![
            user,
            group,
            enterprise,
            read(include_str!("../schemas/service-provider-config.json")),
            read(include_str!("../schemas/resource-type.json")),
            read(include_str!("../schemas/schema.json")),
        ],
        resource_types: vec![Arc::new(users), Arc::new(groups)],
    }
}

/// The common attributes, in the order they are emitted: `schemas`, `id`, `externalId`, `meta`.
pub fn common_attributes() -> &'static [Attribute] {
    static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
        let meta = |name, kind| Attribute { case_exact: true, mutability: Mutability::ReadOnly, ..plain(name, kind) };
        vec![
            Attribute { multi_valued: true, returned: Returned::Always, ..plain("schemas", AttributeType::String) },
            Attribute {
                case_exact: true,
                mutability: Mutability::ReadOnly,
                returned: Returned::Always,
                uniqueness: Uniqueness::Global,
                ..plain("id", AttributeType::String)
            },
            Attribute { case_exact: true, ..plain("externalId", AttributeType::String) },
            Attribute {
                mutability: Mutability::ReadOnly,
                sub_attributes: vec![
                    meta("resourceType", AttributeType::String),
                    meta("created", AttributeType::DateTime),
                    meta("lastModified", AttributeType::DateTime),
                    meta("location", AttributeType::Reference),
                    meta("version", AttributeType::String),
                ],
                ..plain("meta", AttributeType::Complex)
            },
        ]
    });
    &COMMON
}

/// The common attribute of this name, in any letter case.
pub fn common(name: &str) -> Option<&'static Attribute> {
    common_attributes().iter().find(|a| a.name.eq_ignore_ascii_case(name))
}

/// An attribute with the defaults of RFC 7643 section 2.2.
fn plain(name: &str, kind: AttributeType) -> Attribute {
    Attribute {
        name: name.into(),
        kind,
        multi_valued: false,
        description: String::new(),
        required: false,
        canonical_values: Vec::new(),
        closed: false,
        case_exact: false,
        mutability: Mutability::ReadWrite,
        returned: Returned::Default,
        uniqueness: Uniqueness::None,
        reference_types: Vec::new(),
        sub_attributes: Vec::new(),
    }
}
