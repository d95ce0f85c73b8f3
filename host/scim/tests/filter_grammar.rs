//! The filter language as text: what is read, how it groups, what is refused, and that printing
//! gives it back (S-10.1 to S-10.12).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use proptest::prelude::*;
use provost_scim::filter::{
    AttrPath, CompareOp, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TERMS_MAX, Filter, Literal,
};
use provost_scim::{Leniency, ScimType};

#[track_caller]
fn check(filter: &str, tree: &str) {
    assert_eq!(Filter::parse(filter).unwrap().to_tree(), tree);
}

#[track_caller]
fn refused(filter: &str) -> String {
    refused_with(filter, &Leniency::default())
}

#[track_caller]
fn refused_with(filter: &str, leniency: &Leniency) -> String {
    let error = Filter::parse_with(filter, leniency).expect_err(filter);
    assert_eq!(error.scim_type, ScimType::InvalidFilter);
    error.detail
}

/// S-10.3; golden test 7.
#[test]
fn and_binds_tighter_than_or() {
    check("a eq 1 or b eq 2 and c eq 3", "(or (eq a 1) (and (eq b 2) (eq c 3)))");
    check("a eq 1 and b eq 2 or c eq 3", "(or (and (eq a 1) (eq b 2)) (eq c 3))");
}

/// S-10.3, S-10.4.
#[test]
fn not_binds_tighter_than_and() {
    check("not (a pr) and b pr", "(and (not (pr a)) (pr b))");
    check("not (a pr and b pr) or c pr", "(or (not (and (pr a) (pr b))) (pr c))");
}

/// S-10.3.
#[test]
fn parentheses_group() {
    check("(a pr or b pr) and c pr", "(and (or (pr a) (pr b)) (pr c))");
    check("((a pr))", "(pr a)");
    check("not ((a pr) and (b pr))", "(not (and (pr a) (pr b)))");
}

