//! Answers nonsense, of the kind that the configuration names.
//!
//! The SDK cannot say most of it, so this guest stands on the bindings themselves.

use provost_sdk::serde_json::Value;

#[cfg(target_family = "wasm")]
mod component {
    use provost_sdk::wasm::before_write::exports::provost::plugin::before_write::Guest as BeforeWrite;
    use provost_sdk::wasm::imports::provost::plugin::config;
    use provost_sdk::wasm::imports::provost::plugin::types::{Change, Context, Failure, Verdict};
    use provost_sdk::wasm::lifecycle::exports::provost::plugin::lifecycle::{Finding, Guest as Lifecycle, Info};

    struct ReturnsGarbage;

    impl Lifecycle for ReturnsGarbage {
        fn describe() -> Info {
            let provost_sdk::Info { version, summary, .. } = provost_sdk::info!();
            Info { name: "returns_garbage".to_owned(), version: version.to_owned(), summary: summary.to_owned() }
        }

        fn check_config(_config: String) -> Vec<Finding> {
            Vec::new()
        }
    }

    impl BeforeWrite for ReturnsGarbage {
        fn review(_ctx: Context, _change: Change) -> Result<Verdict, Failure> {
            Ok(match super::garbage(&config::get()) {
                super::Garbage::Patch(text) => Verdict::Patch(text),
                super::Garbage::Replace(text) => Verdict::Replace(text),
            })
        }
    }

    provost_sdk::wasm::lifecycle::export!(ReturnsGarbage with_types_in provost_sdk::wasm::lifecycle);
    provost_sdk::wasm::before_write::export!(ReturnsGarbage with_types_in provost_sdk::wasm::before_write);
}

/// The verdict's text, whatever it is.
#[derive(Debug, PartialEq)]
pub enum Garbage {
    /// As patch operations.
    Patch(String),
    /// As a whole document.
    Replace(String),
}

/// What the key `kind` asks for.
pub fn garbage(config: &str) -> Garbage {
    let config: Value = provost_sdk::serde_json::from_str(config).unwrap_or_default();
    let patch = |text: &str| Garbage::Patch(text.to_owned());
    match config["kind"].as_str().unwrap_or_default() {
        "not_json" => patch("this is { no JSON"),
        "not_an_array" => patch(r#"{"op":"replace","path":"displayName","value":"x"}"#),
        "not_operations" => patch(r#"[1, "two", null]"#),
        "unknown_op" => patch(r#"[{"op":"multiply","path":"displayName","value":"x"}]"#),
        "no_such_path" => patch(r#"[{"op":"replace","path":"noSuchAttribute","value":"x"}]"#),
        "broken_path" => patch(r#"[{"op":"replace","path":"emails[type eq","value":"x"}]"#),
        "wrong_type" => patch(r#"[{"op":"replace","path":"active","value":{"not":"a boolean"}}]"#),
        "changes_id" => patch(r#"[{"op":"replace","path":"id","value":"another"}]"#),
        "changes_meta" => patch(r#"[{"op":"replace","path":"meta.created","value":"2001-01-01T00:00:00Z"}]"#),
        "changes_schemas" => patch(r#"[{"op":"replace","path":"schemas","value":["urn:example:nothing"]}]"#),
        "removes_user_name" => patch(r#"[{"op":"remove","path":"userName"}]"#),
        "deep_json" => Garbage::Patch("[".repeat(100_000)),
        "replace_not_json" => Garbage::Replace("this is { no JSON".to_owned()),
        "replace_not_an_object" => Garbage::Replace("[]".to_owned()),
        "replace_empty" => Garbage::Replace("{}".to_owned()),
        "replace_wrong_type" => Garbage::Replace(r#"{"userName":{"not":"a string"}}"#.to_owned()),
        kind => Garbage::Patch(kind.to_owned()),
    }
}
