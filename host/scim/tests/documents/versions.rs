//! Preconditions (S-19.3, S-19.4).

use provost_scim::Leniency;
use provost_scim::version::EntityTags;

/// S-19.3, S-19.4, L-Q8.
#[test]
fn tags_compare_weakly_whatever_their_spelling() {
    for header in [
        "W/\"3\"",
        "\"3\"",
        "3",
        "W/3",
        " W/\"3\" ",
        "\"1\", W/\"3\"",
        "\"1\",\"3\"",
        "1, 3",
        "*",
        " * ",
        "\"a,b\", \"3\"",
        "x, W/\"3\"",
    ] {
        assert!(EntityTags::parse(header).matches(3), "{header}");
    }
}

/// S-19.4.
#[test]
fn other_tags_do_not_match() {
    for header in [
        "", " ", ",", "W/\"4\"", "\"33\"", "\"3", "W/", "\"\"", "\"03\"", "\" 3\"", "w/\"3\"", "\"**\"", "**",
        "\"1, 3\"",
    ] {
        assert!(!EntityTags::parse(header).matches(3), "{header}");
    }
}

#[test]
fn without_the_leniency_only_quoted_tags_count_l_q8() {
    let strict = |header: &str| EntityTags::parse_with(header, &Leniency::strict()).matches(3);
    assert!(strict("W/\"3\""));
    assert!(strict("x, \"3\""));
    assert!(strict("*"));
    assert!(!strict("3"));
}
