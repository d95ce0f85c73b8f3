//! `provost demo`: the main job as a story, with real requests, on a real store, in a temporary directory.
//!
//! One change is transformed, another vetoed, a third forwarded to a system that is down at that
//! moment and gets it when it is back. Every request and answer that is printed went over a socket.

mod receiver;
mod stage;

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Failure;
use super::serve::stop_asked;
use receiver::Receiver;
use stage::Stage;

/// Plays the story; then stays up for more, unless told to end.
pub(super) async fn demo(exit: bool) -> Result<ExitCode, Failure> {
    let mut receiver = Receiver::start().await?;
    let stage = Stage::set(&receiver).await?;
    let told = tell(&stage, &mut receiver).await;
    if told.is_ok() && !exit {
        stage.invite();
        stop_asked().await?;
    }
    stage.strike().await;
    told.map(|()| ExitCode::SUCCESS)
}

async fn tell(stage: &Stage, receiver: &mut Receiver) -> Result<(), Failure> {
    chapter("1. A change is transformed");
    say("The identity provider sends untidy data; the plugin `normalize` tidies it before the commit.");
    let sent = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "  Ana.Lopez@Example.ORG ",
        "name": { "givenName": "Ana", "familyName": "López" },
        "emails": [{ "value": "Ana.Lopez@Example.ORG", "type": "work", "primary": true }],
        "externalId": "hr-1001",
    });
    let created = stage.scim("POST", "/Users", Some(&sent)).await?.expect(201)?;
    say("What was sent, and what was stored:");
    stage::difference(&sent, &created);
    let id = created["id"].as_str().ok_or("the answer has no id")?.to_owned();

    chapter("2. The change is forwarded");
    say("The same commit put a message into the outbox; the plugin `forward` delivered it to another system:");
    receiver.next().await?.print();

    chapter("3. A change is vetoed");
    say("The plugin `domain-policy` lets nobody in from elsewhere, and says so in a SCIM error:");
    let stranger = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "mallory@evil.example",
        "emails": [{ "value": "mallory@evil.example" }],
    });
    stage.scim("POST", "/Users", Some(&stranger)).await?.expect(400)?;
    say("Nothing of it was stored:");
    let found = stage.scim("GET", "/Users?filter=userName+eq+%22mallory@evil.example%22", None).await?.expect(200)?;
    if found["totalResults"] != json!(0) {
        return Err("the vetoed user is in the directory".into());
    }

    chapter("4. The other system is down");
    receiver.go_down().await;
    say("The receiver refuses connections now. The change is accepted all the same:");
    let promoted = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": "title", "value": "Head of Research" }],
    });
    stage.scim("PATCH", &format!("/Users/{id}"), Some(&promoted)).await?.expect(200)?;
    say("Its message waits in the outbox, on disk:");
    let waiting = stage.admin("GET", "/admin/outbox").await?.expect(200)?;
    let key = message_key(&waiting)?;

    chapter("5. The other system is back");
    receiver.come_up().await?;
    let received = receiver.next().await?;
    received.print();
    if received.key != key {
        return Err("the message that arrived is not the one that waited".into());
    }
    say("The same message, under the key it waited with: a receiver can tell a repetition.");

    chapter("6. The journal");
    say("Every committed change, who made it, and which plugin changed it on the way:");
    stage.admin("GET", "/admin/journal").await?.expect(200)?;
    Ok(())
}

fn message_key(waiting: &Value) -> Result<String, Failure> {
    let key = waiting["messages"][0]["idempotencyKey"].as_str();
    Ok(key.ok_or("no message waits in the outbox")?.to_owned())
}

fn chapter(title: &str) {
    println!("\n━━━ {title}");
}

fn say(text: &str) {
    println!("\n{text}");
}
