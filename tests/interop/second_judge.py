"""Apache with mod_oauth2, the resource server that stands beside the filter: one port for each way to
verify a token."""

import os
from urllib.parse import urlencode

import parts
from authorization_server import APP_SCOPE, AUDIENCE, CLIENTS, SCOPE
from pki import ADDRESS, HOST
from process import Process, free_ports

MODULES = ["mpm_event", "authn_core", "authz_core", "ssl", "oauth2"]
BASE = "/r4"
# What can be read.
RESOURCES = ["/Patient/p1", "/Patient/p2", "/Observation/o1"]
# How old a proof may be, and how far ahead: as the filter has it.
PROOF_TIMES = {"dpop.iat.slack.before": 60, "dpop.iat.slack.after": 30}
# Kept short, so that a key that is retired is also forgotten.
KEYS_FOR = 5


class SecondJudge:
    """`ports` by way: certificate, dpop, introspection."""

    def __init__(self, folder, authority, server, issuer):
        ways = {
            "certificate": self._keys(issuer, {"type": "mtls", "mtls.policy": "required"}),
            "dpop": self._keys(issuer, {"type": "dpop", **PROOF_TIMES}),
            "introspection": self._introspection(issuer, {"type": "dpop", **PROOF_TIMES}),
        }
        self.ports = dict(zip(ways, free_ports(len(ways))))
        folder.mkdir()
        folder.chmod(0o755)
        for path in RESOURCES:
            document = folder / f"htdocs{BASE}{path}"
            document.parent.mkdir(parents=True, exist_ok=True)
            document.write_text("{}\n")
        sites = [
            self._site(self.ports[way], way, verify, issuer, authority, server) for way, verify in ways.items()
        ]
        configuration = folder / "apache.conf"
        configuration.write_text(self._common(folder) + "".join(sites))
        self._process = Process(
            "apache2",
            [parts.find(parts.APACHE), "-D", "FOREGROUND", "-f", configuration],
            folder / "apache.log",
            env=parts.environment(),
        )

    def ready(self):
        for port in self.ports.values():
            self._process.wait_for(port)

    def url(self, way, path):
        return f"https://{HOST}:{self.ports[way]}{BASE}{path}"

    def stop(self):
        self._process.stop()

    def _keys(self, issuer, options):
        """By the server's published keys. `exp` and `iat` are needed, and looked at."""
        options = {
            # On the loopback interface; the library takes no other authority than the system's.
            "jwks_uri.ssl_verify": "false",
            "jwks_uri.expiry": KEYS_FOR,
            # Each answer is found anew: what is compared is the judgement, not the memory of one.
            "expiry": 0,
            "verify.exp": "required",
            "verify.iat": "required",
            "verify.iat.slack_before": 86400,
            **options,
        }
        return f'jwks_uri {issuer.jwks_uri} "{urlencode(options)}"'

    def _introspection(self, issuer, options):
        options = {
            **options,
            "introspect.ssl_verify": "false",
            "introspect.auth": "client_secret_basic",
            "client_id": CLIENTS[0],
            "client_secret": issuer.secret,
            "expiry": 0,
        }
        return f'introspect {issuer.introspection_endpoint} "{urlencode(options)}"'

    def _site(self, port, way, verify, issuer, authority, server):
        proven = way in ("dpop", "introspection")
        accept = 'OAuth2AcceptTokenIn header "name=Authorization&type=DPoP"' if proven else ""
        # What the server says of a token has neither `iss` nor `sub`: its address says who answers.
        asked = way == "introspection"
        issued = "" if asked else f"Require oauth2_claim iss:{issuer.issuer}"
        user = "client_id" if asked else "sub"
        return f"""
Listen {ADDRESS}:{port} https
<VirtualHost {ADDRESS}:{port}>
  ServerName {HOST}:{port}
  SSLEngine on
  SSLCertificateFile {server.certificate}
  SSLCertificateKeyFile {server.key}
  SSLCACertificateFile {authority.file}
  SSLVerifyClient optional
  SSLOptions +ExportCertData +StdEnvVars
  <Location {BASE}>
    AuthType oauth2
    OAuth2TokenVerify {verify}
    {accept}
    OAuth2TargetPass remote_user_claim={user}
    <RequireAll>
      {issued}
      Require oauth2_claim aud:{AUDIENCE}
      # The claim as a whole: what Debian ships compares no patterns.
      <RequireAny>
        Require oauth2_claim scope:{SCOPE}
        Require oauth2_claim "scope:openid {APP_SCOPE}"
      </RequireAny>
    </RequireAll>
  </Location>
</VirtualHost>
"""

    def _common(self, folder):
        modules = parts.find(parts.APACHE_MODULES)
        loads = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in MODULES]
        # As root, the children must be somebody else.
        user = "User #65534\nGroup #65534" if os.geteuid() == 0 else ""
        return f"""ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder} default
ServerName {HOST}
DocumentRoot {folder}/htdocs
ErrorLog {folder}/error.log
LogLevel warn
{chr(10).join(loads)}
{user}
SSLSessionCache none
SSLSessionTickets off
SSLProtocol -all +TLSv1.2 +TLSv1.3
"""
