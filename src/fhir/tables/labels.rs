//! Security labels: how data is to be handled.
//!
//! Made by `make tables` from the published definitions of FHIR R4 (4.0.1): never edit it.

/// The codes of `v3-ActCode` below its policies, sorted.
#[rustfmt::skip]
pub(in crate::fhir) static POLICY_CODES: [&str; 134] = [
    "42CFRPart2", "ACCESSCONSCHEME", "ACOCOMPT", "ADOL", "ANONY", "AOD", "AUDIT", "AUDTR", "AUTHPOL",
    "ActTrustPolicyType", "B", "BH", "CEL", "COGN", "COMPT", "COVPOL", "CPLYCC", "CPLYCD", "CPLYJPP", "CPLYOPP",
    "CPLYOSP", "CPLYPOL", "CTCOMPT", "CommonRule", "DECLASSIFYLABEL", "DEID", "DELAU", "DELEPOL", "DEMO", "DIA",
    "DOB", "DOWNGRDLABEL", "DRGIS", "DRIVLABEL", "DVD", "EMOTDIS", "EMP", "EMPL", "EMRGONLY", "ENCRYPT", "ENCRYPTR",
    "ENCRYPTT", "ENCRYPTU", "ETH", "ETHUD", "FMCOMPT", "GDIS", "GENDER", "GRANTORCHOICE", "HIPAANOPP",
    "HIPAAPsyNotes", "HIPAASelfPay", "HIV", "HRCOMPT", "HUAPRV", "IMPLIED", "IMPLIEDD", "LABEL", "LIVARG", "LOCIS",
    "LRCOMPT", "MARST", "MASK", "MH", "MINEC", "MST", "NOAUTH", "NOCOLLECT", "NOCONSENT", "NODSCLCD", "NODSCLCDS",
    "NOINTEGRATE", "NOLIST", "NOMOU", "NOORGPOL", "NOPAT", "NOPERSISTP", "NOPP", "NORDSCLCD", "NORDSCLCDS",
    "NORDSCLW", "NORELINK", "NOREUSE", "NOVIP", "OPIOIDUD", "OPTIN", "OPTINR", "OPTOUT", "OPTOUTE", "ORCON",
    "ObligationPolicy", "PACOMPT", "PDS", "PERSISTLABEL", "PHY", "PRIVMARK", "PRS", "PSEUD", "PSY", "PSYTHPN",
    "RACE", "REDACT", "REL", "RESCOMPT", "RMGTCOMPT", "RefrainPolicy", "SCA", "SDV", "SEX", "SICKLE", "SPI", "SSP",
    "STD", "SUD", "SecurityPolicy", "TBOO", "TRSTACCRD", "TRSTAGRE", "TRSTASSUR", "TRSTCERT", "TRSTFWK", "TRSTMEC",
    "Title38Section7332", "UPGRDLABEL", "VIO", "_ActConsentDirective", "_ActInformationSensitivityPolicy",
    "_ActPolicyType", "_ActPrivacyLaw", "_ActPrivacyPolicy", "_ActUSPrivacyLaw", "_EntitySensitivityPolicyType",
    "_InformationSensitivityPolicy", "_RoleInformationSensitivityPolicy",
];

/// The place of the code that each stands below; of the root its own.
#[rustfmt::skip]
pub(in crate::fhir) static POLICY_PARENTS: [u8; 134] = [
    130, 8, 14, 132, 90, 90, 90, 90, 114, 127, 133, 110, 132, 11, 129, 127, 90, 90, 90, 90, 90, 90, 14, 130, 90, 90,
    90, 114, 131, 132, 131, 90, 132, 90, 11, 11, 132, 133, 125, 90, 39, 39, 39, 126, 113, 14, 126, 131, 125, 130,
    130, 130, 126, 14, 90, 125, 125, 90, 131, 133, 14, 131, 90, 110, 90, 126, 105, 105, 125, 105, 105, 105, 105, 105,
    105, 105, 105, 125, 105, 105, 105, 105, 105, 105, 113, 125, 125, 125, 125, 105, 114, 14, 132, 90, 132, 90, 132,
    90, 110, 110, 131, 90, 131, 14, 14, 114, 126, 126, 126, 126, 126, 133, 126, 110, 127, 126, 9, 9, 9, 9, 9, 9, 130,
    90, 126, 129, 132, 127, 129, 127, 128, 132, 129, 132,
];
