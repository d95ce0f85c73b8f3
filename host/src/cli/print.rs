//! Answers as lines for people: one thing a line, the key first, columns by tabs.

use serde_json::Value;

/// Tokens, or the one just made.
pub(super) fn tokens(answer: &Value) {
    if let Some(secret) = answer["token"].as_str() {
        println!("{secret}");
        eprintln!("token `{}` was made; it is shown this once", text(&answer["id"]));
    } else if let Some(id) = answer["revoked"].as_str() {
        println!("token `{id}` is revoked");
    } else {
        for token in list(&answer["tokens"]) {
            let expires = token["expires"].as_str().map_or("never expires".to_owned(), |at| format!("expires {at}"));
            let owner = token["for"].as_str().map_or(String::new(), |id| format!("\tfor {id}"));
            // What a claim says of its bearer is personal; that it is there is enough here.
            let claims = token["claims"].as_object().filter(|claims| !claims.is_empty());
            let claims = claims.map_or(String::new(), |claims| {
                format!("\tclaims {}", claims.keys().map(String::as_str).collect::<Vec<_>>().join(" "))
            });
            let (id, name) = (text(&token["id"]), text(&token["name"]));
            println!("{id}\t{name}\t{}\t{expires}{owner}{claims}", joined(&token["scopes"]));
        }
    }
}

/// Waiting messages, or what was done to one.
pub(super) fn outbox(answer: &Value) {
    if let Some(key) = answer["redriven"].as_str() {
        println!("message {key} is tried again");
    } else if let Some(key) = answer["dropped"].as_str() {
        println!("message {key} is dropped");
    } else {
        for message in list(&answer["messages"]) {
            println!(
                "{}\t{}\t{}→{}\t{} {} {} v{}\tattempts {}\t{}",
                text(&message["key"]),
                text(&message["state"]),
                text(&message["plugin"]),
                text(&message["target"]),
                text(&message["operation"]),
                text(&message["resourceType"]),
                text(&message["resourceId"]),
                message["version"],
                message["attempts"],
                text(&message["lastError"]),
            );
        }
        eprintln!("{} waiting in all", answer["waiting"]);
    }
}

/// Committed changes.
pub(super) fn journal(answer: &Value) {
    for entry in list(&answer["entries"]) {
        let by = joined(&entry["plugins"]);
        println!(
            "{}\t{}\t{} {} {} v{}\tby {}\t[{}]{}",
            entry["sequence"],
            text(&entry["at"]),
            text(&entry["operation"]),
            text(&entry["resourceType"]),
            text(&entry["resourceId"]),
            entry["version"],
            text(entry.get("client").filter(|client| client.is_string()).unwrap_or(&entry["subject"])),
            joined(&entry["changedPaths"]),
            if by.is_empty() { String::new() } else { format!("\tchanged by {by}") },
        );
    }
}

/// Jobs and how they are doing, or the one just started.
pub(super) fn jobs(answer: &Value) {
    if answer["started"].as_bool() == Some(true) {
        println!("job {}/{} has begun", text(&answer["plugin"]), text(&answer["job"]));
    }
    for job in list(&answer["jobs"]) {
        let state = match (job["runningSince"].as_str(), job["next"].as_str()) {
            (Some(since), _) => format!("running since {since}, attempt {}", job["attempt"]),
            (None, Some(next)) => format!("next {next}"),
            (None, None) => "resting".to_owned(),
        };
        let last = job["lastOutcome"].as_str().map_or("never ran".to_owned(), |outcome| {
            let took = format!("{} ms", job["lastDurationMs"]);
            format!("{outcome} {} in {took}: {}", text(&job["lastBegan"]), text(&job["lastReport"]))
        });
        println!("{}/{}\t{}\t{state}\t{last}", text(&job["plugin"]), text(&job["job"]), text(&job["schedule"]));
    }
}

/// Indexes and how far they are.
pub(super) fn indexes(answer: &Value) {
    for index in list(&answer["indexes"]) {
        let done = index["resources"].as_u64().map_or(String::new(), |done| format!("\t{done} resources"));
        println!("{}\t{}\t{}{done}", text(&index["resourceType"]), text(&index["attribute"]), text(&index["state"]));
    }
}

/// Plugins and how they are.
pub(super) fn plugins(answer: &Value) {
    for plugin in list(&answer["plugins"]) {
        let state = plugin["reason"].as_str().unwrap_or(text(&plugin["state"]));
        println!(
            "{}\t{}\t{}\t{}\tcalls {}\trefusals {}\t{state}",
            text(&plugin["name"]),
            text(&plugin["version"]),
            text(&plugin["source"]),
            joined(&plugin["hooks"]),
            plugin["calls"],
            plugin["refusals"],
        );
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn joined(value: &Value) -> String {
    list(value).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}
