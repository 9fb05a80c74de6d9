//! The Provenance that comes in a header (<https://hl7.org/fhir/R4/provenance.html#header>).

use super::{BodyCheck, BodyFault, Shape, check_content, parse};
use crate::json::{Document, Node};

/// Checks a Provenance of what is written beside it, and gives what was read. It has no `target`, which
/// the server fills in, and no `id`, which the server chooses.
///
/// # Errors
/// See [`BodyFault`].
pub fn check_provenance(bytes: &[u8], check: BodyCheck) -> Result<Document<'_>, BodyFault> {
    let document = parse(bytes)?;
    let root = document.root();
    let shape = Shape::of(root).map_err(BodyFault::Malformed)?;
    if shape.resource_type.name() != "Provenance" {
        return Err(BodyFault::Mismatch("resourceType is not Provenance"));
    }
    if root.get("target").is_some() {
        return Err(BodyFault::Mismatch(
            "target is there, and is the server's to fill in",
        ));
    }
    if root.get("id").is_some() {
        return Err(BodyFault::Mismatch(
            "id is there, and is the server's to choose",
        ));
    }
    check_content(root, check, Some("target"))?;
    match names_agent(root) {
        true => Ok(document),
        false => Err(BodyFault::Mismatch("no agent says who it is")),
    }
}

/// Whether a Provenance has an agent that says who it is.
pub fn names_agent(root: Node<'_>) -> bool {
    let mut agents = root.get("agent").into_iter().flat_map(Node::items);
    agents.any(|agent| {
        let who = agent.get("who");
        let says = |name| who.is_some_and(|who| who.get(name).is_some());
        ["reference", "identifier", "display"].into_iter().any(says)
    })
}
