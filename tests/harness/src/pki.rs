//! The certificates of a test: an authority, the server's certificate, one certificate per client,
//! and a stranger whose authority nobody trusts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use ring::digest::{SHA256, digest};

/// The types of what [`Pki::client_with`] changes.
pub use rcgen;

/// The names the server's certificate is good for.
pub const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "fhir.example.org"];

/// Two authorities, one trusted and one not, and every certificate they made so far.
pub struct Pki {
    authority: Authority,
    other_authority: Authority,
    server: ServerCertificate,
    clients: Mutex<BTreeMap<String, ClientCertificate>>,
}

/// A client's certificate with its private key.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The name it was asked for by; also its common name.
    pub name: String,
    /// The leaf certificate as PEM.
    pub certificate_pem: String,
    /// The private key as PKCS#8 PEM.
    pub key_pem: String,
    /// The leaf certificate as DER, the form thumbprints are taken of.
    pub der: Vec<u8>,
    /// The private key as PKCS#8 DER.
    pub key_der: Vec<u8>,
    /// SHA-256 of the DER in base64url without padding: `cnf.x5t#S256` of RFC 8705 section 3.1.
    pub thumbprint_sha256_base64url: String,
    /// SHA-256 of the DER in lower-case hexadecimal, as Envoy writes it.
    pub thumbprint_hex: String,
}

/// The server's certificate with its private key.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The leaf certificate as PEM.
    pub certificate_pem: String,
    /// The private key as PKCS#8 PEM.
    pub key_pem: String,
    /// The leaf certificate as DER.
    pub der: Vec<u8>,
    /// The private key as PKCS#8 DER.
    pub key_der: Vec<u8>,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

