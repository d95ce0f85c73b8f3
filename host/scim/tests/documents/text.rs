//! Text as it is compared (S-10.26, S-22.1 to S-22.3).

use proptest::prelude::*;
use provost_scim::NewPassword;
use provost_scim::fold::{fold, user_name};

#[test]
fn folding_knows_more_than_ascii_s_22_3() {
    for (a, b) in [
        ("BJensen", "bjensen"),
        ("Straße", "STRASSE"),
        ("ΣΑΣ", "σας"),
        ("É", "e\u{301}"),
        ("ﬁn", "FIN"),
        ("Å", "\u{212b}"),
        ("Ѐ", "ѐ"),
        ("\u{1fb3}\u{301}", "\u{1fb4}"),
    ] {
        assert_eq!(fold(a), fold(b), "{a} {b}");
    }
    assert_ne!(fold("a"), fold("ä"));
    assert_ne!(fold("i"), fold("ı"));
    assert_eq!(fold(" A  b "), " a  b ", "S-22.4: spaces stay");
}

#[test]
fn user_names_are_prepared_by_precis_s_22_1() {
    assert_eq!(user_name("BJensen@Example.COM"), "bjensen@example.com");
    assert_eq!(user_name("ＡＮＡ"), "ana", "wide letters are narrow ones");
    assert_eq!(user_name("E\u{301}va"), user_name("éva"));
}

/// S-22.1, S-22.3: which user names are one name.
#[test]
fn user_names_that_look_or_fold_alike_are_one_name_or_two() {
    for (a, b) in [
        ("ELA", "ela"),
        ("\u{212a}urt", "kurt"), // the Kelvin sign, which PRECIS refuses and folding makes a k
        ("\u{ff2b}urt", "kurt"), // a wide K
        ("Andre\u{301}", "ANDR\u{c9}"), // an accent of its own, and one in the letter
        ("STRASSE", "stra\u{df}e"),
        ("\u{1e9e}", "\u{df}"),          // capital and small sharp s
        ("\u{130}lker", "i\u{307}lker"), // the Turkish capital I with its dot
        ("\u{395}\u{39b}\u{39b}\u{391}\u{3a3}", "\u{3b5}\u{3bb}\u{3bb}\u{3b1}\u{3c2}"), // a final sigma
    ] {
        assert_eq!(user_name(a), user_name(b), "{a} {b}");
    }
    for (a, b) in [
        ("ilker", "\u{131}lker"),   // the Turkish dotless i
        ("ana", "\u{430}n\u{430}"), // Cyrillic letters
        ("ana", "ana "),
    ] {
        assert_ne!(user_name(a), user_name(b), "{a} {b}");
    }
    assert_eq!(user_name(" Ana  M "), " ana  m ", "S-22.4: spaces stay");
}

/// S-22.1, S-21.3
#[test]
fn passwords_are_prepared_by_precis_and_never_folded() {
    let prepared = |text: &str| NewPassword::new(text).prepared().map(|p| p.reveal().to_owned()).map_err(|e| e.detail);
    assert_eq!(prepared("Pa\u{a0}ss\u{3000}Wo\u{308}rd").unwrap(), "Pa ss W\u{f6}rd");
    assert_eq!(prepared("  two  ").unwrap(), "  two  ", "S-22.4");
    assert_eq!(prepared("\u{ff21}").unwrap(), "\u{ff21}", "wide letters stay wide");
    assert_ne!(prepared("A"), prepared("a"));
    assert_eq!(prepared("").unwrap_err(), "`password` is empty");
    assert_eq!(prepared("hunter2\u{0}").unwrap_err(), "`password` holds a character that no password may hold");
    let once = prepared("\u{2003}e\u{301}").unwrap();
    assert_eq!(prepared(&once).unwrap(), once);
}

#[test]
fn user_names_that_precis_refuses_are_folded_s_22_2() {
    assert_eq!(user_name("Ana Maria"), "ana maria");
    assert_eq!(user_name(""), "");
    assert_eq!(user_name("A\u{7}"), "a\u{7}");
}

proptest! {
    #[test]
    fn folding_twice_is_folding_once(text in ".*") {
        prop_assert_eq!(fold(&fold(&text)), fold(&text));
    }

    #[test]
    fn preparing_a_user_name_never_panics(text in any::<String>()) {
        user_name(&text);
    }
}
