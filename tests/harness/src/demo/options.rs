//! The command line.

use hyper::Uri;

/// What the tour is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Assert every step and end, instead of staying up for a person.
    pub check: bool,
    /// In the containers of `envoy/docker-compose.yaml`; without `check`, only what these need.
    pub compose: bool,
    /// Guard this server instead of the tour's own.
    pub own_server: Option<OwnServer>,
}

/// A person's own FHIR server, and a patient who is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnServer {
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `http://host:port/base`, without a slash at its end.
    pub base: String,
    /// The path of the base, empty or `/base`.
    pub path: String,
    /// The logical id of the patient.
    pub patient: String,
}

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let (mut check, mut compose) = (false, false);
        let mut upstream = None;
        let mut patient = None;
        for argument in arguments {
            match argument.split_once('=') {
                None if argument == "--check" => check = true,
                None if argument == "--compose" => compose = true,
                Some(("--upstream", url)) => upstream = Some(url.to_owned()),
                Some(("--patient", id)) => patient = Some(id.to_owned()),
                _ => {
                    return Err(format!(
                        "found {argument:?}, expected --check, --compose, --upstream=http://host:port/base or --patient=ID"
                    ));
                }
            }
        }
        let own_server = match (upstream, patient) {
            (None, None) => None,
            (Some(url), Some(id)) => Some(OwnServer::parse(&url, &id)?),
            (Some(_), None) => {
                return Err(
                    "UPSTREAM needs PATIENT, the id of a patient on that server: make run UPSTREAM=http://host:port/base PATIENT=id"
                        .to_owned(),
                );
            }
            (None, Some(_)) => {
                return Err(
                    "PATIENT is for a server of your own and needs UPSTREAM: make run UPSTREAM=http://host:port/base PATIENT=id"
                        .to_owned(),
                );
            }
        };
        if compose && own_server.is_some() {
            return Err(
                "--compose is for the compose file's own server, without UPSTREAM and PATIENT"
                    .to_owned(),
            );
        }
        Ok(Options {
            check,
            compose,
            own_server,
        })
    }
}

impl OwnServer {
    fn parse(url: &str, patient: &str) -> Result<OwnServer, String> {
        let expected = || format!("UPSTREAM is {url:?}, expected http://host:port/base");
        let uri: Uri = url.parse().map_err(|_| expected())?;
        if uri.scheme_str() != Some("http") {
            return Err(format!(
                "{}; for a server behind https, add a transport_socket to the cluster in envoy/envoy.yaml",
                expected()
            ));
        }
        let host = uri.host().ok_or_else(expected)?;
        let authority = uri.authority().ok_or_else(expected)?.as_str();
        if uri.query().is_some() || authority.contains('@') || url.contains('#') {
            return Err(format!(
                "{}, without a user, a query or a fragment",
                expected()
            ));
        }
        let path = uri.path().trim_end_matches('/');
        let is_id = (1..=64).contains(&patient.len())
            && patient
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if !is_id {
            return Err(format!(
                "PATIENT is {patient:?}, expected a logical id: 1 to 64 of A-Z a-z 0-9 - ."
            ));
        }
        Ok(OwnServer {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            base: format!("http://{authority}{path}"),
            path: path.to_owned(),
            patient: patient.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read() {
        assert_eq!(parse(""), Ok(Options::default()));
        assert!(parse("--check").unwrap().check);
        let both = parse("--check --compose").unwrap();
        assert!(both.check && both.compose);
        for (url, host, port, base, path) in [
            (
                "http://h:8080/fhir",
                "h",
                8080,
                "http://h:8080/fhir",
                "/fhir",
            ),
            (
                "http://h:8080/a/r4/",
                "h",
                8080,
                "http://h:8080/a/r4",
                "/a/r4",
            ),
            ("http://10.0.0.7", "10.0.0.7", 80, "http://10.0.0.7", ""),
            (
                "http://[::1]:8080/r4",
                "::1",
                8080,
                "http://[::1]:8080/r4",
                "/r4",
            ),
        ] {
            let options = parse(&format!("--upstream={url} --patient=a-1.B")).unwrap();
            let expected = OwnServer {
                host: host.to_owned(),
                port,
                base: base.to_owned(),
                path: path.to_owned(),
                patient: "a-1.B".to_owned(),
            };
            assert_eq!(options.own_server, Some(expected), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, part) in [
            ("--chek", "found \"--chek\", expected --check"),
            ("--upstream=http://h/r4", "UPSTREAM needs PATIENT"),
            (
                "--compose --upstream=http://h/r4 --patient=p1",
                "own server",
            ),
            ("--patient=p1", "PATIENT is for a server of your own"),
            ("--upstream=https://h/r4 --patient=p1", "transport_socket"),
            (
                "--upstream=h --patient=p1",
                "expected http://host:port/base",
            ),
            ("--upstream=http://h/r4?x --patient=p1", "without a user"),
            ("--upstream=http://u@h/r4 --patient=p1", "without a user"),
            (
                "--upstream=http://h/r4 --patient=a/b",
                "expected a logical id",
            ),
            ("--upstream=http://h/r4 --patient=", "expected a logical id"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
