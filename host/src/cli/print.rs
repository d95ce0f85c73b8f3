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
        let short = text(&plugin["digest"]).get(..12).unwrap_or("no digest").to_owned();
        println!(
            "\t{}\t{short}\tsince {}\tfrom {}",
            text(&plugin["state"]),
            text(&plugin["since"]),
            text(&plugin["origin"])
        );
        for breaker in list(&plugin["breakers"]) {
            let until = breaker["until"].as_str().map_or(String::new(), |until| format!(" until {until}"));
            let why = breaker["last_fault"].as_str().map_or(String::new(), |kind| format!(", last by {kind}"));
            println!("\tbreaker {} is {}{until}{why}", text(&breaker["hook"]), text(&breaker["state"]));
        }
    }
    if let Some(reason) = answer["refused"]["reason"].as_str() {
        eprintln!("the last change, at {}, was refused: {reason}", text(&answer["refused"]["at"]));
    }
}

/// What a plugin asks for, is granted, and has used.
pub(super) fn grants(answer: &Value) {
    if answer["manifest"] != Value::Bool(true) {
        println!("it asks for nothing in writing: the grant alone counts");
    }
    let among = |key: &str, line: &Value| list(&answer[key]).contains(line);
    let mut lines: Vec<&Value> = list(&answer["asked"]).iter().chain(list(&answer["granted"])).collect();
    lines.sort_by_key(|line| text(line));
    lines.dedup();
    for line in lines {
        let mark = |yes: bool, word: &'static str| if yes { word } else { "-" };
        let used = answer["used"][text(line)].as_u64().map_or("-".to_owned(), |times| format!("used {times}"));
        let (asked, granted) = (mark(among("asked", line), "asked"), mark(among("granted", line), "granted"));
        println!("{}\t{asked}\t{granted}\t{}\t{used}", text(line), mark(among("effective", line), "effective"));
    }
    for (line, times) in answer["used"].as_object().into_iter().flatten() {
        let line = Value::String(line.clone());
        if !among("asked", &line) && !among("granted", &line) {
            println!("{}\tused {times}", text(&line));
        }
    }
    if let Some(reason) = answer["refused"].as_str() {
        eprintln!("its last change was refused: {reason}");
    }
}

/// What was done to the plugins.
pub(super) fn changed(answer: &Value) {
    if let Some(name) = answer["closed"].as_str() {
        println!("the breakers of `{name}` are closed");
        return;
    }
    let mut nothing = true;
    for (key, word) in [("loaded", "is loaded"), ("disabled", "is switched off"), ("removed", "is removed")] {
        for name in list(&answer[key]) {
            println!("`{}` {word}", text(name));
            nothing = false;
        }
    }
    for (key, words) in
        [("reordered", "the order is another one"), ("outbound", "requests leave with other secrets or settings")]
    {
        if answer[key] == Value::Bool(true) {
            println!("{words}");
            nothing = false;
        }
    }
    if nothing {
        println!("nothing is different");
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
