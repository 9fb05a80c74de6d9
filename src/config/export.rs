//! `fhir.export`: what may be exported.

use std::time::Duration;

use super::issuers::distinct;
use super::mistakes::Mistakes;
use super::policy::URL;
use super::reader::{Node, each, or};
use crate::identity::MacKey;
use crate::request::{ExportAt, ExportPolicy};

/// Places where the server keeps files.
const FILES: usize = 16;

pub(super) fn read(node: &Node<'_>, m: &mut Mistakes) -> Option<ExportPolicy> {
    let mut object = node.object("an object with levels", m)?;
    let words = [
        ("system", ExportAt::System),
        ("patient", ExportAt::Patient),
        ("group", ExportAt::Group),
    ];
    let levels = object.required("levels", "a list of system, patient and group", m);
    let levels = levels.and_then(|node| distinct(&node, "words", &words, m));
    let files = or(object.optional("files"), Vec::new(), |node| {
        let items = node.list("paths", 0..=FILES, m)?;
        each(&items, |item| path(item, m))
    });
    let day = Duration::from_secs(24 * 3600);
    let lifetime = or(object.optional("lifetime"), day, |node| {
        node.duration(Duration::from_secs(60)..=day * 30, m)
    });
    object.finish(m);
    Some(ExportPolicy {
        levels: levels?,
        files: files?,
        lifetime: lifetime?.as_secs(),
    })
}

/// Links to jobs and files are made with a key.
pub(super) fn check(export: Option<&ExportPolicy>, key: Option<&MacKey>, m: &mut Mistakes) {
    if export.is_some() && key.is_none() {
        m.add(
            "/fhir/export",
            "expected secrets.page_key, by which links to jobs and files are made, found none",
        );
    }
}

fn path(node: &Node<'_>, m: &mut Mistakes) -> Option<String> {
    let expected = "a path at the server that begins and ends with a slash, such as /files/";
    let path = node.text(expected, 2..=URL, m)?;
    let letter =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let inner = path
        .strip_prefix('/')
        .and_then(|path| path.strip_suffix('/'));
    let plain = inner.is_some_and(|inner| {
        inner
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(letter))
    });
    node.check(plain, expected, m)?;
    Some(path.to_owned())
}
