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

/// The guard against mass changes: what it lets through, and what was counted.
pub(super) fn guard(answer: &Value) {
    let guards = list(&answer["guards"]);
    if guards.is_empty() {
        println!("there is no guard; `[guard]` in the configuration sets one up");
    }
    for guard in guards {
        let most = guard["most"].as_u64().map(|most| most.to_string());
        let share = guard["sharePercent"].as_u64().map(|share| format!("{share} percent"));
        let bounds: Vec<String> = most.into_iter().chain(share).collect();
        let (of, seconds) = (text(&guard["of"]), &guard["windowSeconds"]);
        println!("{of}\tat most {} within {seconds} seconds", bounds.join(" or "));
        for counted in list(&guard["counts"]) {
            println!("\t{}\t{}", text(&counted["resourceType"]), counted["count"]);
        }
    }
    if let Some(until) = answer["liftedUntil"].as_str() {
        println!("lifted until {until}");
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
            text(&entry["client"]),
            joined(&entry["changedPaths"]),
            if by.is_empty() { String::new() } else { format!("\tchanged by {by}") },
        );
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
