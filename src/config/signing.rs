//! `signing`: which answers are signed, and how whoever verifies finds the key.

use std::rc::Rc;

use super::conditions::Conditions;
use super::mistakes::Mistakes;
use super::policy::name;
use super::reader::{Object, or};
use super::secrets::Secrets;
use crate::cel::Condition;
use crate::response::Signer;

/// Reads the section: what signs, and when; neither where there is none.
pub(super) fn read(
    document: &mut Object<'_>,
    secrets: Option<&Secrets>,
    conditions: &Conditions,
    m: &mut Mistakes,
) -> Option<(Option<Rc<Signer>>, Option<Condition>)> {
    let Some(node) = document.optional("signing") else {
        return Some((None, None));
    };
    let mut object = node.object("an object with key_id", m)?;
    let id = object.required("key_id", "a name", m);
    let id = id.and_then(|node| name(&node, m));
    let when = or(object.optional("when"), None, |node| {
        conditions.read(node, m).map(Some)
    });
    object.finish(m);
    let (id, when) = (id?, when?);
    // What is wrong with the secrets is said there.
    let der = &secrets?.signing_key;
    let Some(der) = der else {
        let expected = "secrets.signing_key beside it";
        return node.refuse(expected, "no such key", m);
    };
    match Signer::read(der, id) {
        Some(signer) => Some((Some(Rc::new(signer)), when)),
        None => {
            let expected =
                "secrets.signing_key to be a private key on P-256, or of Ed25519, in DER";
            node.refuse(expected, "another key", m)
        }
    }
}
