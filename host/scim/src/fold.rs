//! Text as it is compared: letter case and spelling folded away (RFC 7644 section 5, S-10.26, S-22).
//!
//! Stored values keep the spelling they came in; only keys and comparisons use these forms.

use std::borrow::Cow;

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use unicode_normalization::UnicodeNormalization;

/// Text without regard to letter case: full Unicode case folding, in normalisation form C.
///
/// Decomposing first makes canonically equal spellings fold alike; no locale takes part.
///
/// ```
/// assert_eq!(provost_scim::fold::fold("STRASSE"), provost_scim::fold::fold("straße"));
/// ```
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let decomposed: String = text.nfd().collect();
    caseless::default_case_fold_str(&decomposed).nfc().collect()
}

/// A user name as it is compared: prepared by the PRECIS profile UsernameCaseMapped (RFC 8265), which
/// makes wide letters narrow and large ones small, and then folded like all text that does not mind
/// letter case. The profile alone would tell `ΕΛΛΑΣ` from `ελλας`, and `STRASSE` from `straße`.
///
/// Names that the profile does not admit, such as those with a space, are folded only (S-22.2).
pub fn user_name(name: &str) -> String {
    let prepared: Result<Cow<'_, str>, _> = UsernameCaseMapped::enforce(name);
    match prepared {
        Ok(prepared) => fold(&prepared),
        Err(_) => fold(name),
    }
}
