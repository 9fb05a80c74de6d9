//! The operator's rules about certificates: where they come from, whose they must be, and what the
//! upstream is told.

use super::{Names, PeerCertificate, dn, xfcc};
use crate::denial::{Denial, TokenFault};

/// The rules about certificates of one policy.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateRules {
    /// Where a caller's certificate is read.
    pub source: CertificateSource,
    /// The clients that are held to certificates of their own.
    pub clients: Vec<ClientCertificates>,
    /// What holds for all others.
    pub unlisted: UnlistedClients,
    /// What the upstream is told of the certificate, in `x-forwarded-client-cert`; nothing when
    /// empty.
    pub forward: Vec<ForwardedPart>,
    /// What conditions need to know of a caller's certificate.
    pub conditions: CertificateNeeds,
}

/// Where a caller's certificate is read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum CertificateSource {
    /// From the connection.
    #[default]
    Connection,
    /// From `x-forwarded-client-cert`, the element that was added by the hop at the other end of the
    /// connection, if its own certificate is one of these.
    Forwarded {
        /// The hops. Never empty.
        trusted_hops: Vec<CertificateMatch>,
        /// Whether elements may stand before that one, and are left alone. A hop that starts anew
        /// has none, and then a name in a certificate cannot make one either: Envoy writes names as
        /// they are.
        earlier_elements: bool,
    },
}

/// Certificates, by what they are or say. Everything that is there must hold, exactly; something
/// beside the issuer is there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateMatch {
    /// SHA-256 of the DER form.
    pub thumbprint: Option<[u8; 32]>,
    /// One of the subject alternative names of the kind URI.
    pub san_uri: Option<String>,
    /// One of the subject alternative names of the kind DNS.
    pub san_dns: Option<String>,
    /// The subject, as RFC 2253 has it.
    pub subject_dn: Option<String>,
    /// The issuer, as RFC 2253 has it.
    pub issuer_dn: Option<String>,
}

/// The certificates that one client may use; several stand side by side while one follows another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificates {
    /// The OAuth client.
    pub client_id: String,
    /// Whose client it is; of every issuer without it.
    pub issuer: Option<String>,
    /// Any of these. Never empty.
    pub certificates: Vec<CertificateMatch>,
}

/// What holds for a client without certificates of its own in the policy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UnlistedClients {
    /// Nothing more than the binding of its token.
    #[default]
    Unpinned,
    /// It is refused.
    Refused,
    /// A subject alternative name of the kind URI must be the client's id.
    SanUri,
    /// A subject alternative name of the kind DNS must be the client's id.
    SanDns,
    /// The one common name of the subject must be the client's id.
    SubjectCn,
}

/// A part of what the upstream is told of the certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForwardedPart {
    /// `Hash`: SHA-256 of the DER form in hexadecimal.
    Hash,
    /// `Subject`.
    Subject,
    /// `URI`, each of them.
    Uri,
    /// `DNS`, each of them.
    Dns,
}

/// What rules need to know of the connection's certificate beside its thumbprint.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CertificateNeeds {
    /// The certificate itself: all names, issuer, validity.
    pub leaf: bool,
    /// The subject, which Envoy tells by itself.
    pub subject: bool,
}

impl CertificateRules {
    /// What these rules need to know of the connection's certificate.
    pub fn needs(&self) -> CertificateNeeds {
        let all = |matches: &[CertificateMatch]| {
            let needs = matches.iter().map(CertificateMatch::needs);
            needs.fold(CertificateNeeds::default(), CertificateNeeds::and)
        };
        if let CertificateSource::Forwarded { trusted_hops, .. } = &self.source {
            return all(trusted_hops);
        }
        let clients = self.clients.iter().map(|client| all(&client.certificates));
        let forward = self.forward.iter().map(|part| part.needs());
        clients
            .chain(forward)
            .fold(self.unlisted.needs(), CertificateNeeds::and)
            .and(self.conditions)
    }

