//! The README's plugin is one of the tests' guests: compiled to a component there, tested here.

#[path = "../../tests/guests/src/tutorial.rs"]
mod tutorial;

const README: &str = include_str!("../README.md");

/// The README's code blocks in this language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    README.split(opening.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
}

#[test]
fn the_readme_shows_the_plugin_that_is_tested() {
    let tested = include_str!("../../tests/guests/src/tutorial.rs");

    assert_eq!(blocks("rust")[0], tested.trim_end());
}

#[test]
fn the_readme_shows_an_input_that_is_json() {
    let input: serde_json::Value = serde_json::from_str(blocks("json")[0]).unwrap();

    assert_eq!(input["proposed"]["userType"], "External");
}
