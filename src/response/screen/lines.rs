//! The lines of a file of an export
//! (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-output-file-request>).

use super::Screen;
use crate::fhir::ResourceType;
use crate::json::{Document, Node};
use crate::response::bundle::Object;
use crate::response::egress::Taken;
use crate::response::resource;
use crate::response::{Cover, Fault};

/// What every line that leaves ends with.
pub(super) const END: &str = "}\n";

/// `issue-severity` (<https://hl7.org/fhir/R4/valueset-issue-severity.html>).
const SEVERITIES: [&str; 4] = ["fatal", "error", "warning", "information"];

/// `issue-type` (<https://hl7.org/fhir/R4/valueset-issue-type.html>).
const TYPES: [&str; 31] = [
    "business-rule",
    "code-invalid",
    "conflict",
    "deleted",
    "duplicate",
    "exception",
    "expired",
    "extension",
    "forbidden",
    "incomplete",
    "informational",
    "invalid",
    "invariant",
    "lock-error",
    "login",
    "multiple-matches",
    "no-store",
    "not-found",
    "not-supported",
    "processing",
    "required",
    "security",
    "structure",
    "suppressed",
    "throttled",
    "timeout",
    "too-costly",
    "too-long",
    "transient",
    "unknown",
    "value",
];

impl Screen {
    /// Decides on one line of a file that holds resources of this type.
    pub(super) fn line(
        &mut self,
        document: &Document<'_>,
        resource_type: ResourceType,
        cover: &Cover,
    ) -> Result<(), Fault> {
        let root = document.root();
        // Whoever reads line by line would read parts of resources, which nobody has decided on.
        if root.raw().as_bytes().contains(&b'\n') || root.raw().as_bytes().contains(&b'\r') {
            return Err(Fault::Uninspectable("a resource is not on one line"));
        }
        let own_type = root.get("resourceType");
        if !own_type.is_some_and(|own| own.is_str(resource_type.name())) {
            return Err(Fault::Uninspectable(
                "a line holds another type than the file",
            ));
        }
        if resource_type.name() == "OperationOutcome" {
            outcome(root, &mut self.out);
            self.counts.passed += 1;
            return Ok(());
        }
        // Without one it could not be told from any other, nor its labels be those of a stored resource.
        if resource::id_of(root)?.is_none() {
            return Err(Fault::Uninspectable("a line holds a resource without id"));
        }
        let granted = &cover.granted;
        let screened = resource::screen(document.text(), root, resource_type, granted, cover)?;
        let Some(screened) = screened else {
            self.counts.removed += 1;
            return Ok(());
        };
        let redacted = screened.redacted;
        let from = self.out.len();
        screened.write(&mut self.out);
        self.out.push('\n');
        if !cover.egress.is_empty() {
            let length = self.out.len().saturating_sub(from);
            let taken = Taken::Resource(resource_type, root);
            let broken = self.meter.take(cover, &taken, length)?;
            if let Some(broken) = broken {
                // There is no line that could say that the file ends here.
                self.out.truncate(from);
                return self.refuse(broken);
            }
        }
        self.counts.passed += 1;
        self.counts.redacted += u64::from(redacted);
        Ok(())
    }
}

/// An OperationOutcome of which the codes are left: its texts may repeat anything.
fn outcome(root: Node<'_>, out: &mut String) {
    let mut outcome = Object::begin(out);
    outcome.string("resourceType", &["OperationOutcome"]);
    let issues = outcome.name("issue");
    issues.push('[');
    let own = root.get("issue").into_iter().flat_map(Node::items);
    let mut any = false;
    for issue in own {
        let known = |name: &str, codes: &'static [&str], other: &'static str| {
            let own = issue.get(name);
            let mut codes = codes.iter();
            let found = codes.find(|code| own.is_some_and(|own| own.is_str(code)));
            found.copied().unwrap_or(other)
        };
        let (severity, code) = (
            known("severity", &SEVERITIES, "error"),
            known("code", &TYPES, "processing"),
        );
        write_issue(severity, code, any, issues);
        any = true;
    }
    // R4 wants one at least.
    if !any {
        write_issue("error", "processing", false, issues);
    }
    issues.push(']');
    outcome.end();
    out.push('\n');
}

fn write_issue(severity: &str, code: &str, follows: bool, out: &mut String) {
    if follows {
        out.push(',');
    }
    let mut issue = Object::begin(out);
    issue.string("severity", &[severity]);
    issue.string("code", &[code]);
    issue.end();
}
