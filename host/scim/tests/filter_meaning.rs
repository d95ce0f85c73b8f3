//! What filters mean: names looked up, literals held against types, documents matched
//! (S-10.12, S-10.20 to S-10.37), and how values are ordered (S-11).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::cmp::Ordering;
use std::sync::Arc;

use provost_scim::compare::{order, sort_value, values_at};
use provost_scim::filter::{Bound, Filter, Operand, Target};
use provost_scim::{Attributes, Leniency, ResourceType, Schemas, ScimType};
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn user_type() -> Arc<ResourceType> {
    Schemas::standard().resource_type("User").unwrap().clone()
}

fn group_type() -> Arc<ResourceType> {
    Schemas::standard().resource_type("Group").unwrap().clone()
}

fn object(value: Value) -> Attributes {
    value.as_object().unwrap().clone()
}

fn ana() -> Attributes {
    object(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
        "id": "2819c223-7f76-453a-919d-413861904646",
        "externalId": "Ext-7",
        "userName": "Ana.Jensen",
        "name": { "familyName": "Straße", "givenName": "Ana" },
        "title": "",
        "active": false,
        "profileUrl": "https://Example.com/ana",
        "emails": [
            { "value": "ana@Example.com", "type": "work", "primary": true },
            { "value": "ana@home.org", "type": "home" }
        ],
        "x509Certificates": [{ "value": "+/8=" }],
        "groups": [{ "value": "g1", "display": "Staff" }],
        ENTERPRISE: {
            "employeeNumber": "701984",
            "department": "Research",
            "manager": { "value": "26118915" }
        },
        "meta": {
            "resourceType": "User",
            "created": "2010-01-23T04:56:22.000Z",
            "lastModified": "2011-05-13T04:42:34.000Z",
            "version": "W/\"3\"",
            "location": "https://example.com/v2/Users/2819c223"
        }
    }))
}

fn bind(filter: &str) -> Bound {
    Filter::parse(filter).unwrap().bind(&user_type(), &Leniency::default()).unwrap()
}

#[track_caller]
fn holds(filter: &str) {
    assert!(bind(filter).matches(&ana()), "{filter} should hold");
}

#[track_caller]
fn fails(filter: &str) {
    assert!(!bind(filter).matches(&ana()), "{filter} should not hold");
}

#[track_caller]
fn refused(filter: &str) -> String {
    refused_with(filter, &Leniency::default())
}

#[track_caller]
fn refused_with(filter: &str, leniency: &Leniency) -> String {
    let error = Filter::parse(filter).unwrap().bind(&user_type(), leniency).expect_err(filter);
    assert_eq!(error.scim_type, ScimType::InvalidFilter);
    error.detail
}

