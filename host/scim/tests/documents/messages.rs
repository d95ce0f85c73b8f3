//! Bodies read, lists and errors written (S-2.11, S-9.1, S-20.1, S-20.2).

use proptest::prelude::*;
use provost_scim::message::{Diagnostics, ErrorBody, JSON_DEPTH_MAX, ListResponse, parse};
use provost_scim::{Invalid, ScimType};
use serde_json::{Value, json};

use super::{object, said};

#[test]
fn a_body_is_a_json_object() {
    let body = br#" {"a":[1,-2,3.5,1e2,true,null,"x\u00e9"],"b":{}} "#;
    assert_eq!(parse(body).unwrap(), json!({ "a": [1, -2, 3.5, 100.0, true, null, "xé"], "b": {} }));
}

#[test]
fn a_byte_order_mark_is_stripped_s_2_11() {
    assert_eq!(parse(b"\xef\xbb\xbf{}").unwrap(), json!({}));
}

#[test]
fn what_is_no_proper_json_object_is_a_syntax_error_that_says_where() {
    for (body, detail) in [
        (&b""[..], "the body is empty"),
        (b" \n", "the body is empty"),
        (b"[]", "the body must be a JSON object"),
        (b"7", "the body must be a JSON object"),
        (b"{\"a\": \"\xff\"}", "the body is not UTF-8 at byte 7"),
        (b"{\"a\":1", "the body is not proper JSON: EOF while parsing an object at line 1 column 6"),
        (b"{\"a\":1} x", "the body is not proper JSON: trailing characters at line 1 column 9"),
        (b"{\n\"a\": }", "the body is not proper JSON: expected value at line 2 column 6"),
        (b"{\"a\":NaN}", "the body is not proper JSON: expected value at line 1 column 6"),
        (b"{\"a\":1,\"a\":2}", "the body is not proper JSON: `a` is given twice in one object at line 1 column 10"),
        (
            b"{\"x\":[{\"userName\":1,\"USERNAME\":2}]}",
            "the body is not proper JSON: `USERNAME` is given twice in one object at line 1 column 30",
        ),
    ] {
        assert_eq!(said(parse(body)), format!("invalidSyntax: {detail}"));
    }
}

#[test]
fn a_syntax_error_repeats_no_value() {
    let detail = said(parse(br#"{"password":"hunter2" "x":1}"#));
    assert!(!detail.contains("hunter2"), "{detail}");
}

#[test]
fn a_body_has_a_greatest_depth_s_2_11() {
    let nested = |levels: usize| format!("{}{}", "{\"a\":".repeat(levels - 1), "{}") + &"}".repeat(levels - 1);
    assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
    let detail = said(parse(nested(JSON_DEPTH_MAX + 1).as_bytes()));
    assert!(detail.contains("nested deeper than 32 levels"), "{detail}");
    let bomb = "[".repeat(1_000_000);
    assert!(said(parse(bomb.as_bytes())).contains("nested deeper than"));
}

#[test]
fn a_list_has_all_its_counters_even_when_empty_s_9_1() {
    let empty = ListResponse { total_results: Some(0), start_index: Some(1), ..ListResponse::default() };
    let expected = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": [] });
    assert_eq!(Value::Object(empty.into_body()), expected);

    let page = ListResponse {
        total_results: Some(12),
        start_index: Some(11),
        resources: vec![object(json!({ "id": "1" }))],
        ..ListResponse::default()
    };
    let body = page.into_body();
    assert_eq!((&body["totalResults"], &body["itemsPerPage"]), (&json!(12), &json!(1)));
    assert_eq!(ListResponse::whole(vec![]).into_body()["startIndex"], 1);
}

#[test]
fn an_error_has_a_string_for_a_status_s_20_2() {
    let expected =
        json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404", "detail": "gone" });
    assert_eq!(Value::Object(ErrorBody::new(404, "gone").into_body()), expected);

    let invalid = ErrorBody::from(Invalid::new(ScimType::NoTarget, "nothing there")).into_body();
    assert_eq!((&invalid["status"], &invalid["scimType"]), (&json!("400"), &json!("noTarget")));
}

#[test]
fn diagnostics_are_an_extension_of_the_error_s_20_6() {
    let urn = "urn:provost:params:scim:api:messages:2.0:Diagnostics";
    let diagnostics =
        Diagnostics { plugin: Some("policy".into()), version: Some("1.2.0".into()), request_id: Some("r1".into()) };
    let body = ErrorBody { diagnostics: Some(diagnostics), ..ErrorBody::new(403, "no") }.into_body();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error", urn]));
    assert_eq!(body[urn], json!({ "plugin": "policy", "version": "1.2.0", "requestId": "r1" }));

    let nothing = ErrorBody { diagnostics: Some(Diagnostics::default()), ..ErrorBody::new(403, "no") }.into_body();
    assert_eq!(nothing["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
    assert!(!nothing.contains_key(urn));
}

proptest! {
    #[test]
    fn reading_any_bytes_never_panics(bytes in any::<Vec<u8>>()) {
        let _ = parse(&bytes);
    }

    #[test]
    fn what_serde_writes_is_read_back(text in any::<String>(), number in any::<i64>(), flag in any::<bool>()) {
        let value = json!({ "a": [text, number, flag, null], "b": { "c": text } });
        prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
    }
}
