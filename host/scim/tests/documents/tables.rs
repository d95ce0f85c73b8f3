//! The standard's schemas as they are published, held line by line against the tables of the
//! conformance checklist, section 4 (RFC 7643 section 8.7 with its errata).
//!
//! A row reads: type, `+` multi-valued, `!` required, caseExact (`T`, `F`), mutability, returned,
//! uniqueness; `-` where the published definition must not have the characteristic; then the
//! canonical values or reference types. A name that begins with a dot is a part of the attribute
//! above it.

use std::collections::BTreeMap;

use provost_scim::{Schemas, discovery, standard};
use serde_json::{Value, json};

const READ_WRITE: &str = "rw d n";

/// Checklist 4.1.
const USER_TABLE: &str = "
userName            str . ! F rw d s
name                cplx . . - rw d -
.formatted .familyName .givenName .middleName .honorificPrefix .honorificSuffix  str . . F rw d n
displayName nickName title userType  str . . F rw d n
profileUrl          ref . . T rw d n external
preferredLanguage   str . . F rw d n
locale              str . . F rw d n
timezone            str . . F rw d n
active              bool . . - rw d -
password            str . . T wo n n
emails              cplx + . - rw d -
.value .display     str . . F rw d n
.type               str . . F rw d n work,home,other
.primary            bool . . - rw d -
phoneNumbers        cplx + . - rw d -
.value .display     str . . F rw d n
.type               str . . F rw d n work,home,mobile,fax,pager,other
.primary            bool . . - rw d -
ims                 cplx + . - rw d -
.value .display     str . . F rw d n
.type               str . . F rw d n aim,gtalk,icq,xmpp,msn,skype,qq,yahoo,other
.primary            bool . . - rw d -
photos              cplx + . - rw d -
.value              ref . . T rw d n external
.display            str . . F rw d n
.type               str . . F rw d n photo,thumbnail
.primary            bool . . - rw d -
addresses           cplx + . - rw d -
.formatted .streetAddress .locality .region .postalCode .country  str . . F rw d n
.type               str . . F rw d n work,home,other
.primary            bool . . - rw d -
groups              cplx + . - ro d -
.value              str . . T ro d n
.$ref               ref . . T ro d n Group
.display            str . . F ro d n
.type               str . . F ro d n direct,indirect
entitlements        cplx + . - rw d -
.value .display .type  str . . F rw d n
.primary            bool . . - rw d -
roles               cplx + . - rw d -
.value .display .type  str . . F rw d n
.primary            bool . . - rw d -
x509Certificates    cplx + . - rw d -
.value              bin . . T rw d -
.display .type      str . . F rw d n
.primary            bool . . - rw d -
";

/// Checklist 4.2.
const GROUP_TABLE: &str = "
displayName         str . ! F rw d n
members             cplx + . - rw d -
.value              str . . T im d n
.$ref               ref . . T im d n User,Group
.type               str . . F im d n User,Group
.display            str . . F ro d n
";

/// Checklist 4.3.
const ENTERPRISE_TABLE: &str = "
employeeNumber costCenter organization division department  str . . F rw d n
manager             cplx . . - rw d -
.value              str . . T rw d n
.$ref               ref . . T rw d n User
.displayName        str . . F ro d n
";

/// Checklist 4.4.
const CONFIG_TABLE: &str = "
documentationUri    ref . . T ro d n external
patch changePassword sort etag  cplx . ! - ro d -
.supported          bool . ! - ro d -
bulk                cplx . ! - ro d -
.supported          bool . ! - ro d -
.maxOperations .maxPayloadSize  int . ! - ro d n
filter              cplx . ! - ro d -
.supported          bool . ! - ro d -
.maxResults         int . ! - ro d n
authenticationSchemes cplx + ! - ro d -
.type               str . ! F ro d n oauth,oauth2,oauthbearertoken,httpbasic,httpdigest
.name .description  str . ! F ro d n
.specUri .documentationUri  ref . . T ro d n external
.primary            bool . . - ro d -
pagination          cplx . . - ro d -
.cursor .index      bool . ! - ro d -
.defaultPaginationMethod  str . . F ro d n cursor,index
.defaultPageSize .maxPageSize .cursorTimeout  int . . - ro d n
securityEvents      cplx . . - ro d -
.asyncRequest       str . . F ro d n none,long,request
.eventUris          str + . F ro d n
";