impl Pki {
    /// Makes both authorities and the server's certificate, all with new P-256 keys.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "fresh keys at every call are not a default"
    )]
    pub fn new() -> Pki {
        let authority = authority("Test CA");
        let server = server(&authority);
        Pki {
            authority,
            other_authority: authority_nobody_trusts(),
            server,
            clients: Mutex::default(),
        }
    }

    /// The certificate of this client, the same one whenever the same name is asked for.
    ///
    /// Subject `CN=<name>,O=Clinic`, SANs `spiffe://example.org/<name>` and `<name>.example.org`;
    /// the name must therefore be one DNS label.
    pub fn client(&self, name: &str) -> ClientCertificate {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients
            .entry(name.to_owned())
            .or_insert_with(|| client(&self.authority, name, |_| ()))
            .clone()
    }

    /// Another certificate for the same subject with another key, as after a rotation; not kept.
    pub fn renewed(&self, name: &str) -> ClientCertificate {
        client(&self.authority, name, |_| ())
    }

    /// A certificate whose contents the caller changes before it is signed; not kept.
    pub fn client_with(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> ClientCertificate {
        client(&self.authority, name, change)
    }

    /// A certificate with these subject alternative names, URIs and DNS names, in this order; not
    /// kept.
    pub fn client_named(&self, name: &str, uris: &[&str], dns: &[&str]) -> ClientCertificate {
        let ascii = |text: &&str| (*text).try_into().expect("names are ASCII");
        self.client_with(name, |params| {
            let uris = uris.iter().map(|uri| SanType::URI(ascii(uri)));
            let dns = dns.iter().map(|name| SanType::DnsName(ascii(name)));
            params.subject_alt_names = uris.chain(dns).collect();
        })
    }

    /// A client certificate with the usual contents from the authority that nobody trusts; not kept.
    pub fn stranger(&self) -> ClientCertificate {
        client(&self.other_authority, "stranger", |_| ())
    }

    /// The server's certificate and key.
    #[must_use]
    pub fn server(&self) -> &ServerCertificate {
        &self.server
    }

    /// The trusted authority's certificate as DER.
    #[must_use]
    pub fn authority_der(&self) -> &[u8] {
        self.authority.der()
    }

    /// The trusted authority's certificate as PEM.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// Writes `ca.pem`, `server.pem`, `server.key` and, for every client made by [`Pki::client`],
    /// `NAME.pem` and `NAME.key`, making the directory when it is not there.
    ///
    /// # Errors
    /// The file that could not be written, and why.
    pub fn write_to(&self, directory: &Path) -> Result<(), String> {
        fs::create_dir_all(directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        let write = |file: String, text: &str| {
            let path = directory.join(file);
            fs::write(&path, text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        write("ca.pem".to_owned(), &self.authority_pem())?;
        write("server.pem".to_owned(), &self.server.certificate_pem)?;
        write("server.key".to_owned(), &self.server.key_pem)?;
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        for client in clients.values() {
            write(format!("{}.pem", client.name), &client.certificate_pem)?;
            write(format!("{}.key", client.name), &client.key_pem)?;
        }
        Ok(())
    }
}

fn authority(common_name: &str) -> Authority {
    let mut params = params(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key()).expect("a P-256 key signs its own certificate")
}

/// The same subject as the trusted authority: only the key tells them apart, so that a comparison
/// of issuer names alone would be noticed.
fn authority_nobody_trusts() -> Authority {
    authority("Test CA")
}

fn server(authority: &Authority) -> ServerCertificate {
    let key = key();
    let named = CertificateParams::new(SERVER_NAMES.map(str::to_owned));
    let mut params = params("fhir.example.org");
    params.subject_alt_names = named
        .expect("the server's names are ASCII")
        .subject_alt_names;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params
        .signed_by(&key, authority)
        .expect("the authority's key signs");
    ServerCertificate {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        der: certificate.der().to_vec(),
        key_der: key.serialize_der(),
    }
}

fn client(
    authority: &Authority,
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> ClientCertificate {
    let key = key();
    let mut params = params(name);
    let ascii = |text: String| text.try_into().expect("a client's name is ASCII");
    params.subject_alt_names = vec![
        SanType::URI(ascii(format!("spiffe://example.org/{name}"))),
        SanType::DnsName(ascii(format!("{name}.example.org"))),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let certificate = params
        .signed_by(&key, authority)
        .expect("the authority's key signs");
    let der = certificate.der().to_vec();
    let thumbprint = digest(&SHA256, &der);
    ClientCertificate {
        name: name.to_owned(),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        key_der: key.serialize_der(),
        thumbprint_sha256_base64url: URL_SAFE_NO_PAD.encode(thumbprint),
        thumbprint_hex: thumbprint
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        der,
    }
}

fn params(common_name: &str) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    // RFC 4514 prints a name from its end, so the organisation goes first to read "CN=..,O=..".
    subject.push(DnType::OrganizationName, "Clinic");
    subject.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    // A fixed range: no test depends on the day it runs.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("the system has random numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_keeps_its_certificate_until_it_is_renewed() {
        let pki = Pki::new();
        let first = pki.client("clinic-a");
        assert_eq!(first.der, pki.client("clinic-a").der);
        for (name, other) in [
            ("another name", pki.client("clinic-b")),
            ("renewed", pki.renewed("clinic-a")),
            ("stranger", pki.stranger()),
        ] {
            assert_ne!(first.thumbprint_hex, other.thumbprint_hex, "{name}");
        }
    }

    #[test]
    fn thumbprints_are_sha256_of_the_der_in_both_spellings() {
        let client = Pki::new().client("clinic-a");
        let bytes = URL_SAFE_NO_PAD
            .decode(&client.thumbprint_sha256_base64url)
            .unwrap();
        assert_eq!(bytes, digest(&SHA256, &client.der).as_ref());
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, client.thumbprint_hex);
        assert_eq!(client.thumbprint_sha256_base64url.len(), 43);
    }

    #[test]
    fn a_certificate_holds_its_names() {
        let client = Pki::new().client("clinic-a");
        for name in [
            "clinic-a",
            "Clinic",
            "spiffe://example.org/clinic-a",
            "clinic-a.example.org",
        ] {
            assert!(
                client
                    .der
                    .windows(name.len())
                    .any(|part| part == name.as_bytes()),
                "{name} is not in the certificate"
            );
        }
    }

    #[test]
    fn write_to_writes_every_file() {
        let pki = Pki::new();
        pki.client("clinic-a");
        let directory = tempfile::tempdir().unwrap();
        pki.write_to(&directory.path().join("tls")).unwrap();
        for (file, start) in [
            ("ca.pem", "-----BEGIN CERTIFICATE-----"),
            ("server.pem", "-----BEGIN CERTIFICATE-----"),
            ("server.key", "-----BEGIN PRIVATE KEY-----"),
            ("clinic-a.pem", "-----BEGIN CERTIFICATE-----"),
            ("clinic-a.key", "-----BEGIN PRIVATE KEY-----"),
        ] {
            let text = fs::read_to_string(directory.path().join("tls").join(file)).unwrap();
            assert!(text.starts_with(start), "{file}");
        }
    }
}
