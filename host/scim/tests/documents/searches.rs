//! What a search asks, from a query string and from a body (S-11.2, S-12, S-13.1, S-14.1 to S-14.3).

use provost_scim::filter::{Filter, Target};
use provost_scim::message::SEARCH_REQUEST;
use provost_scim::{Invalid, Leniency, Projection, Schemas, Search};
use serde_json::{Value, json};

use super::said;

fn queried(query: &[(&str, &str)]) -> Result<Search, Invalid> {
    let parameters: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Search::from_query(&parameters, Projection::Default)
}

fn searched(mut body: Value) -> Result<Search, Invalid> {
    body["schemas"] = json!([SEARCH_REQUEST]);
    Search::from_json(&body, &Leniency::default())
}

#[test]
fn a_body_asks_what_a_query_string_asks_s_14_1() {
    let pairs = [
        ("filter", "userName pr"),
        ("sortBy", "name.familyName"),
        ("sortOrder", "Descending"),
        ("startIndex", "-3"),
        ("count", "20"),
    ];
    let body = json!({ "filter": "userName pr", "sortBy": "name.familyName", "sortOrder": "Descending",
        "startIndex": -3, "count": 20, "unknown": true });
    let search = Search {
        filter: Some("userName pr".into()),
        sort_by: Some("name.familyName".into()),
        descending: true,
        start_index: Some(-3),
        count: Some(20),
        ..Search::default()
    };
    assert_eq!(queried(&pairs), Ok(search.clone()));
    assert_eq!(searched(body), Ok(search));
}

#[test]
fn a_body_is_read_in_any_letter_case_and_null_is_absent_s_2_15() {
    let body = json!({ "SCHEMAS": [SEARCH_REQUEST.to_uppercase()], "FILTER": "id pr", "sortby": null, "Count": 1,
        "attributes": null, "EXCLUDEDATTRIBUTES": ["emails", " title "] });
    let search = Search::from_json(&body, &Leniency::default()).unwrap();
    assert_eq!((search.filter.as_deref(), search.sort_by, search.count), (Some("id pr"), None, Some(1)));
    assert_eq!(search.projection, Projection::Except(vec!["emails".into(), "title".into()]));
}

#[test]
fn only_a_search_request_is_one_s_14_3() {
    let said_of = |body: Value| said(Search::from_json(&body, &Leniency::default()));
    for body in [
        json!({ "filter": "id pr" }),
        json!({ "schemas": SEARCH_REQUEST }),
        json!({ "schemas": [] }),
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"] }),
    ] {
        assert_eq!(said_of(body), format!("invalidSyntax: `schemas` must contain `{SEARCH_REQUEST}`"));
    }
    assert_eq!(said_of(json!([])), "invalidSyntax: a search request must be a JSON object");
}

#[test]
fn one_string_of_attributes_is_split_where_that_is_forgiven_l_q3() {
    let body = json!({ "schemas": [SEARCH_REQUEST], "attributes": "userName, emails.value" });
    let lenient = Search::from_json(&body, &Leniency::default()).unwrap();
    assert_eq!(lenient.projection, Projection::Only(vec!["userName".into(), "emails.value".into()]));
    let strict = said(Search::from_json(&body, &Leniency::strict()));
    assert_eq!(strict, "invalidValue: `attributes` must be a list of attribute names");
}

#[test]
fn integers_of_any_size_are_integers_and_nothing_else_is_s_12_3() {
    for (text, number) in
        [("0", 0), ("-1", -1), ("007", 7), ("99999999999999999999", i64::MAX), ("-99999999999999999999", i64::MIN)]
    {
        assert_eq!(queried(&[("count", text)]).unwrap().count, Some(number), "{text}");
    }
    for text in ["ten", "1.5", "1e2", "-", "--1", "0x10", " 1"] {
        assert_eq!(said(queried(&[("startIndex", text)])), "invalidValue: `startIndex` must be an integer", "{text}");
    }
    let counted = |count: &str| searched(serde_json::from_str(&format!("{{\"count\":{count}}}")).unwrap());
    for (text, number) in
        [("-1", -1), ("18446744073709551615", i64::MAX), ("99999999999999999999", i64::MAX), ("-1e30", i64::MIN)]
    {
        assert_eq!(counted(text).unwrap().count, Some(number), "{text}");
    }
    for text in ["1.5", "\"10\"", "true", "[1]"] {
        assert_eq!(said(counted(text)), "invalidValue: `count` must be an integer", "{text}");
    }
}