/// S-10.2; golden test 6.
#[test]
fn keywords_and_operators_may_have_any_letter_case() {
    check(r#"userName Eq "john""#, r#"(eq userName "john")"#);
    check("NOT (a PR) AND b Ne 2 oR c lE 3", "(or (and (not (pr a)) (ne b 2)) (le c 3))");
}

/// S-10.10.
#[test]
fn every_operator_is_read() {
    for op in ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] {
        check(&format!(r#"a {op} "x""#), &format!(r#"({op} a "x")"#));
    }
}

#[test]
fn every_kind_of_literal_is_read() {
    check("a eq null", "(eq a null)");
    check("a eq true", "(eq a true)");
    check("a eq false", "(eq a false)");
    check("a eq -12", "(eq a -12)");
    check("a eq 1.5e3", "(eq a 1500.0)");
    check(r#"a eq """#, r#"(eq a "")"#);
}

/// S-10.5.
#[test]
fn strings_are_json_strings() {
    check(r#"a eq "say \"hi\" \\ \u00e9 \ud83d\ude00""#, r#"(eq a "say \"hi\" \\ é 😀")"#);
    check(r#"a eq "O'Malley (x) [y] and z eq 1""#, r#"(eq a "O'Malley (x) [y] and z eq 1")"#);
}

/// S-10.4, L-F1; golden test 8.
#[test]
fn spacing_is_forgiven() {
    check("not(a pr)", "(not (pr a))");
    check("  a   pr   and\tb   pr  ", "(and (pr a) (pr b))");
    check(r#"value eq"x""#, r#"(eq value "x")"#);
    check(r#"( a eq "x" )"#, r#"(eq a "x")"#);
    check("(a pr)and(b pr)", "(and (pr a) (pr b))");
    check("emails[ type pr ]", "(element emails (pr type))");
}

/// S-10.9.
#[test]
fn value_paths_hold_a_whole_filter() {
    check(
        r#"emails[type eq "work" and (value co "@x" or not (primary eq true))]"#,
        r#"(element emails (and (eq type "work") (or (co value "@x") (not (eq primary true)))))"#,
    );
    check(r#"members[$ref ew "/2"]"#, r#"(element members (ew $ref "/2"))"#);
}

/// S-10.6.
#[test]
fn paths_are_divided_behind_the_schema_urn() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let read = |text: &str| AttrPath::parse(text).unwrap();

    assert_eq!(read("name.givenName").sub.as_deref(), Some("givenName"));
    let path = read(&format!("{urn}:manager.value"));
    assert_eq!(path.schema.as_deref(), Some(urn));
    assert_eq!((path.name.as_str(), path.sub.as_deref()), ("manager", Some("value")));
    assert_eq!(read(urn).to_string(), urn);
    assert_eq!(read("urn:x:2.0"), AttrPath { schema: Some("urn:x:2.0".into()), name: String::new(), sub: None });
}

/// L-F6.
#[test]
fn a_value_path_with_a_sub_attribute_behind_is_one_more_condition_on_the_element() {
    let filter = r#"emails[type eq "work"].value eq "x""#;
    check(filter, r#"(element emails (and (eq type "work") (eq value "x")))"#);
    check("emails[type pr].value pr and a pr", "(and (element emails (and (pr type) (pr value))) (pr a))");

    let mut strict = Leniency::default();
    strict.filter.bracket_then_sub = false;
    refused_with(filter, &strict);
}

/// S-10.5, L-F2.
#[test]
fn bare_words_are_strings_only_if_switched_on() {
    let mut lenient = Leniency::default();
    lenient.filter.bare_words = true;
    for (filter, tree) in [
        ("meta.resourceType eq User", r#"(eq meta.resourceType "User")"#),
        ("(userName sw O)", r#"(sw userName "O")"#),
        ("emails[type eq work]", r#"(element emails (eq type "work"))"#),
        ("userName eq 'a b'", r#"(eq userName "a b")"#),
    ] {
        assert_eq!(Filter::parse_with(filter, &lenient).unwrap().to_tree(), tree);
        refused(filter);
    }
    refused_with("userName eq 'a b", &lenient);
    refused_with("userName eq ", &lenient);
}

/// L-F7.
#[test]
fn unquoted_dates_are_read_only_if_switched_on() {
    let filter = "meta.created gt 2015-10-10T14:38:21.86-07:00";
    let mut lenient = Leniency::default();
    lenient.filter.unquoted_date = true;

    let tree = Filter::parse_with(filter, &lenient).unwrap().to_tree();

    assert_eq!(tree, r#"(gt meta.created "2015-10-10T14:38:21.86-07:00")"#);
    refused(filter);
    refused_with("userName eq bjensen", &lenient);
}

/// S-10.1, S-10.4, S-10.8, S-10.10.
#[test]
fn what_does_not_fit_the_grammar_is_invalid_filter() {
    for filter in [
        "",
        "   ",
        "userName",
        "userName eq",
        "userName eq \"x",
        "userName eq \"\\x\"",
        "userName eq 'x'",
        "userName eq x",
        "userName eq True",
        "userName eq 01",
        "userName eq 1e999",
        "userName == \"x\"",
        "userName xx \"x\"",
        "userName eq \"a\" \"b\"",
        "userName eq \"a\" userName eq \"b\"",
        "eq \"x\"",
        "\"x\" eq userName",
        "a pr and",
        "a pr or",
        "and a pr",
        "a pr and or b pr",
        "not a pr",
        "not",
        "not eq 1",
        "(a pr",
        "a pr)",
        "()",
        "emails[]",
        "emails[type pr",
        "emails[type pr]]",
        "emails [type pr]",
        "emails[type pr].",
        "emails[type pr].value",
        "emails[type pr].value.x pr",
        "emails[type pr] eq 1",
        "emails.type[value pr]",
        "emails[addresses[type pr]]",
        "emails[urn:x:type eq 1]",
        "a..b pr",
        ".a pr",
        "a. pr",
        "a.b.c pr",
        "1a pr",
        "-a pr",
        "a pr pr",
        "a pr1",
        "é pr",
    ] {
        refused(filter);
    }
}

/// S-10.10.
#[test]
fn an_error_names_the_position_and_never_the_literal() {
    let detail = refused(r#"userName eq "é" and nickName eq secret"#);

    assert_eq!(
        detail,
        "the filter cannot be read at character 33: expected a string in double quotes, a number, true, false or null"
    );
    assert_eq!(
        refused("a like 1"),
        "the filter cannot be read at character 3: expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)"
    );
}

/// S-10.11.
#[test]
fn each_bound_is_named_where_it_is_exceeded() {
    let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
    let terms = |count: usize| vec!["a pr"; count].join(" or ");
    let long = |bytes: usize| format!("a eq \"{}\"", "x".repeat(bytes - 7));

    assert!(Filter::parse(&nested(FILTER_DEPTH_MAX)).is_ok());
    assert!(refused(&nested(FILTER_DEPTH_MAX + 1)).contains("32 parentheses"));
    assert!(Filter::parse(&terms(FILTER_TERMS_MAX)).is_ok());
    assert!(refused(&terms(FILTER_TERMS_MAX + 1)).contains("256 comparisons"));
    assert!(Filter::parse(&long(FILTER_BYTES_MAX)).is_ok());
    assert!(refused(&long(FILTER_BYTES_MAX + 1)).contains("8192 bytes"));
    refused(&"(".repeat(FILTER_BYTES_MAX));
    refused(&"not(".repeat(FILTER_BYTES_MAX / 4));
}

#[test]
fn a_rewritten_value_path_stays_within_the_depth_it_prints_at() {
    let open = FILTER_DEPTH_MAX - 1;
    let filter = |depth: usize| format!("{}emails[a pr or b pr].value pr{}", "(".repeat(depth), ")".repeat(depth));

    assert!(Filter::parse(&filter(open - 1)).is_ok());
    refused(&filter(open));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-zA-Z0-9_-]{0,6}", Just("$ref".to_owned())].prop_filter("a keyword", |name| name != "not")
}

fn attr_path() -> impl Strategy<Value = AttrPath> {
    let schema = proptest::option::of("urn:[a-z]{1,4}:[0-9]\\.[0-9]:[A-Z][a-z]{0,3}");
    (schema, name(), proptest::option::of(name())).prop_map(|(schema, name, sub)| AttrPath { schema, name, sub })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i64>().prop_map(|n| Literal::Number(n.into())),
        any::<f64>().prop_filter_map("finite", |n| serde_json::Number::from_f64(n).map(Literal::Number)),
        any::<String>().prop_map(Literal::String),
    ]
}

fn op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::*;
    prop_oneof![Just(Eq), Just(Ne), Just(Co), Just(Sw), Just(Ew), Just(Gt), Just(Ge), Just(Lt), Just(Le)]
}

fn tree(path: BoxedStrategy<AttrPath>) -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        (path.clone(), op(), literal()).prop_map(|(path, op, literal)| Filter::Compare(path, op, literal)),
        path.prop_map(Filter::Present),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let plain = name().prop_map(|name| AttrPath { schema: None, name, sub: None }).boxed();
    let element = (plain.clone(), tree(plain)).prop_map(|(path, inner)| Filter::Element(path, Box::new(inner)));
    (tree(attr_path().boxed()), proptest::option::of(element)).prop_map(|(filter, element)| match element {
        Some(element) => Filter::And(vec![filter, element]),
        None => filter,
    })
}

proptest! {
    #[test]
    fn a_printed_filter_parses_to_the_same_tree(filter in filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
        let mut lenient = Leniency::default();
        lenient.filter.bare_words = true;
        lenient.filter.unquoted_date = true;
        let _ = Filter::parse(&text);
        let _ = Filter::parse_with(&text, &lenient);
    }

    #[test]
    fn no_near_filter_makes_the_parser_panic(
        tokens in proptest::collection::vec(
            prop_oneof![
                Just("a"), Just("not"), Just("("), Just(")"), Just("["), Just("]"), Just(" "), Just("."), Just("eq"),
                Just("pr"), Just("and"), Just("or"), Just("\""), Just("\\"), Just("'"), Just("1"), Just("-"), Just("é"),
                Just("urn:x:"), Just("null"), Just("]."), Just("a pr"), Just("a eq 1"),
            ],
            0..40,
        ),
    ) {
        if let Ok(filter) = Filter::parse(&tokens.concat()) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }
}
