//! What identity providers send, in the order they send it: each file of `sequences/` is one
//! conversation, replayed against a server in its own process with nothing configured.
//!
//! An answer may hold more than the file says, but each list has exactly the elements that the
//! file names, in any order. `<name>` stands for what an earlier step kept under this name, `<any>`
//! for anything that is there. Steps that are `together` under one word are sent at the same time.

use std::collections::HashMap;
use std::path::Path;

use provost_tests::{Answer, Process};
use serde::Deserialize;
use serde_json::Value;

/// One conversation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    about: String,
    step: Vec<Step>,
}

/// One request, and what is expected of its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    does: String,
    together: Option<String>,
    request: String,
    body: Option<String>,
    status: u16,
    answer: Option<String>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    keep: HashMap<String, String>,
}

/// What earlier steps kept.
type Kept = HashMap<String, String>;

#[tokio::test]
async fn entra_id_in_its_current_dialect() {
    replay("entra_current.toml").await;
}

#[tokio::test]
async fn entra_id_in_its_legacy_dialect() {
    replay("entra_legacy.toml").await;
}

#[tokio::test]
async fn entra_ids_validation_suite() {
    replay("entra_validator.toml").await;
}

#[tokio::test]
async fn okta() {
    replay("okta.toml").await;
}

async fn replay(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/sequences").join(file);
    let sequence: Sequence = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let server = Process::start().await;
    let mut kept = Kept::new();
    for steps in sequence.step.chunk_by(|one, next| one.together.is_some() && one.together == next.together) {
        let answers = futures::future::join_all(steps.iter().map(|step| send(&server, step, &kept))).await;
        for (step, answer) in steps.iter().zip(answers) {
            if let Err(wrong) = judge(step, &answer, &mut kept) {
                panic!("{}\nin {file}, \"{}\": {wrong}\n{} {}", sequence.about, step.does, answer.status, answer.body);
            }
        }
    }
}

async fn send(server: &Process, step: &Step, kept: &Kept) -> Answer {
    let request = filled(&step.request, kept);
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let request = server.request(method, path);
    let request = match &step.body {
        Some(body) => request.header("content-type", "application/scim+json; charset=utf-8").body(filled(body, kept)),
        None => request,
    };
    server.send(request).await
}

fn judge(step: &Step, answer: &Answer, kept: &mut Kept) -> Result<(), String> {
    if answer.status != step.status {
        return Err(format!("expected the status {}", step.status));
    }
    if let Some(expected) = &step.answer {
        let expected = serde_json::from_str(&filled(expected, kept)).map_err(|e| format!("the file is wrong: {e}"))?;
        holds(&expected, &answer.body, "")?;
    }
    if let Some(there) = step.absent.iter().find(|pointer| answer.body.pointer(pointer).is_some()) {
        return Err(format!("{there} must not be there"));
    }
    for (name, pointer) in &step.keep {
        let value = answer.body.pointer(pointer).and_then(Value::as_str).ok_or(format!("{pointer} is not there"))?;
        kept.insert(name.clone(), value.to_owned());
    }
    Ok(())
}

/// The text with what was kept in the place of its names.
fn filled(text: &str, kept: &Kept) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// Whether the answer has all that is expected.
fn holds(expected: &Value, answer: &Value, at: &str) -> Result<(), String> {
    match (expected, answer) {
        (Value::String(any), Value::Null) if any == "<any>" => Err(format!("{at} is not there")),
        (Value::String(any), _) if any == "<any>" => Ok(()),
        (Value::Object(expected), Value::Object(answer)) => expected.iter().try_for_each(|(name, value)| {
            let at = format!("{at}/{name}");
            holds(value, answer.get(name).ok_or(format!("{at} is not there"))?, &at)
        }),
        (Value::Array(expected), Value::Array(answer)) if expected.len() == answer.len() => {
            let mut left: Vec<&Value> = answer.iter().collect();
            for (place, element) in expected.iter().enumerate() {
                let found = left.iter().position(|answer| holds(element, answer, "").is_ok());
                left.remove(found.ok_or(format!("no element of {at} is like the expected one at {place}"))?);
            }
            Ok(())
        }
        (expected, answer) if expected == answer => Ok(()),
        (expected, _) => Err(format!("{at} is not {expected}")),
    }
}
