//! Text as it is compared (S-10.26, S-22.1 to S-22.3).

use proptest::prelude::*;
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
