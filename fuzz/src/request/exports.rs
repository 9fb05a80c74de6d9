//! Bulk exports: one form, decided on again as the same, and links that lead where they may.

use fhir_guard::request::{
    ExportLink, ExportStep, FhirPolicy, Interaction, JobLink, Request, RequestHead,
};

/// The longest canonical target of an export, in bytes.
const LONGEST: usize = 2560;

/// An export that is understood.
///
/// # Panics
/// Where its form is not bounded, or a step of it goes to another place than its link.
pub fn check(request: &Request) {
    let Interaction::Export(export) = &request.interaction else {
        return;
    };
    let target = export.target();
    assert!(target.len() <= LONGEST && target.is_ascii(), "{target}");
    assert_eq!(export.step, ExportStep::Start);
    for (of, search) in &export.filters {
        assert!(!of.is_container() && !search.parameters.is_empty());
        let plain = search.parameters.iter().all(|own| own.path.is_empty());
        assert!(plain && search.include.is_empty() && search.elements.is_empty());
    }
}

/// What the path of any request says of links of ours: such a link is nothing else.
///
/// # Panics
/// Where one is read in two ways.
pub fn links_of_ours(head: &RequestHead, policy: &FhirPolicy) {
    let Ok(Some(link)) = ExportLink::parse(head, policy) else {
        return;
    };
    assert_eq!(
        format!("{}{}", policy.base.path(), link.target()),
        head.path
    );
    assert!(link.token.len() <= ExportLink::MOST);
    assert!(Request::parse(head, policy).is_err(), "{}", head.path);
}

/// Any bytes as a server's link.
///
/// # Panics
/// Where one is followed that leads out of where files are, or that deletes what is no job.
pub fn links_of_servers(link: &[u8], policy: &FhirPolicy, delete: impl Fn(&str) -> bool) {
    let Ok(url) = std::str::from_utf8(link) else {
        return;
    };
    let Some(found) = JobLink::upstream_of(url, policy) else {
        assert_eq!(JobLink::upstream_of_job(url, policy), None);
        return;
    };
    assert!(
        found
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    );
    let path = found.split('?').next().unwrap_or_default();
    let below = path == "/base"
        || ["/base/", "/files/"]
            .iter()
            .any(|own| path.starts_with(own));
    assert!(below, "{url}: {found}");
    // However often it is decoded, and whatever stands behind a semicolon.
    let mut decoded = path.to_owned();
    for _ in 0..3 {
        for segment in decoded.split(['/', '\\', ';']) {
            assert!(segment != "." && segment != "..", "{url}: {found}");
        }
        for (escape, letter) in [("%2e", "."), ("%2f", "/"), ("%5c", "\\"), ("%25", "%")] {
            decoded = decoded.to_ascii_lowercase().replace(escape, letter);
        }
    }
    assert!(
        JobLink::upstream_of(&found, policy).is_some(),
        "it is followed later"
    );
    if let Some(job) = JobLink::upstream_of_job(url, policy) {
        assert_eq!(job, found);
        assert!(!delete(&job), "{job} is no job");
    }
}
