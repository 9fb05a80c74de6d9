//! Links to further pages in a form of the upstream's own, carried in links of ours.

use super::head::{Method, RequestHead};
use super::place::{below_base, known};
use super::{FhirPolicy, Request};
use crate::denial::Denial;
use crate::fhir::ResourceType;

/// The longest token of a page, in bytes.
pub const MAX_TOKEN: usize = 4096;

/// Another page, asked for by a link of ours: `GET [base]/T?_page=token`, and `GET [base]/?_page=token`
/// where the answer has several types.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PageLink {
    /// The type in the link.
    pub resource_type: Option<ResourceType>,
    /// What the link carries, not looked into yet: 1 to [`MAX_TOKEN`] bytes of base64url.
    pub token: String,
}

/// Another page of what an interaction asks for, by a link that the upstream made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// Our link to it.
    pub link: PageLink,
    /// Path and query below the upstream's base.
    pub upstream: String,
}

impl PageLink {
    /// Understands the head of a request by such a link, or refuses it; `None` where it is none.
    pub fn parse(head: &RequestHead, policy: &FhirPolicy) -> Result<Option<Self>, Denial> {
        let Some((path, token)) = head.path.split_once("?_page=") else {
            return Ok(None);
        };
        let relative = below_base(path, policy)?;
        let resource_type = match relative {
            "" => None,
            name => Some(known(name)?),
        };
        if !matches!(head.method, Method::Get | Method::Head) {
            return Err(Denial::Method("GET, HEAD"));
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if token.is_empty() || token.len() > MAX_TOKEN || !token.bytes().all(letter) {
            return Err(Denial::Request("page"));
        }
        if head.conditional {
            return Err(Denial::NotSupported("condition"));
        }
        Ok(Some(PageLink {
            resource_type,
            token: token.to_owned(),
        }))
    }

    /// The canonical target below the external base.
    pub fn target(&self) -> String {
        let name = self.resource_type.map(ResourceType::name);
        format!("/{}?_page={}", name.unwrap_or_default(), self.token)
    }
}

impl Request {
    /// The canonical target below the external base: path and query.
    pub fn target(&self) -> String {
        match &self.page {
            Some(page) => page.link.target(),
            None => self.interaction.target(),
        }
    }
}
