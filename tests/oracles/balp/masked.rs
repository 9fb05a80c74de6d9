//! Events without identities.
//!
//! What is left out of the comparison by rule, because R4 and the profiles leave it open:
//!
//! - Of whom, when and where: ids, times, references up to their type, who an agent is, addresses, the hosts of URLs,
//!   `source.site`. That the observer is one of the agents, and which, is compared.
//! - What is for people: narratives, displays, `entity.description` (the query once more), and the label of test data.
//! - `period`, the entity `exchange` with our decision, and X-Request-Id where the example has none: ours has them all.
//! - Order of agents and entities, which says nothing, and of the query its head fields, and the order and the escapes
//!   of its parameters: ours is the canonical one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::profiles::items;

/// Ours, without what it has beside what the example has.
pub fn ours(event: &Value, example: &Value) -> Value {
    let mut event = event.clone();
    event.as_object_mut().expect("an event").remove("period");
    let is_request = |entity: &Value| entity["type"]["code"] == "XrequestId";
    let known = items(&example["entity"]).into_iter().any(is_request);
    let entities = event["entity"].as_array_mut().expect("entities");
    entities.retain(|entity| entity["name"] != "exchange" && (known || !is_request(entity)));
    masked(&event)
}

/// An event without identities.
pub fn masked(event: &Value) -> Value {
    let mut event = event.clone();
    let observer = observer(&event);
    undisplay(&mut event);
    let members = event.as_object_mut().expect("an event");
    members.retain(|name, _| !["id", "text"].contains(&name.as_str()));
    members.insert("recorded".to_owned(), json!("a time"));
    event["meta"]
        .as_object_mut()
        .expect("profiles")
        .remove("security");
    let source = event["source"].as_object_mut().expect("a source");
    source.remove("site");
    source.insert("observer".to_owned(), observer);
    for agent in event["agent"].as_array_mut().expect("agents") {
        agent["who"] = json!("somebody");
        if let Some(address) = agent["network"].get_mut("address") {
            *address = json!("somewhere");
        }
    }
    for entity in event["entity"].as_array_mut().expect("entities") {
        let members = entity.as_object_mut().expect("an entity");
        members.remove("description");
        if let Some(query) = members.get_mut("query") {
            *query = asked(query);
        }
        if let Some(what) = members.get_mut("what") {
            *what = match what["reference"]
                .as_str()
                .and_then(|own| own.split_once('/'))
            {
                Some((of, _)) => json!(of),
                None => json!([what["identifier"]["system"], what["type"]]),
            };
        }
    }
    for list in ["agent", "entity"] {
        let list = event[list].as_array_mut().expect("a list");
        list.sort_by_key(Value::to_string);
    }
    event
}

/// Which of the agents has recorded it.
fn observer(event: &Value) -> Value {
    let who = &event["source"]["observer"];
    let agents = items(&event["agent"]);
    let agent = agents.into_iter().find(|agent| agent["who"] == *who);
    let mut coding = agent.map_or(Value::Null, |agent| agent["type"]["coding"][0].clone());
    undisplay(&mut coding);
    coding
}

fn undisplay(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("display");
            members.values_mut().for_each(undisplay);
        }
        Value::Array(items) => items.iter_mut().for_each(undisplay),
        _ => {}
    }
}

/// Method, path below the host and parameters of a query, as a request line or with its body.
fn asked(query: &Value) -> Value {
    let parsed = || {
        let text = STANDARD.decode(query.as_str()?).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut line = head.lines().next()?.split(' ');
        let (method, url) = (line.next()?, line.next()?);
        let url = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (_, path) = url.split_once('/')?;
        let (path, parameters) = path.split_once('?').unwrap_or((path, body.trim_end()));
        // A reference to the one type that there is may be its id.
        let parameters = parameters.replace("patient=Patient/", "patient=");
        let mut parameters: Vec<&str> = parameters.split('&').collect();
        parameters.sort_unstable();
        Some(json!([method, path, parameters]))
    };
    parsed().unwrap_or_else(|| query.clone())
}