    /// The caller's certificate. `own` is the one of the connection, `fields` are the values of all
    /// `x-forwarded-client-cert` fields; `now` is in seconds since 1970. Where it comes from a hop,
    /// and the hop is no trusted one or says nothing, there is none: the hop's own is never taken for
    /// it.
    ///
    /// # Errors
    /// Fields of a trusted hop that cannot be read without doubt, and a certificate in them that is
    /// not the one of its hash or is outside its validity.
    pub fn choose(
        &self,
        own: Option<PeerCertificate>,
        fields: &[Vec<u8>],
        now: u64,
    ) -> Result<Option<PeerCertificate>, Denial> {
        let CertificateSource::Forwarded {
            trusted_hops,
            earlier_elements,
        } = &self.source
        else {
            return Ok(own);
        };
        let trusted = |hop: &PeerCertificate| trusted_hops.iter().any(|known| known.holds(hop));
        match (own.filter(trusted), fields) {
            (None, _) | (Some(_), []) => Ok(None),
            (Some(hop), [field]) => {
                let certificate = xfcc::last(field, *earlier_elements)?;
                // An element about the hop is none that the hop added: it is of this Envoy, where
                // that was set up to append.
                if certificate.thumbprint == hop.thumbprint {
                    return Err(Denial::Token(TokenFault::Certificate));
                }
                certificate.check_time(now)?;
                Ok(Some(certificate))
            }
            (Some(_), _) => Err(xfcc::MALFORMED),
        }
    }

    /// Whether this client may come with this certificate.
    ///
    /// # Errors
    /// [`TokenFault::Pin`] where it may not.
    pub fn permit(
        &self,
        issuer: &str,
        client: &str,
        certificate: Option<&PeerCertificate>,
    ) -> Result<(), Denial> {
        let listed = self.clients.iter().find(|listed| {
            let of_issuer = listed.issuer.as_deref().is_none_or(|own| own == issuer);
            of_issuer && listed.client_id == client
        });
        let holds = match (listed, certificate) {
            (Some(listed), Some(shown)) => listed.certificates.iter().any(|own| own.holds(shown)),
            (Some(_), None) => false,
            (None, shown) => self.unlisted.holds(client, shown),
        };
        match holds {
            true => Ok(()),
            false => Err(Denial::Token(TokenFault::Pin)),
        }
    }

    /// The value of `x-forwarded-client-cert` for the upstream; `None` where it gets none.
    pub fn forwarded(&self, certificate: &PeerCertificate) -> Option<String> {
        (!self.forward.is_empty()).then(|| xfcc::write(certificate, &self.forward))
    }
}

impl CertificateMatch {
    /// What has to be known of a certificate to compare it.
    pub fn needs(&self) -> CertificateNeeds {
        CertificateNeeds {
            leaf: self.san_uri.is_some() || self.san_dns.is_some() || self.issuer_dn.is_some(),
            subject: self.subject_dn.is_some(),
        }
    }

    fn holds(&self, certificate: &PeerCertificate) -> bool {
        let Names {
            subject,
            issuer,
            uris,
            dns,
            ..
        } = &*certificate.names;
        let one = |wanted: &Option<String>, found: &[String]| {
            wanted.as_ref().is_none_or(|wanted| found.contains(wanted))
        };
        let same =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let named = self.thumbprint.is_some()
            || self.san_uri.is_some()
            || self.san_dns.is_some()
            || self.subject_dn.is_some();
        named
            && self
                .thumbprint
                .is_none_or(|wanted| wanted == certificate.thumbprint)
            && one(&self.san_uri, uris)
            && one(&self.san_dns, dns)
            && same(&self.subject_dn, subject)
            && same(&self.issuer_dn, issuer)
    }
}

impl UnlistedClients {
    /// What has to be known of a certificate to compare it.
    pub fn needs(self) -> CertificateNeeds {
        CertificateNeeds {
            leaf: matches!(self, UnlistedClients::SanUri | UnlistedClients::SanDns),
            subject: self == UnlistedClients::SubjectCn,
        }
    }

    fn holds(self, client: &str, certificate: Option<&PeerCertificate>) -> bool {
        let names = certificate.map(|certificate| &*certificate.names);
        let one = |found: Option<&Vec<String>>| {
            found.is_some_and(|found| found.iter().any(|name| name == client))
        };
        match self {
            UnlistedClients::Unpinned => true,
            UnlistedClients::Refused => false,
            UnlistedClients::SanUri => one(names.map(|names| &names.uris)),
            UnlistedClients::SanDns => one(names.map(|names| &names.dns)),
            UnlistedClients::SubjectCn => names
                .and_then(|names| names.subject.as_deref())
                .and_then(dn::common_name)
                .is_some_and(|name| name == client),
        }
    }
}

impl ForwardedPart {
    /// What has to be known of a certificate to tell it.
    pub fn needs(self) -> CertificateNeeds {
        CertificateNeeds {
            leaf: matches!(self, ForwardedPart::Uri | ForwardedPart::Dns),
            subject: self == ForwardedPart::Subject,
        }
    }
}

impl CertificateNeeds {
    /// What either needs.
    pub fn and(self, other: Self) -> Self {
        CertificateNeeds {
            leaf: self.leaf || other.leaf,
            subject: self.subject || other.subject,
        }
    }
}

#[cfg(test)]
mod tests;