/// Checklist 4.5.
const TYPE_TABLE: &str = "
id                  str . . F ro d n
name                str . ! T ro d s
description         str . . F ro d n
endpoint            ref . ! F ro d s uri
schema              ref . ! T ro d n uri
schemaExtensions    cplx + . - ro d -
.schema             ref . ! T ro d n uri
.required           bool . ! - ro d -
";

/// Checklist 4.6. The parts of `subAttributes` are held to those of `attributes` by a test of their own.
const SCHEMA_TABLE: &str = "
id                  str . ! F ro a n
name                str . ! F ro d n
description         str . . F ro d n
attributes          cplx + ! - ro d -
.name               str . ! T ro d n
.type               str . ! F ro d n string,complex,boolean,decimal,integer,dateTime,reference,binary
.multiValued        bool . ! - ro d -
.description        str . . T ro d n
.required .caseExact  bool . . - ro d -
.canonicalValues    str + . T ro d n
.mutability         str . . T ro d n readOnly,readWrite,immutable,writeOnly
.returned           str . . T ro d n always,never,default,request
.uniqueness         str . . T ro d n none,server,global
.referenceTypes     str + . T ro d n
.subAttributes      cplx + . - ro d -
";

/// A table's rows, one for each name.
fn expected(table: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let mut parents = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let types = ["str", "bool", "int", "dec", "dt", "bin", "ref", "cplx"];
        let names = words.iter().position(|word| types.contains(word)).unwrap();
        let row = words[names..].join(" ");
        if !words[0].starts_with('.') {
            parents = words[..names].to_vec();
            rows.extend(parents.iter().map(|name| ((*name).to_owned(), row.clone())));
            continue;
        }
        for parent in &parents {
            rows.extend(words[..names].iter().map(|sub| (format!("{parent}{sub}"), row.clone())));
        }
    }
    rows
}

/// The same of a published schema.
fn published(urn: &str) -> BTreeMap<String, String> {
    let schemas = Schemas::standard();
    let schema = Value::Object(discovery::schema(schemas.schema(urn).unwrap(), "https://scim.example"));
    let mut rows = BTreeMap::new();
    for attribute in schema["attributes"].as_array().unwrap() {
        let name = attribute["name"].as_str().unwrap();
        rows.insert(name.to_owned(), row(attribute));
        for sub in attribute["subAttributes"].as_array().into_iter().flatten() {
            rows.insert(format!("{name}.{}", sub["name"].as_str().unwrap()), row(sub));
        }
    }
    rows
}

fn row(attribute: &Value) -> String {
    let short = |name: &str, shorts: &[(&str, &str)]| match attribute.get(name) {
        None => "-".to_owned(),
        Some(value) => {
            let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            shorts.iter().find(|(long, _)| *long == word).map_or(word, |(_, short)| (*short).to_owned())
        }
    };
    let kinds = [
        ("string", "str"),
        ("boolean", "bool"),
        ("integer", "int"),
        ("decimal", "dec"),
        ("dateTime", "dt"),
        ("binary", "bin"),
        ("reference", "ref"),
        ("complex", "cplx"),
    ];
    let values = ["canonicalValues", "referenceTypes"].into_iter().filter_map(|name| attribute.get(name)?.as_array());
    let values: Vec<_> = values.flatten().map(|value| value.as_str().unwrap()).collect();
    let mut row = [
        short("type", &kinds),
        short("multiValued", &[("true", "+"), ("false", ".")]),
        short("required", &[("true", "!"), ("false", ".")]),
        short("caseExact", &[("true", "T"), ("false", "F")]),
        short("mutability", &[("readOnly", "ro"), ("readWrite", "rw"), ("immutable", "im"), ("writeOnly", "wo")]),
        short("returned", &[("always", "a"), ("default", "d"), ("never", "n"), ("request", "r")]),
        short("uniqueness", &[("none", "n"), ("server", "s"), ("global", "g")]),
    ]
    .join(" ");
    if !values.is_empty() {
        row.push(' ');
        row.push_str(&values.join(","));
    }
    row
}

