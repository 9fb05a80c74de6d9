//! What has become of an export
//! (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status>).

use super::Screen;
use crate::fhir::ResourceType;
use crate::json::{Kind, Node};
use crate::response::bundle::{self, Object};
use crate::response::{Cover, Fault, Link};

/// The most files of one export.
const FILES: usize = 10_000;

impl Screen {
    /// Writes the manifest anew, from what it is known to hold: files of types that the caller may find and
    /// read, by links of ours. What was deleted is left out: nothing tells whose it was.
    pub(super) fn manifest(&mut self, root: Node<'_>, cover: &Cover) -> Result<(), Fault> {
        let wrong = |what| Err(Fault::Uninspectable(what));
        let time = root.get("transactionTime").and_then(|time| time.str());
        let Some(time) = time.filter(|time| bundle::is_instant(time)) else {
            return wrong("the manifest of the export has no transactionTime");
        };
        // Whoever does not see them all would take a part for the whole.
        if root
            .get("link")
            .is_some_and(|link| link.items().count() > 0)
        {
            return wrong("the manifest of the export has further pages");
        }
        let Some(output) = root.get("output").filter(|own| own.kind() == Kind::Array) else {
            return wrong("the manifest of the export has no output");
        };
        let errors = root.get("error").into_iter().flat_map(Node::items);
        let many = output
            .items()
            .count()
            .saturating_add(errors.clone().count());
        if many > FILES {
            return Err(Fault::TooLarge);
        }
        let mut out = String::new();
        let mut manifest = Object::begin(&mut out);
        manifest.string("transactionTime", &[&time]);
        manifest.string("request", &[&cover.self_link]);
        manifest.name("requiresAccessToken").push_str("true");
        let known = |of: ResourceType| cover.others.iter().any(|(known, _)| *known == of);
        let most = self.limits.resource;
        let output = files(output.items(), cover, known, most)?;
        let error = files(errors, cover, |of| of.name() == "OperationOutcome", most)?;
        manifest.name("output").push_str(&output.list);
        manifest.name("error").push_str(&error.list);
        manifest.end();
        self.counts.passed = output.passed.saturating_add(error.passed);
        self.counts.removed = output.removed.saturating_add(error.removed);
        self.out.push_str(&out);
        Ok(())
    }
}

/// Files that may be told of.
struct Files {
    /// An array.
    list: String,
    passed: u64,
    removed: u64,
}

/// Those of these files that are of a known type, in at most so many bytes: our links are longer than those that
/// they are for.
///
/// # Errors
/// A file of a known type is where this filter does not see what is in it, or there are too many.
fn files<'d>(
    items: impl Iterator<Item = Node<'d>>,
    cover: &Cover,
    known: impl Fn(ResourceType) -> bool,
    most: usize,
) -> Result<Files, Fault> {
    let mut files = Files {
        list: "[".to_owned(),
        passed: 0,
        removed: 0,
    };
    for item in items {
        let text = |name: &str| item.get(name).and_then(|value| value.str());
        let resource_type = text("type").and_then(|name| ResourceType::parse(&name));
        let Some(resource_type) = resource_type.filter(|of| known(*of)) else {
            files.removed += 1;
            continue;
        };
        let url = text("url");
        let own = url.and_then(|url| (cover.links)(Link::File(resource_type, &url)));
        let Some(own) = own else {
            return Err(Fault::Uninspectable(
                "a file of the export is at a place that does not pass here",
            ));
        };
        if files.passed > 0 {
            files.list.push(',');
        }
        files.passed += 1;
        let mut file = Object::begin(&mut files.list);
        file.string("type", &[resource_type.name()]);
        file.string("url", &[&own]);
        // It counts what does not leave, too.
        let count = item.get("count").filter(|_| cover.total);
        if let Some(count) = count.and_then(bundle::total) {
            file.name("count").push_str(&count);
        }
        file.end();
        if files.list.len() > most {
            return Err(Fault::TooLarge);
        }
    }
    files.list.push(']');
    Ok(files)
}
