use provost_sdk::testing::Harness;
use provost_sdk::{Value, json};

use super::Normalize;

const ID: &str = "01930000-0000-7000-8000-00000000000a";

fn normalize(config: Value) -> Harness {
    Harness::new::<Normalize>().config(config)
}

#[test]
fn listed_attributes_lose_their_white_space() {
    let mut normalize = normalize(json!({ "trim": ["userName", "name.familyName"] }));

    let user = json!({ "userName": " ana ", "name": { "givenName": " Ana ", "familyName": "Ruiz  Gómez " } });
    let outcome = normalize.create("User", user).review();

    assert_eq!(outcome.document()["userName"], "ana");
    assert_eq!(outcome.document()["name"], json!({ "familyName": "Ruiz Gómez", "givenName": " Ana " }));
    assert_eq!(outcome.operations().len(), 2);
}

#[test]
fn letter_case_is_settled_in_every_element_of_a_list() {
    let config = json!({ "lowercase": ["userName", "emails.value"], "uppercase": ["addresses.country"] });
    let user = json!({
        "userName": "Ana@Example.COM",
        "emails": [{ "value": "Ana@Example.COM", "type": "Work" }, { "value": "ana@home.test" }],
        "addresses": [{ "country": "es" }],
    });

    let outcome = normalize(config).create("User", user).review();

    let document = outcome.document();
    assert_eq!(document["userName"], "ana@example.com");
    assert_eq!(document["emails"][0], json!({ "value": "ana@example.com", "type": "Work" }));
    assert_eq!(document["addresses"][0]["country"], "ES");
}

#[test]
fn a_missing_display_name_is_made_from_its_template() {
    let config = || json!({ "fill": { "displayName": "{name.givenName} {name.familyName}" } });
    let named = |name: Value| json!({ "userName": "ana", "name": name });

    let whole = named(json!({ "givenName": "Ana", "familyName": "Ruiz" }));
    assert_eq!(normalize(config()).create("User", whole).review().document()["displayName"], "Ana Ruiz");
    let half = named(json!({ "familyName": "Ruiz" }));
    assert_eq!(normalize(config()).create("User", half).review().document()["displayName"], "Ruiz");
    assert!(normalize(config()).create("User", json!({ "userName": "ana" })).review().proceeds());
    let own = json!({ "userName": "ana", "displayName": "Anita", "name": { "givenName": "Ana" } });
    assert!(normalize(config()).create("User", own).review().proceeds());
}

#[test]
fn a_template_that_is_set_always_wins_and_sees_what_was_trimmed() {
    let config = json!({ "trim": ["name.givenName"], "set": { "displayName": "{name.givenName} ({userName})" } });
    let before = json!({ "id": ID, "userName": "ana", "displayName": "Anita", "name": { "givenName": "Ana" } });
    let rename = json!([{ "op": "replace", "path": "name.givenName", "value": " Anna " }]);

    let outcome = normalize(config).patch("User", before, rename).review();

    assert_eq!(outcome.document()["displayName"], "Anna (ana)");
}

#[test]
fn extensions_are_reached_behind_their_urn() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let config =
        json!({ "trim": [format!("{urn}:department")], "fill": { (format!("{urn}:division")): "{userName}" } });
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    let user = json!({ "schemas": [core, urn], "userName": "ana", (urn): { "department": " Sales " } });

    let outcome = normalize(config).create("User", user).review();

    assert_eq!(outcome.document()[urn], json!({ "division": "ana", "department": "Sales" }));
}

#[test]
fn what_is_normal_already_passes_as_it_is() {
    let config = json!({ "trim": ["userName"], "lowercase": ["userName"], "set": { "displayName": "{userName}" } });

    let outcome = normalize(config).create("User", json!({ "userName": "ana", "displayName": "ana" })).review();

    assert!(outcome.proceeds());
}

#[test]
fn only_the_listed_attributes_are_touched() {
    let user = json!({ "userName": " Ana ", "nickName": " A ", "title": " Dr " });

    let outcome = normalize(json!({ "trim": ["nickName"] })).may_write(["nickName"]).create("User", user).review();

    assert_eq!(outcome.operations(), [json!({ "op": "replace", "path": "nickName", "value": "A" })]);
    assert_eq!(outcome.document()["userName"], " Ana ");
}

#[test]
fn a_delete_has_nothing_to_normalise() {
    let mut normalize = normalize(json!({ "trim": ["userName"] }));

    assert!(normalize.delete("User", json!({ "id": ID, "userName": " ana " })).review().proceeds());
}

#[test]
fn a_configuration_that_makes_no_sense_is_found_by_its_key() {
    let config = json!({
        "lowercase": ["userName"],
        "uppercase": ["userName"],
        "fill": { "displayName": "{name.givenName" },
        "set": { "title": "name}" },
    });

    let findings = normalize(config).check_config();

    let paths: Vec<_> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["uppercase", "fill.displayName", "set.title"]);
    assert_eq!(normalize(json!({ "trimm": [] })).check_config()[0].path, "trimm");
}
