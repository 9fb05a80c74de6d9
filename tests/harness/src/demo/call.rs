//! One request of the tour: the curl command that a person can repeat, and the answer it gets.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::stage::{BASE_PATH, Stage};
use crate::client::{Client, Request, Response, Version, get_plain};

/// How wide a line of a command becomes before it is continued on the next.
const WIDTH: usize = 100;

/// How long a command may take, all of its requests together.
const WITHIN: Duration = Duration::from_secs(60);

/// Which of the addresses is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// The FHIR server itself, past the filter.
    Direct,
    /// The listener that requires a certificate.
    Secure,
    /// The listener that does not.
    Open,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) at: At,
    /// Path and query below the base, with a slash at its start.
    pub(super) path: String,
    /// The client whose certificate is shown.
    pub(super) certificate: Option<&'static str>,
    /// The token that is sent.
    pub(super) token: Option<&'static str>,
    /// A file of the work folder to POST.
    pub(super) body: Option<&'static str>,
    /// How often, one after the other on one connection. More than once shows heads only.
    pub(super) times: u32,
}

/// The answer to a call. To a call made several times: the last refusal, or else the last answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Every status in order; one unless the call is made several times.
    pub(super) statuses: Vec<u16>,
    /// The status of the answer.
    pub(super) status: u16,
    /// The headers of the answer, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// The body of the answer; nothing when the call is made several times.
    pub(super) body: String,
}

/// Makes calls: with curl, or with the harness's own client where there is no curl.
pub(super) struct Caller<'a> {
    stage: &'a Stage,
    curl: Option<Curl>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Curl {
    http2: bool,
    past_proxies: bool,
}

impl Call {
    /// A GET of this path on the listener that requires a certificate, as clinic-a.
    pub(super) fn get(path: String, token: &'static str) -> Call {
        Call {
            at: At::Secure,
            path,
            certificate: Some("clinic-a"),
            token: Some(token),
            body: None,
            times: 1,
        }
    }

    /// A GET of this path without certificate and token.
    pub(super) fn bare(at: At, path: String) -> Call {
        Call {
            at,
            path,
            certificate: None,
            token: None,
            body: None,
            times: 1,
        }
    }

    /// HTTP/2, but for a body. A refusal comes before the body was read, and over HTTP/2 Envoy then
    /// ends the stream with RST_STREAM and NO_ERROR, as RFC 9113 section 8.1 has it. curl 7.88.1
    /// can lose the answer when that arrives while it still sends (exit code 92).
    fn version(&self) -> Version {
        match self.body {
            Some(_) => Version::Http1,
            None => Version::Http2,
        }
    }
}

impl Answer {
    /// The first header of this name (in lower case).
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let line = self.headers.iter().find(|(other, _)| other == name);
        line.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.body)
            .map_err(|error| format!("the body of the {} is not JSON: {error}", self.status))
    }

    /// Takes one more answer. A bucket fills while it is emptied, so that the last answer of many
    /// need not be the refusal they are sent for.
    fn take(&mut self, status: u16, headers: Vec<(String, String)>) {
        self.statuses.push(status);
        if status >= 400 || self.status < 400 {
            self.status = status;
            self.headers = headers;
        }
    }

    /// What `curl --include` or `curl --dump-header -` wrote: heads, then at most one body.
    fn parse(text: &str, several: bool) -> Result<Answer, String> {
        let mut answer = Answer::default();
        let mut rest = text;
        while rest.starts_with("HTTP/") {
            let (head, after) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
            rest = after;
            let mut lines = head.lines();
            let status = lines.next().and_then(|line| line.split(' ').nth(1));
            let status: u16 = status
                .and_then(|status| status.parse().ok())
                .ok_or("curl wrote a status line without a status")?;
            if status < 200 {
                continue;
            }
            let headers = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
            answer.take(status, headers.collect());
            if !several {
                break;
            }
        }
        answer.body = rest.to_owned();
        match answer.statuses.is_empty() {
            true => Err("curl wrote no answer".to_owned()),
            false => Ok(answer),
        }
    }
}

impl<'a> Caller<'a> {
    /// Finds out what curl can do here.
    pub(super) async fn new(stage: &'a Stage) -> Caller<'a> {
        let version = Command::new("curl")
            .arg("--version")
            .stdin(Stdio::null())
            .output();
        let curl = match version.await {
            Ok(output) if output.status.success() => Some(Curl {
                http2: String::from_utf8_lossy(&output.stdout)
                    .split_whitespace()
                    .any(|feature| feature == "HTTP2"),
                past_proxies: [
                    "https_proxy",
                    "HTTPS_PROXY",
                    "all_proxy",
                    "ALL_PROXY",
                    "http_proxy",
                ]
                .iter()
                .any(|name| std::env::var_os(name).is_some()),
            }),
            _ => None,
        };
        Caller { stage, curl }
    }

    /// Whether the commands are really run.
    pub(super) fn has_curl(&self) -> bool {
        self.curl.is_some()
    }

    /// The command for a shell in the repository's root.
    pub(super) fn command_line(&self, call: &Call) -> String {
        let curl = self.curl.unwrap_or(Curl {
            http2: true,
            past_proxies: false,
        });
        let mut lines = vec!["curl".to_owned()];
        for group in self.arguments(call, curl) {
            let words: Vec<String> = group.iter().map(|word| quoted(word)).collect();
            let words = words.join(" ");
            match lines.last_mut() {
                Some(line) if line.len() + words.len() < WIDTH => {
                    line.push(' ');
                    line.push_str(&words);
                }
                _ => lines.push(format!("    {words}")),
            }
        }
        lines.join(" \\\n")
    }

    /// Makes the call.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, String> {
        match self.curl {
            Some(curl) => self.send_with_curl(call, curl).await,
            None => self.send_ourselves(call).await,
        }
    }

