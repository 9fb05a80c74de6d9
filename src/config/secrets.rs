//! `secrets`: what must be known to nobody but this deployment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::mistakes::Mistakes;
use super::reader::{Node, or};
use crate::identity::MacKey;

/// What a variable of the environment of this virtual machine holds
/// (`vm_config.environment_variables`); `None` where it is not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The secrets of one configuration.
#[derive(Default)]
pub(super) struct Secrets {
    /// The key of the hashes in audit records.
    pub audit_key: Option<MacKey>,
    /// The key of the hashes that say to the server of global limits who somebody is.
    pub limit_key: Option<MacKey>,
    /// The key of the nonces of DPoP proofs.
    pub nonce_key: Option<MacKey>,
    /// The key of links to further pages.
    pub page_key: Option<MacKey>,
    /// The key of the codes that say to whom a resource went.
    pub watermark_key: Option<MacKey>,
    /// The private key by which answers are signed, in DER.
    pub signing_key: Option<Vec<u8>>,
    /// The private key by which checkpoints of audit records are signed, in DER.
    pub checkpoint_key: Option<Vec<u8>>,
}

/// Bytes of the name of a variable.
const NAME: usize = 128;

/// Bytes of a secret.
const SECRET: usize = 4096;

/// What is not in the document: the environment, and what should be known of the document.
pub(super) struct Outside<'a> {
    /// Where secrets are.
    pub environment: Environment<'a>,
    /// What is no mistake, and should be known all the same.
    pub warnings: Vec<String>,
}

pub(super) fn read(
    node: &Node<'_>,
    outside: &mut Outside<'_>,
    m: &mut Mistakes,
) -> Option<Secrets> {
    let mut object = node.object(
        "an object with audit_key, checkpoint_key, limit_key, nonce_key, page_key, signing_key or watermark_key",
        m,
    )?;
    let audit_key = or(object.optional("audit_key"), None, |node| {
        key(node, outside, m).map(Some)
    });
    let checkpoint_key = or(object.optional("checkpoint_key"), None, |node| {
        private_key(node, outside, m).map(Some)
    });
    let limit_key = or(object.optional("limit_key"), None, |node| {
        key(node, outside, m).map(Some)
    });
    let nonce_key = or(object.optional("nonce_key"), None, |node| {
        key(node, outside, m).map(Some)
    });
    let page_key = or(object.optional("page_key"), None, |node| {
        key(node, outside, m).map(Some)
    });
    let signing_key = or(object.optional("signing_key"), None, |node| {
        private_key(node, outside, m).map(Some)
    });
    let watermark_key = or(object.optional("watermark_key"), None, |node| {
        key(node, outside, m).map(Some)
    });
    object.finish(m);
    Some(Secrets {
        audit_key: audit_key?,
        limit_key: limit_key?,
        nonce_key: nonce_key?,
        page_key: page_key?,
        watermark_key: watermark_key?,
        signing_key: signing_key?,
        checkpoint_key: checkpoint_key?,
    })
}

fn private_key(node: &Node<'_>, outside: &mut Outside<'_>, m: &mut Mistakes) -> Option<Vec<u8>> {
    let (place, text) = secret(node, outside, m)?;
    let expected = "a private key in DER, in base64";
    let der = STANDARD.decode(text.trim()).ok();
    der.or_else(|| place.refuse(expected, "other text", m))
}

fn key(node: &Node<'_>, outside: &mut Outside<'_>, m: &mut Mistakes) -> Option<MacKey> {
    let (place, text) = secret(node, outside, m)?;
    let expected = "32 to 256 bytes, in hexadecimal or base64";
    MacKey::read(&text).or_else(|| place.refuse(expected, "other text", m))
}

/// A secret, and where its mistakes belong: by the name of a variable, or as it is.
pub(super) fn secret<'a>(
    node: &Node<'a>,
    outside: &mut Outside<'_>,
    m: &mut Mistakes,
) -> Option<(Node<'a>, String)> {
    let expected = "{env: NAME}, the name of an environment variable of this VM";
    let mut object = node.object(expected, m)?;
    let (variable, inline) = (object.optional("env"), object.optional("inline"));
    object.finish(m);
    match (variable, inline) {
        (Some(node), None) => {
            let name = node.text("the name of an environment variable", 1..=NAME, m)?;
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            node.check(
                name.bytes().all(letter),
                "the name of an environment variable, of the characters A-Z a-z 0-9 _",
                m,
            )?;
            match (outside.environment)(name) {
                // Empty is what a variable is that somebody forgot to fill.
                Some(text) if !(1..=SECRET).contains(&text.len()) => {
                    node.refuse("a secret of 1 to 4096 bytes", "another length", m)
                }
                Some(text) => Some((node, text)),
                None => node.refuse(
                    "a variable of vm_config.environment_variables",
                    "one that is not set there",
                    m,
                ),
            }
        }
        (None, Some(node)) => {
            let text = node.text("a secret", 1..=SECRET, m)?.to_owned();
            outside.warnings.push(format!(
                "{}: whoever may read the configuration, by Envoy's admin interface too, reads this secret; write {{env: NAME}} instead",
                node.pointer()
            ));
            Some((node, text))
        }
        (Some(_), Some(_)) => node.refuse("env or inline", "both", m),
        (None, None) => node.refuse(expected, "neither env nor inline", m),
    }
}