#[track_caller]
fn check(urn: &str, table: &str) {
    let (published, expected) = (published(urn), expected(table));
    let differ = |(name, row): (&String, &String)| published.get(name) != Some(row);
    let wrong: Vec<_> = expected.iter().filter(|(name, row)| differ((name, row))).collect();
    let found: Vec<_> = wrong.iter().map(|(name, _)| (name, published.get(*name))).collect();
    assert!(wrong.is_empty(), "the table says {wrong:#?}, published is {found:#?}");
    let more: Vec<_> = published.keys().filter(|name| !expected.contains_key(*name)).collect();
    assert!(more.is_empty(), "published, and in no table: {more:?}");
}

#[test]
fn the_schema_of_users_is_table_4_1() {
    check(standard::USER, USER_TABLE);
}

#[test]
fn the_schema_of_groups_is_table_4_2() {
    check(standard::GROUP, GROUP_TABLE);
}

#[test]
fn the_schema_of_enterprise_users_is_table_4_3() {
    check(standard::ENTERPRISE_USER, ENTERPRISE_TABLE);
}

#[test]
fn the_schema_of_the_configuration_is_table_4_4() {
    check(standard::SERVICE_PROVIDER_CONFIG, CONFIG_TABLE);
}

#[test]
fn the_schema_of_resource_types_is_table_4_5() {
    check(standard::RESOURCE_TYPE, TYPE_TABLE);
}

#[test]
fn the_schema_of_schemas_is_table_4_6() {
    check(standard::SCHEMA, SCHEMA_TABLE);
    let schemas = Schemas::standard();
    let attributes = schemas.schema(standard::SCHEMA).unwrap().attribute("attributes").unwrap().clone();
    let subs = attributes.sub_attribute("subAttributes").unwrap();
    let of_parts = subs.sub_attribute("type").unwrap();
    assert!(!of_parts.canonical_values.contains(&"complex".to_owned()), "a part is never complex");
    for part in &attributes.sub_attributes {
        match (&*part.name, subs.sub_attribute(&part.name)) {
            ("subAttributes", found) => assert!(found.is_none()),
            ("type", found) => assert_eq!(found.unwrap().required, part.required),
            (_, found) => assert_eq!(found.unwrap(), part),
        }
    }
}

/// Checklist section 5. They are in no published schema.
#[test]
fn the_common_attributes_are_table_5() {
    let kinds = standard::common_attributes().iter().map(|attribute| {
        let subs = attribute.sub_attributes.iter().map(|sub| (format!("{}.{}", attribute.name, sub.name), sub.clone()));
        std::iter::once((attribute.name.clone(), attribute.clone())).chain(subs).collect::<Vec<_>>()
    });
    let told: Vec<_> = kinds
        .flatten()
        .map(|(name, a)| json!([name, a.kind, a.multi_valued, a.case_exact, a.mutability, a.returned]).to_string())
        .collect();
    assert_eq!(
        told,
        [
            r#"["schemas","string",true,false,"readWrite","always"]"#,
            r#"["id","string",false,true,"readOnly","always"]"#,
            r#"["externalId","string",false,true,"readWrite","default"]"#,
            r#"["meta","complex",false,false,"readOnly","default"]"#,
            r#"["meta.resourceType","string",false,true,"readOnly","default"]"#,
            r#"["meta.created","dateTime",false,true,"readOnly","default"]"#,
            r#"["meta.lastModified","dateTime",false,true,"readOnly","default"]"#,
            r#"["meta.location","reference",false,true,"readOnly","default"]"#,
            r#"["meta.version","string",false,true,"readOnly","default"]"#,
        ]
    );
    for schema in Schemas::standard().schemas.iter().filter(|s| s.id.contains(":User") || s.id.ends_with(":Group")) {
        assert!(schema.attributes.iter().all(|a| standard::common(&a.name).is_none()), "{}", schema.id);
    }
    assert!(expected(USER_TABLE)["nickName"].ends_with(READ_WRITE), "a row is read as it is written");
}
