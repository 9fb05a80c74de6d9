//! The list of suites, and what happens where there is no material.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion, Trial};

use crate::authz::{aws, fhir_gateway, hapi, linux_for_health, microsoft};
use crate::vectors::{Found, Vectors};
use crate::{balp, fhir, json, jwt_verify_lib, rfc, scopes, wycheproof, xfcc};

type Suite = (&'static str, fn(&Vectors));

const SUITES: [Suite; 26] = [
    // The longest first, so that the others run beside them.
    ("fhir_canaries_everywhere", fhir::canaries::everywhere),
    ("fhir_canaries_typical", fhir::canaries::typical),
    ("fhir_marked", fhir::marked::marked),
    ("wycheproof_jws_and_jwk", wycheproof::jws_and_jwk),
    ("wycheproof_ecdsa", wycheproof::ecdsa),
    ("wycheproof_rsa_pkcs1", wycheproof::rsa_pkcs1),
    ("wycheproof_rsa_pss", wycheproof::rsa_pss),
    ("jwt_verify_lib_keys", jwt_verify_lib::keys),
    ("jwt_verify_lib_signatures", jwt_verify_lib::signatures),
    ("jwt_verify_lib_forms", jwt_verify_lib::forms),
    ("rfc", rfc::examples),
    ("json", json::parsing),
    ("scopes", scopes::parsing),
    ("access_aws", aws::decisions),
    ("access_fhir_gateway", fhir_gateway::checkers),
    ("access_hapi", hapi::chains),
    ("access_microsoft", microsoft::searches),
    ("access_linux_for_health", linux_for_health::interactions),
    ("fhir_identity", fhir::identity::unchanged),
    ("fhir_anonymizer", fhir::anonymizer::kept_and_taken),
    ("fhir_labels", fhir::labels::withheld),
    ("fhir_tables", fhir::tables::same),
    ("fhir_structure", fhir::structure::bodies),
    ("auditevent", balp::events),
    ("xfcc_elements", xfcc::elements_of_others),
    ("xfcc_certificates", xfcc::certificates),
];

/// Runs what the command line asks for. Without material every suite counts as ignored, unless
/// somebody promised that there is some.
pub fn run() -> ExitCode {
    let arguments = Arguments::from_args();
    let vectors = match Vectors::find() {
        Found::Here(vectors) => Some(vectors),
        Found::Promised(missing) => {
            println!("FAILED: {missing}");
            return ExitCode::FAILURE;
        }
        Found::Nowhere(missing) => {
            println!("SKIPPED: {missing}");
            None
        }
    };
    let trials = SUITES
        .into_iter()
        .map(|(name, suite)| {
            let vectors = vectors.clone();
            let ignored = vectors.is_none();
            let run = move || {
                if let Some(vectors) = &vectors {
                    suite(vectors);
                }
                Ok(())
            };
            Trial::test(name, run).with_ignored_flag(ignored)
        })
        .collect();
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit_code()
}