    /// The arguments, each option together with its value.
    fn arguments(&self, call: &Call, curl: Curl) -> Vec<Vec<String>> {
        let file = |name: &str| self.stage.shown(name);
        let mut groups: Vec<Vec<String>> = Vec::new();
        let mut add =
            |words: &[&str]| groups.push(words.iter().map(|word| (*word).to_owned()).collect());
        match call.times {
            1 => add(&["-sS", "-i"]),
            _ => add(&["-sS", "-D", "-", "-o", "/dev/null"]),
        }
        if curl.past_proxies {
            add(&["--noproxy", "*"]);
        }
        if call.at != At::Direct {
            match call.version() {
                Version::Http1 => add(&["--http1.1"]),
                Version::Http2 if curl.http2 => add(&["--http2"]),
                Version::Http2 => (),
            }
            add(&["--cacert", &file("tls/ca.pem")]);
        }
        if let Some(name) = call.certificate {
            add(&["--cert", &file(&format!("tls/{name}.pem"))]);
            add(&["--key", &file(&format!("tls/{name}.key"))]);
        }
        if let Some(name) = call.token {
            add(&[
                "-H",
                &format!("@{}", file(&format!("tokens/{name}.header"))),
            ]);
        }
        if let Some(body) = call.body {
            add(&["-H", "Content-Type: application/fhir+json"]);
            add(&["--data-binary", &format!("@{}", file(body))]);
        }
        let base = match call.at {
            At::Direct => &self.stage.direct,
            At::Secure => &self.stage.secure,
            At::Open => &self.stage.open,
        };
        // curl counts in the fragment, which it does not send: the same request many times.
        let many = match call.times {
            1 => String::new(),
            times => format!("#[1-{times}]"),
        };
        add(&[&format!("{base}{}{many}", call.path)]);
        groups
    }

    async fn send_with_curl(&self, call: &Call, curl: Curl) -> Result<Answer, String> {
        let mut command = Command::new("curl");
        command
            .args(self.arguments(call, curl).concat())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(WITHIN, command.output())
            .await
            .map_err(|_| format!("curl has not ended after {WITHIN:?}"))?
            .map_err(|error| format!("cannot run curl: {error}"))?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("curl failed: {}", error.trim()));
        }
        Answer::parse(&String::from_utf8_lossy(&output.stdout), call.times > 1)
    }

    async fn send_ourselves(&self, call: &Call) -> Result<Answer, String> {
        let stage = self.stage;
        if call.at == At::Direct {
            let path = format!("{}{}", stage.direct_path, call.path);
            let response = get_plain(stage.direct_address, "GET", &path).await?;
            let mut answer = Answer::default();
            answer.take(response.status, headers(&response));
            answer.body = response.text();
            return Ok(answer);
        }
        let listener = if call.at == At::Open {
            "open"
        } else {
            "secure"
        };
        let address: SocketAddr = stage.envoy.address(listener);
        let certificate = call.certificate.map(|name| stage.pki.client(name));
        let client =
            Client::new(&stage.pki, certificate.as_ref(), call.version(), address).reuse(true);
        let method = if call.body.is_some() { "POST" } else { "GET" };
        let mut request = Request::new(method, &format!("{BASE_PATH}{}", call.path));
        if let Some(name) = call.token {
            request = request.bearer(&stage.token(name)?);
        }
        if let Some(file) = call.body {
            let file = stage.shown(file);
            let body =
                std::fs::read(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
            request = request.body("application/fhir+json", body);
        }
        let mut answer = Answer::default();
        for _ in 0..call.times {
            let response = client.send(request.clone()).await?;
            answer.take(response.status, headers(&response));
            if call.times == 1 {
                answer.body = response.text();
            }
        }
        Ok(answer)
    }
}

fn headers(response: &Response) -> Vec<(String, String)> {
    let headers = response.headers.iter();
    headers
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@=,+%".contains(&byte);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, expected) in [
            ("--http2", "--http2"),
            ("@.run/tokens/a.header", "@.run/tokens/a.header"),
            (
                "https://localhost:8443/fhir/Patient/p1",
                "https://localhost:8443/fhir/Patient/p1",
            ),
            ("Content-Type: x", "'Content-Type: x'"),
            ("https://h/x?a=b&c=d", "'https://h/x?a=b&c=d'"),
            ("https://h/x#[1-60]", "'https://h/x#[1-60]'"),
            ("*", "'*'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn what_curl_writes_is_read() {
        let one = "HTTP/2 403 \r\nWWW-Authenticate: Bearer a=\"b:c\"\r\n\r\n{\"a\":\r\n\r\n1}";
        let answer = Answer::parse(one, false).unwrap();
        assert_eq!(answer.status, 403);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer a=\"b:c\""));
        assert_eq!(answer.body, "{\"a\":\r\n\r\n1}");
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\na: b\r\n\r\nHTTP/ body";
        let answer = Answer::parse(interim, false).unwrap();
        assert_eq!(
            (answer.statuses, answer.body.as_str()),
            (vec![200], "HTTP/ body")
        );
        let several = "HTTP/2 200 \r\na: b\r\n\r\nHTTP/2 429 \r\nretry-after: 1\r\n\r\nHTTP/2 200 \r\na: b\r\n\r\n";
        let answer = Answer::parse(several, true).unwrap();
        assert_eq!(
            (answer.statuses.as_slice(), answer.status),
            ([200, 429, 200].as_slice(), 429)
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("a"), None);
        for wrong in ["", "curl: nothing", "HTTP/2\r\n\r\n"] {
            assert!(Answer::parse(wrong, false).is_err(), "{wrong:?}");
        }
    }
}
