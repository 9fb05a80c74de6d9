//! What certificates say, remembered.

use std::rc::Rc;

use super::super::Generations;
use super::{
    CertificateNeeds, CertificatePolicy, ConnectionAttributes, Names, PeerCertificate, dn,
    from_hex, leaf,
};
use crate::denial::{Denial, TokenFault};

/// What the certificates of one worker say, by their thumbprints, so that Envoy is asked for a whole
/// certificate once and not with every request. At most [`CertificateCache::CAPACITY`] are held; an
/// eviction costs a question, never an answer. Whether a certificate's time has gone is asked at
/// every use.
#[derive(Debug, Default)]
pub struct CertificateCache(Generations<Rc<Names>, { CertificateCache::CAPACITY }>);

impl CertificateCache {
    /// The most certificates held; well below 1 kB each for ordinary ones, and
    /// never more than a certificate may have.
    pub const CAPACITY: usize = 1024;

    /// What has to be asked of the proxy about the certificate of this digest, beside what is asked
    /// always: nothing where it is remembered, or where there is none.
    pub fn asks(&self, digest: Option<&[u8]>, needs: CertificateNeeds) -> CertificateNeeds {
        let known = match digest.and_then(from_hex) {
            Some(key) => self.0.has(&key),
            None => true,
        };
        match known {
            true => CertificateNeeds::default(),
            false => needs,
        }
    }

    /// The certificate of the connection with what is needed of it; `now` is in seconds since 1970.
    ///
    /// # Errors
    /// As [`PeerCertificate::read`]. Where its contents are needed: a certificate that cannot be
    /// read, is not the one of the digest, or is outside its validity.
    pub fn read(
        &mut self,
        attributes: &ConnectionAttributes,
        policy: CertificatePolicy,
        needs: CertificateNeeds,
        now: u64,
    ) -> Result<Option<PeerCertificate>, Denial> {
        let Some(mut certificate) = PeerCertificate::read(attributes, policy)? else {
            return Ok(None);
        };
        if needs == CertificateNeeds::default() {
            return Ok(Some(certificate));
        }
        let thumbprint = certificate.thumbprint;
        certificate.names = match self.0.get(&thumbprint) {
            Some(names) => names,
            None => {
                let names = names(attributes, needs, &thumbprint)
                    .ok_or(Denial::Token(TokenFault::Certificate))?;
                let names = Rc::new(names);
                self.0.insert(thumbprint, Rc::clone(&names));
                names
            }
        };
        certificate.check_time(now)?;
        Ok(Some(certificate))
    }
}

fn names(
    attributes: &ConnectionAttributes,
    needs: CertificateNeeds,
    thumbprint: &[u8; 32],
) -> Option<Names> {
    let mut names = match needs.leaf {
        true => {
            let (read, names) = leaf::read(attributes.leaf.as_deref()?)?;
            (read == *thumbprint).then_some(names)?
        }
        false => Names::unknown(),
    };
    if needs.subject {
        // As Envoy writes it, so that a rule means the same where the certificate itself cannot be
        // had; one that is empty, or no such text, is no subject.
        names.subject = attributes
            .subject
            .as_deref()
            .and_then(|text| std::str::from_utf8(text).ok())
            .filter(|text| dn::is_distinguished_name(text))
            .map(str::to_owned);
    }
    Some(names)
}

#[cfg(test)]
mod tests;