/// S-10.2; golden test 6.
#[test]
fn names_may_have_any_letter_case() {
    holds(r#"USERNAME eq "ana.jensen""#);
    holds(r#"Name.FamilyName eq "straße""#);
    holds(r#"Emails[TYPE eq "work"]"#);
}

/// S-10.6, S-10.7; golden test 12.
#[test]
fn attributes_may_be_qualified_by_their_schema() {
    holds(r#"urn:ietf:params:scim:schemas:core:2.0:User:name.familyName eq "strasse""#);
    holds(r#"URN:IETF:params:scim:schemas:core:2.0:user:userName sw "ana""#);
    holds(&format!(r#"{ENTERPRISE}:department eq "research""#));
    holds(&format!(r#"{ENTERPRISE}:manager.value eq "26118915""#));
    holds(&format!("{ENTERPRISE} pr"));
    fails(&format!("not ({ENTERPRISE} pr)"));
    refused(&format!(r#"{ENTERPRISE} eq "x""#));
}

/// S-10.7.
#[test]
fn a_bare_extension_name_is_read_if_only_one_extension_has_it() {
    holds(r#"department eq "research""#);

    let mut user = (*user_type()).clone();
    let mut twin = (*user.extensions[0].schema).clone();
    twin.id = "urn:example:Twin".into();
    user.extensions.push(provost_scim::schema::Extension { schema: Arc::new(twin), required: false });

    let error = Filter::parse("department pr").unwrap().bind(&user, &Leniency::default()).unwrap_err();
    assert_eq!(error.scim_type, ScimType::InvalidFilter);
}

/// S-10.25, S-10.35.
#[test]
fn case_matters_only_where_the_attribute_says_so() {
    holds(r#"userName eq "ANA.JENSEN""#);
    holds(r#"name.familyName eq "STRASSE""#);
    fails(r#"externalId eq "ext-7""#);
    holds(r#"externalId eq "Ext-7""#);
    fails(r#"meta.resourceType eq "user""#);
    holds(r#"id eq "2819c223-7f76-453a-919d-413861904646""#);
    fails(r#"profileUrl sw "https://example.com""#);
    holds(r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user""#);
}

/// S-10.26.
#[test]
fn canonically_equal_text_is_equal() {
    let document = object(json!({ "displayName": "Andre\u{301}" }));

    assert!(bind("displayName eq \"ANDR\u{c9}\"").matches(&document));
}

/// S-10.26.
#[test]
fn user_names_are_compared_as_precis_prepares_them() {
    let wide = "\u{ff21}na";
    let document = object(json!({ "userName": wide, "nickName": wide }));

    assert!(bind(r#"userName eq "ana""#).matches(&document));
    assert!(!bind(r#"nickName eq "ana""#).matches(&document));
}

/// S-10.13, S-10.32.
#[test]
fn text_operators_look_at_parts() {
    holds(r#"userName co "a.j""#);
    holds(r#"userName sw "ANA""#);
    holds(r#"userName ew "sen""#);
    fails(r#"userName sw "jensen""#);
    fails(r#"userName co "a%j""#);
}

/// S-10.20; golden test 9.
#[test]
fn any_one_value_is_enough() {
    holds(r#"emails.type eq "home""#);
    holds(r#"emails.type eq "work" and emails.value co "@home""#);
}

/// S-10.21; golden test 9.
#[test]
fn brackets_speak_of_one_element() {
    fails(r#"emails[type eq "work" and value co "@home"]"#);
    holds(r#"emails[type eq "home" and value co "@home"]"#);
    holds(r#"emails[not (type eq "work")]"#);
    fails(r#"emails[type eq "other"]"#);
    fails(r#"phoneNumbers[type eq "work"]"#);
}

/// S-10.22.
#[test]
fn brackets_take_a_single_complex_value_for_a_list_of_one() {
    holds(&format!(r#"{ENTERPRISE}:manager[value eq "26118915"]"#));
    fails(&format!(r#"{ENTERPRISE}:manager[value eq "1"]"#));
}

/// S-10.23, L-F5.
#[test]
fn a_complex_attribute_alone_means_its_value() {
    holds(r#"emails co "example.com""#);
    holds(r#"manager eq "26118915""#);
    holds(r#"groups eq "g1""#);
    refused(r#"name eq "x""#);
    refused(r#"meta eq "x""#);

    let mut strict = Leniency::default();
    strict.filter.implied_value = false;
    refused_with(r#"emails co "example.com""#, &strict);
}

/// S-10.24.
#[test]
fn the_elements_of_a_simple_list_are_their_own_value() {
    holds(r#"schemas[value ew ":User"]"#);
    refused(r#"schemas[type eq "x"]"#);
}

/// S-10.27; golden test 13.
#[test]
fn present_means_neither_null_nor_empty() {
    for (attribute, value, present) in [
        ("title", json!("x"), true),
        ("title", json!(""), false),
        ("title", json!(null), false),
        ("active", json!(false), true),
        ("emails", json!([]), false),
        ("emails", json!([{}]), false),
        ("emails", json!([{ "value": "" }]), false),
        ("emails", json!([{ "value": "x" }]), true),
        ("name", json!({}), false),
        ("name", json!({ "givenName": null }), false),
        ("name", json!({ "givenName": "x" }), true),
    ] {
        let document = object(json!({ attribute: value }));
        assert_eq!(bind(&format!("{attribute} pr")).matches(&document), present, "{attribute} {value}");
    }
    assert!(!bind("title pr").matches(&Attributes::new()));
}

/// S-10.29.
#[test]
fn null_stands_for_unassigned() {
    holds("nickName eq null");
    holds("title eq null");
    fails("userName eq null");
    holds("userName ne null");
    holds("emails ne null");
    holds("addresses eq null");
    refused("userName gt null");
    refused("userName co null");
}

/// S-10.30.
#[test]
fn not_equal_means_that_no_value_is_equal() {
    holds(r#"nickName ne "x""#);
    fails(r#"emails.type ne "work""#);
    holds(r#"emails.type ne "other""#);
    holds(r#"emails[type ne "work"]"#);
}

/// S-10.31.
#[test]
fn order_follows_the_type() {
    holds(r#"userName gt "ana""#);
    holds(r#"userName lt "B""#);
    holds(r#"userName ge "ANA.JENSEN""#);
    holds(r#"userName le "ana.jensen""#);
    fails(r#"userName gt "ana.jensen""#);
    fails(r#"nickName lt "z""#);
}

/// S-10.33; golden test 11.
#[test]
fn date_times_are_instants() {
    for literal in ["2011-05-13T04:42:34Z", "2011-05-13T04:42:34.000Z", "2011-05-13T06:42:34+02:00"] {
        holds(&format!(r#"meta.lastModified eq "{literal}""#));
        fails(&format!(r#"meta.lastModified gt "{literal}""#));
        holds(&format!(r#"meta.lastModified ge "{literal}""#));
    }
    holds(r#"meta.created lt "2010-01-23T04:56:22.001Z""#);
    holds(r#"meta.lastModified eq "2011-05-13T04:42:34.0009Z""#);
    refused(r#"meta.created gt "yesterday""#);
    refused(r#"meta.created gt "2011-05-13""#);
}

/// S-10.32.
#[test]
fn binary_values_are_compared_as_bytes() {
    for literal in ["+/8=", "+/8", "-_8"] {
        holds(&format!(r#"x509Certificates.value eq "{literal}""#));
    }
    fails(r#"x509Certificates eq "AAAA""#);
    refused(r#"x509Certificates.value eq "!""#);
}

/// S-10.31, S-10.32; golden test 10.
#[test]
fn operators_fit_types() {
    for filter in [
        "active gt true",
        "active le false",
        r#"active co "t""#,
        r#"emails.primary sw "t""#,
        r#"meta.created co "2011""#,
        r#"meta.created sw "2011-05-13T04:42:34Z""#,
        r#"x509Certificates.value gt "AAAA""#,
        r#"x509Certificates.value co "AAAA""#,
    ] {
        refused(filter);
    }
}

/// S-10.34.
#[test]
fn literals_fit_types() {
    for filter in ["userName eq 1", "userName eq true", "active eq 1", r#"active eq "yes""#, "meta.created gt 5"] {
        refused(filter);
    }
}

/// S-10.31, S-10.32.
#[test]
fn numbers_are_compared_by_size() {
    let mut user = (*user_type()).clone();
    let mut schema = (*user.schema).clone();
    let mut badge = schema.attribute("title").unwrap().clone();
    badge.name = "badge".into();
    badge.kind = provost_scim::AttributeType::Integer;
    schema.attributes.push(badge);
    user.schema = Arc::new(schema);
    let document = object(json!({ "badge": 10 }));
    let holds =
        |filter: &str| Filter::parse(filter).unwrap().bind(&user, &Leniency::default()).unwrap().matches(&document);

    assert!(holds("badge eq 10"));
    assert!(holds("badge eq 10.0"));
    assert!(holds("badge gt 9"));
    assert!(holds("badge le 10"));
    assert!(!holds("badge lt 9.5"));
    // Exactly, where a float would lose digits: 2^53 + 1 is not 2^53 (S-10.31).
    let document = object(json!({ "badge": 9_007_199_254_740_993_i64 }));
    let exact =
        |filter: &str| Filter::parse(filter).unwrap().bind(&user, &Leniency::default()).unwrap().matches(&document);
    assert!(exact("badge eq 9007199254740993"));
    assert!(exact("badge gt 9007199254740992") && !exact("badge eq 9007199254740992"));
    assert!(exact("badge gt 9007199254740992.0") && exact("badge lt 9007199254740994"));
    assert!(Filter::parse("badge co 1").unwrap().bind(&user, &Leniency::default()).is_err());
    assert!(Filter::parse(r#"badge eq "10""#).unwrap().bind(&user, &Leniency::default()).is_err());
}

/// S-10.34, L-F3.
#[test]
fn boolean_strings_are_read_if_switched_on() {
    holds(r#"active eq "False""#);
    holds(r#"emails[primary eq "True"]"#);

    let mut strict = Leniency::default();
    strict.filter.bool_string = false;
    refused_with(r#"active eq "False""#, &strict);
}

/// S-10.37.
#[test]
fn secrets_cannot_be_asked_for() {
    for filter in [
        r#"password eq "x""#,
        r#"password sw "x""#,
        "password pr",
        "password eq null",
        r#"urn:ietf:params:scim:schemas:core:2.0:User:password eq "x""#,
    ] {
        refused(filter);
    }
    let never = Filter::parse(r#"password eq "x""#).unwrap().bind_each(&[user_type()], &Leniency::default());
    assert!(never.is_err());
}

#[test]
fn an_error_names_the_attribute_and_never_the_literal() {
    assert_eq!(refused(r#"foo eq "secret""#), "`foo` is not an attribute of `User`");
    assert_eq!(refused(r#"emails[foo eq "secret"]"#), "`foo` is not an attribute of `emails`");
    assert_eq!(refused("userName eq 42"), "`userName` is text, and is compared with something else");
    assert_eq!(refused("active gt true"), "`gt` cannot be used on `active`, which is a boolean");
}

/// S-10.8, S-10.12, S-10.38.
#[test]
fn unknown_attributes_are_refused_at_one_type() {
    for filter in [
        "foo pr",
        "userName.foo pr",
        "emails.foo pr",
        r#"emails[foo eq "x"]"#,
        r#"emails[type.foo eq "x"]"#,
        r#"userName[value eq "x"]"#,
        "urn:example:Unknown pr",
        "urn:example:Unknown:foo pr",
        "urn:ietf:params:scim:schemas:core:2.0:User pr",
        "members pr",
    ] {
        refused(filter);
    }
}

/// L-F11.
#[test]
fn unknown_attributes_have_no_value_if_switched_on() {
    let mut lenient = Leniency::default();
    lenient.filter.unknown_attr_false = true;
    let bound = |filter: &str| Filter::parse(filter).unwrap().bind(&user_type(), &lenient).unwrap();

    assert_eq!(bound("foo pr"), Bound::Never);
    assert!(bound(r#"foo eq "x" or userName sw "ana""#).matches(&ana()));
    assert!(!bound(r#"foo eq "x""#).matches(&ana()));
}

/// S-10.12.
#[test]
fn over_several_types_an_attribute_needs_to_be_known_to_one_of_them() {
    let types = [user_type(), group_type()];
    let bind = |filter: &str| Filter::parse(filter).unwrap().bind_each(&types, &Leniency::default());

    let bound = bind(r#"userName sw "ana""#).unwrap();
    assert!(bound[0].matches(&ana()));
    assert_eq!(bound[1], Bound::Never);
    assert!(bind("displayName pr and members pr and emails[primary eq true]").is_ok());
    assert!(bind("foo pr or displayName pr").is_err());
    assert!(bind("emails[foo pr]").is_err());
    assert!(bind("userName eq 5").is_err());
}

#[test]
fn members_and_groups_are_mentioned_so_that_they_can_be_joined() {
    let group = |filter: &str| Filter::parse(filter).unwrap().bind(&group_type(), &Leniency::default()).unwrap();

    let bound = group(r#"id eq "g" and members eq "u""#);
    assert!(bound.mentions("members"));
    assert_eq!(bound.targets().iter().map(|t| t.path.as_str()).collect::<Vec<_>>(), ["id", "members.value"]);
    assert!(group(r#"not (Members[value eq "u"])"#).mentions("members"));
    assert!(!group(r#"displayName eq "members""#).mentions("members"));
    assert!(bind(r#"groups.display eq "staff""#).mentions("groups"));

    let staff = object(json!({ "id": "g", "members": [{ "value": "u" }] }));
    assert!(bound.matches(&staff));
}

#[test]
fn the_filter_inside_members_is_asked_of_one_member() {
    let member = object(json!({ "value": "u1", "type": "User", "$ref": "/Users/u1", "display": "Ana" }));
    let filter = |text: &str| Filter::parse(text).unwrap().bind_member(&group_type());

    assert!(filter(r#"value eq "u1" and type eq "user""#).unwrap().matches(&member));
    assert!(filter(r#"$ref ew "/u1""#).unwrap().matches(&member));
    assert!(!filter(r#"value eq "U1""#).unwrap().matches(&member));
    assert!(filter(r#"displayName eq "x""#).is_err());
    assert!(filter("value pr").unwrap().matches(&member));
    assert!(Filter::parse("value pr").unwrap().bind_member(&user_type()).is_err());
}

#[test]
fn index_keys_and_filters_see_the_same_values() {
    let target = |path: &str| Target::resolve(path, &user_type()).unwrap();

    assert_eq!(values_at(&ana(), &target("USERNAME")), [Operand::Text("ana.jensen".into())]);
    assert_eq!(
        values_at(&ana(), &target("emails.value")),
        [Operand::Text("ana@example.com".into()), Operand::Text("ana@home.org".into())]
    );
    assert_eq!(values_at(&ana(), &target("externalId")), [Operand::Text("Ext-7".into())]);
    assert_eq!(values_at(&ana(), &target("active")), [Operand::Boolean(false)]);
    assert_eq!(values_at(&ana(), &target("nickName")), []);

    let Bound::Compare { target: bound, operand, .. } = bind(r#"userName eq "ANA.Jensen""#) else { panic!() };
    assert_eq!(bound, target("userName"));
    assert_eq!(values_at(&ana(), &bound), [operand]);
}

#[test]
fn equal_attributes_have_equal_targets_however_they_are_written() {
    let user = user_type();
    let department = Target::resolve(&format!("{ENTERPRISE}:department"), &user).unwrap();

    assert_eq!(department.path, format!("{ENTERPRISE}:department"));
    assert_eq!(department.steps, [ENTERPRISE, "department"]);
    assert_eq!(Target::resolve("Department", &user).unwrap(), department);
    assert_eq!(
        Target::resolve("urn:ietf:params:scim:schemas:core:2.0:User:emails.VALUE", &user),
        Target::resolve("emails.value", &user)
    );
    for nothing in ["password", "emails", "foo", "", ENTERPRISE] {
        assert_eq!(Target::resolve(nothing, &user), None, "{nothing}");
    }
}

#[test]
fn sorting_prefers_the_primary_element() {
    let target = Target::for_sort("emails", &user_type()).unwrap();
    assert_eq!(target.path, "emails.value");
    let sorts_by = |emails: Value| sort_value(&object(json!({ "emails": emails })), &target);

    let text = |text: &str| Some(Operand::Text(text.into()));
    assert_eq!(sorts_by(json!([{ "value": "a" }, { "value": "B", "primary": true }])), text("b"));
    assert_eq!(sorts_by(json!([{ "value": "a" }, { "value": "b" }])), text("a"));
    assert_eq!(sorts_by(json!([{ "type": "work" }, { "value": "b" }])), text("b"));
    assert_eq!(sorts_by(json!([{ "type": "work", "primary": true }, { "value": "b" }])), text("b"));
    assert_eq!(sorts_by(json!([])), None);
    assert_eq!(sort_value(&ana(), &Target::for_sort("meta.created", &user_type()).unwrap()).map(|_| ()), Some(()));
}

#[test]
fn what_has_no_order_cannot_be_sorted_by() {
    for path in ["foo", "name", "meta", "password", "x509Certificates", "x509Certificates.value", ENTERPRISE, ""] {
        let error = Target::for_sort(path, &user_type()).expect_err(path);
        assert_eq!(error.scim_type, ScimType::InvalidValue);
    }
    for path in ["userName", "name.familyName", "meta.lastModified", "department", "manager", "active", "id"] {
        assert!(Target::for_sort(path, &user_type()).is_ok(), "{path}");
    }
}

#[test]
fn operands_have_a_total_order() {
    let operands = [
        Operand::Null,
        Operand::Boolean(false),
        Operand::Boolean(true),
        Operand::Number((-1.0).into()),
        Operand::Number(0.0.into()),
        Operand::Number(9_007_199_254_740_992_i64.into()),
        Operand::Number(9_007_199_254_740_993_i64.into()),
        Operand::Number(u64::MAX.into()),
        Operand::Number(18_446_744_073_709_551_616.0.into()),
        Operand::Text("A".into()),
        Operand::Text("a".into()),
        Operand::Text("é".into()),
        Operand::Instant("2011-05-13T04:42:34Z".parse().unwrap()),
        Operand::Instant("2011-05-13T04:42:35Z".parse().unwrap()),
        Operand::Bytes(vec![0]),
        Operand::Bytes(vec![0, 0]),
    ];
    for (i, left) in operands.iter().enumerate() {
        for (j, right) in operands.iter().enumerate() {
            assert_eq!(order(left, right), i.cmp(&j));
        }
    }
    let _: Ordering = order(&operands[0], &operands[1]);
}
