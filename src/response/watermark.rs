//! Whom a resource went to, said in a tag that nobody else can read or make.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Fault;
use super::edit::Edits;
use super::meta::Coding;
use crate::identity::MacKey;
use crate::json::{Document, Kind, Limits, Node, quote};

/// What the code is for. A change of what is bound takes another number.
const PURPOSE: &str = "fhir-guard watermark v1";

/// How resources are marked.
#[derive(Clone, Debug)]
pub struct Watermarking {
    /// The system of the tag.
    pub system: Rc<str>,
    /// What makes the codes.
    pub key: MacKey,
    /// How many resources of one answer leave unmarked before marking begins.
    pub above: u32,
}

/// What a code binds.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'r> {
    /// The issuer of the token.
    pub issuer: &'r str,
    /// For whom the issuer serves.
    pub tenant: Option<&'r str>,
    /// The OAuth client.
    pub client: &'r str,
    /// The subject of the token.
    pub subject: &'r str,
    /// The id of the patient in context.
    pub patient: Option<&'r str>,
    /// The id of the exchange.
    pub request_id: &'r str,
}

/// The mark of one exchange.
#[derive(Debug)]
pub struct Mark {
    /// The code of its tag: 22 characters of base64url.
    pub code: String,
    tag: String,
    unmarked: Cell<u32>,
}

/// What becomes of such tags in an answer.
#[derive(Clone, Debug)]
pub struct Watermark {
    /// The system of the tags: those that come from the upstream go.
    pub system: Rc<str>,
    /// What the resources get; `None` where they get none.
    pub mark: Option<Rc<Mark>>,
}

impl Watermarking {
    /// The mark of what leaves in one exchange: 128 bits of HMAC-SHA256 over the purpose and, in this order, issuer,
    /// tenant, client, subject, patient and request id, each as `LENGTH:BYTES,` or `-` where there is none, so
    /// that no two recipients are one.
    pub fn mark(&self, recipient: &Recipient<'_>) -> Rc<Mark> {
        let mut message = String::new();
        for part in [
            Some(recipient.issuer),
            recipient.tenant,
            Some(recipient.client),
            Some(recipient.subject),
            recipient.patient,
            Some(recipient.request_id).filter(|id| !id.is_empty()),
        ] {
            match part {
                Some(part) => message.push_str(&format!("{}:{part},", part.len())),
                None => message.push('-'),
            }
        }
        let code = URL_SAFE_NO_PAD.encode(self.key.tag(PURPOSE, message.as_bytes()));
        let tag = format!(r#"{{"system":{},"code":"{code}"}}"#, quote(&self.system));
        Rc::new(Mark {
            code,
            tag,
            unmarked: Cell::new(self.above),
        })
    }
}

impl Watermark {
    /// The tag of the next resource that leaves, where it is to have one.
    pub(super) fn next(&self) -> Option<Coding<'_>> {
        let mark = self.mark.as_deref()?;
        match mark.unmarked.get().checked_sub(1) {
            Some(left) => {
                mark.unmarked.set(left);
                None
            }
            None => Some(Coding {
                system: &self.system,
                code: &mark.code,
                text: &mark.tag,
            }),
        }
    }

    /// Whether a resource, or one that it contains, has such a tag already.
    pub(super) fn is_on(&self, resource: Node<'_>) -> bool {
        each(resource).any(|resource| {
            let tags = resource.get("meta").and_then(|meta| meta.get("tag"));
            tags.is_some_and(|tags| tags.all_named("system").any(|own| own.is_str(&self.system)))
        })
    }

    /// The resource without such tags.
    pub(super) fn without(&self, source: &str, resource: Node<'_>) -> Result<String, Fault> {
        let mut edits = Edits::default();
        for resource in each(resource) {
            self.remove(resource, &mut edits);
        }
        let mut text = String::new();
        edits.apply(source, resource.span(), &mut text);
        let cleared = Document::parse(text.as_bytes(), &Limits::default());
        match cleared.map(|document| self.is_on(document.root())) {
            Ok(false) => Ok(text),
            _ => Err(Fault::Uninspectable(
                "a tag of the watermark's system stands where no tag does",
            )),
        }
    }

    /// Takes the tags of one resource out, with a list of which nothing is left, and a `meta` of which nothing is.
    fn remove(&self, resource: Node<'_>, edits: &mut Edits) {
        let Some(meta) = resource.get("meta") else {
            return;
        };
        let Some(tags) = meta.get("tag").filter(|tags| tags.kind() == Kind::Array) else {
            return;
        };
        let ours = |tag: Node<'_>| {
            let system = tag.get("system");
            system.is_some_and(|own| own.is_str(&self.system))
        };
        if !tags.items().any(ours) {
            return;
        }
        if !tags.items().all(ours) {
            edits.delete_parts(tags.items().map(|tag| (tag.span(), ours(tag))));
        } else if meta.members().count() > 1 {
            edits.delete_parts(members(meta, "tag"));
        } else {
            edits.delete_parts(members(resource, "meta"));
        }
    }
}

/// A resource and what it contains.
fn each<'d>(resource: Node<'d>) -> impl Iterator<Item = Node<'d>> {
    let contained = resource.get("contained");
    std::iter::once(resource).chain(contained.into_iter().flat_map(Node::items))
}

/// The members of an object, and which is of this name.
fn members<'d>(object: Node<'d>, gone: &str) -> impl Iterator<Item = (Range<usize>, bool)> {
    object.members().map(move |member| {
        let span = member.key.span().start..member.value.span().end;
        (span, member.key.is_str(gone))
    })
}