#[test]
fn an_empty_parameter_is_none_except_where_empty_means_something_s_13_1() {
    let search =
        queried(&[("sortBy", ""), ("sortOrder", ""), ("startIndex", ""), ("count", ""), ("cursor", "")]).unwrap();
    assert_eq!(search, Search { cursor: Some(String::new()), ..Search::default() });
    assert_eq!(searched(json!({ "cursor": "", "sortBy": "" })).unwrap(), search);
    // An empty filter is no expression (S-10.1).
    assert_eq!(queried(&[("filter", "")]).unwrap().filter.as_deref(), Some(""));
}

#[test]
fn what_contradicts_itself_is_refused_s_11_2_s_13_12() {
    let order = "invalidValue: `sortOrder` must be `ascending` or `descending`";
    assert_eq!(said(queried(&[("sortOrder", "up")])), order);
    assert_eq!(said(searched(json!({ "sortOrder": "up" }))), order);
    let both = "invalidValue: `cursor` and `startIndex` cannot be used together";
    assert_eq!(said(queried(&[("cursor", ""), ("startIndex", "1")])), both);
    assert_eq!(said(searched(json!({ "cursor": "x", "startIndex": 1 }))), both);
    assert_eq!(said(searched(json!({ "filter": 7 }))), "invalidValue: `filter` must be a string");
    assert_eq!(
        said(searched(json!({ "attributes": ["a"], "excludedAttributes": ["b"] }))),
        "invalidValue: `attributes` and `excludedAttributes` cannot be used together"
    );
}

#[test]
fn a_filter_rules_a_type_out_by_its_name_or_by_what_the_type_lacks_s_9_3_s_9_5() {
    let types = Schemas::standard().resource_types;
    let left = |filter: &str| {
        let filter = Filter::parse(filter).unwrap();
        let bound = filter.bind_each(&types, &Leniency::default()).unwrap();
        let left = types.iter().zip(bound).filter(|(t, bound)| !bound.rules_out(t));
        left.map(|(t, _)| t.name.clone()).collect::<Vec<_>>().join(" ")
    };
    for (filter, types) in [
        ("meta.resourceType eq \"User\"", "User"),
        ("META.RESOURCETYPE EQ \"Group\" and displayName eq \"x\"", "Group"),
        ("meta[resourceType eq \"User\"]", "User"),
        ("meta[resourceType eq \"User\" and version pr]", "User Group"),
        ("meta.resourceType eq \"user\"", ""),
        ("meta.resourceType ne \"User\"", "Group"),
        ("not (meta.resourceType eq \"User\" or displayName eq \"x\")", "Group"),
        ("meta.resourceType eq \"User\" or displayName eq \"x\"", "User Group"),
        ("meta.resourceType eq \"User\" or meta.resourceType eq \"Group\"", "User Group"),
        ("(meta.resourceType eq \"User\") and (meta.resourceType eq \"Group\")", ""),
        ("meta.resourceType pr", "User Group"),
        ("userName eq \"x\"", "User"),
        ("members pr", "Group"),
        ("not (userName pr)", "User Group"),
        ("displayName pr", "User Group"),
    ] {
        assert_eq!(left(filter), types, "{filter}");
    }
}

#[test]
fn an_order_over_several_types_needs_one_that_has_the_attribute_s_11_7() {
    let types = Schemas::standard().resource_types;
    let paths = |sort_by: &str| {
        let targets = Target::for_sort_each(sort_by, &types)?;
        Ok::<_, Invalid>(targets.into_iter().map(|t| t.map(|t| t.path)).collect::<Vec<_>>())
    };
    assert_eq!(paths("displayName"), Ok(vec![Some("displayName".into()), Some("displayName".into())]));
    assert_eq!(paths("EMAILS"), Ok(vec![Some("emails.value".into()), None]));
    assert_eq!(said(paths("nothing")), "invalidValue: no resource type has an attribute `nothing`");
    for refused in ["password", "name", "x509Certificates"] {
        assert!(said(paths(refused)).starts_with("invalidValue: "), "{refused}");
    }
}
