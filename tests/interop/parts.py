"""Gets what the comparison needs and this machine lacks: Debian packages and Python libraries.

Nothing of the system is changed and no service of it is started: the packages are unpacked into
`.tools/interop`, with the libraries they need, and used from there. What is installed already is used
where it is."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools/python"
DEBIAN = ROOT / ".tools/interop"

# The client (signs DPoP proofs), JOSE for the forgeries, certificates, and a reader of Envoy's manifest.
LIBRARIES = [
    "requests==2.34.2",
    "requests_oauth2client==1.8.0",
    "joserfc==1.8.0",
    "cryptography==50.0.2",
    "pyyaml==6.0.3",
    # The collector that reads OpenTelemetry logs, and a server of Envoy's access log service with its messages.
    "rotel==0.0.1a15",
    "grpcio==1.85.1",
    "xds-protos==1.85.0",
    # Classes of OCSF, by which alerts are read.
    "py-ocsf-models==0.10.0",
    # AuditEvents of R4: their structure, and the codes of closed lists.
    "fhir.resources==8.3.0",
    "fhir-types==0.2.4",
]
PACKAGES = ["glewlwyd", "apache2-bin", "libapache2-mod-oauth2", "redis-server", "prometheus", "rsyslog"]
# Recommended by none, but they spare a database server and its client.
INSTEAD = ["dbconfig-no-thanks"]
# What the packages depend on and nothing here uses.
UNUSED = re.compile(r"^(dbconfig|default-mysql|mariadb-|mysql-|fonts-|libjs-|glewlwyd-common)")

GLEWLWYD = "usr/bin/glewlwyd"
GLEWLWYD_MODULES = "usr/lib/glewlwyd"
GLEWLWYD_TABLES = "usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
APACHE = "usr/sbin/apache2"
REDIS = "usr/bin/redis-server"
APACHE_MODULES = "usr/lib/apache2/modules"
PROMETHEUS = "usr/bin/prometheus"
PROMTOOL = "usr/bin/promtool"
RSYSLOG = "usr/sbin/rsyslogd"
# Whoever needs which of the files.
OF_LIMITS = [REDIS]
OF_SINKS = [PROMETHEUS, PROMTOOL, RSYSLOG]
NEEDED = [
    *(GLEWLWYD, GLEWLWYD_MODULES, GLEWLWYD_TABLES, APACHE, f"{APACHE_MODULES}/mod_oauth2.so"),
    *OF_LIMITS,
    *OF_SINKS,
]


class Missing(Exception):
    """What cannot be had here, and what to do about it."""


def find(path):
    """A file of a package: unpacked here, or installed in the system."""
    for root in (DEBIAN / "root", Path("/")):
        if (root / path).exists():
            return root / path
    raise Missing(f"/{path} is not there; packages: {' '.join(PACKAGES)}")


def environment():
    """For programs of unpacked packages: where their libraries are."""
    root = DEBIAN / "root"
    folders = [str(folder) for folder in sorted(root.glob("usr/lib/*-linux-gnu*")) if folder.is_dir()]
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    if folders:
        kept["LD_LIBRARY_PATH"] = ":".join(folders)
    return kept


def rsyslog_modules():
    """The folder of rsyslog's modules."""
    for root in (DEBIAN / "root", Path("/")):
        for module in sorted(root.glob("usr/lib/*-linux-gnu*/rsyslog/mmjsonparse.so")):
            return module.parent
    raise Missing("rsyslog has no mmjsonparse here")


def rotel():
    """The OpenTelemetry collector, a program of the Python libraries."""
    return PYTHON / "rotel/rotel-agent"


def install(needed):
    """The Python libraries, and the packages that have these files; or `Missing`."""
    libraries()
    if not _complete(needed):
        _packages()
    for path in needed:
        find(path)


def libraries():
    """The Python libraries, ready to be imported."""
    _install_libraries()
    sys.path.insert(0, str(PYTHON))


def _install_libraries():
    stamp = PYTHON / "interop.txt"
    wanted = "\n".join([sys.version, *LIBRARIES])
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"    installing {', '.join(LIBRARIES)} into {PYTHON.relative_to(ROOT)}", flush=True)
    part = PYTHON.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--target", part, *LIBRARIES], env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    )
    if done.returncode != 0:
        raise Missing("the Python libraries could not be installed: see the message of pip above")
    (part / stamp.name).write_text(wanted)
    shutil.rmtree(PYTHON, ignore_errors=True)
    part.rename(PYTHON)


def _complete(needed):
    try:
        return all(find(path) for path in needed)
    except Missing:
        return False


def _packages():
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is missing: {', '.join(PACKAGES)} are taken from Debian or Ubuntu packages")
    print(f"    unpacking {', '.join(PACKAGES)} into {DEBIAN.relative_to(ROOT)}", flush=True)
    shutil.rmtree(DEBIAN, ignore_errors=True)
    archives = DEBIAN / "archives"
    for folder in ("lists/partial", "archives/partial", "cache"):
        (DEBIAN / folder).mkdir(parents=True)
    # Lists of our own, so that neither the rights nor the state of the system's matter.
    private = [
        f"-oDir::State::Lists={DEBIAN}/lists",
        f"-oDir::Cache={DEBIAN}/cache",
        "-oDebug::NoLocking=1",
        "-oAcquire::Retries=2",
        f"-oAPT::Sandbox::User={_user()}",
    ]
    apt = ["apt-get", "--quiet=2", *private]
    # It warns where a list could not be fetched, and goes on: the reason for what comes next.
    _run([*apt, "update"], "the lists of packages could not be fetched: is the network there?")
    selection = ["install", "--simulate", "--no-install-recommends", *PACKAGES, *INSTEAD]
    problem = f"apt-get finds no {' '.join(PACKAGES)}: is the network there, and is this Debian or Ubuntu?"
    plan = _run([*apt, *selection], problem)
    names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    names = [name for name in names if not UNUSED.match(name)] or PACKAGES
    _run([*apt, "download", *names], "the packages could not be downloaded", cwd=archives)
    for archive in sorted(archives.glob("*.deb")):
        _run(["dpkg-deb", "--extract", archive, DEBIAN / "part"], f"{archive.name} cannot be unpacked")
    # Whole, or not there.
    (DEBIAN / "part").rename(DEBIAN / "root")
    for folder in ("lists", "archives", "cache"):
        shutil.rmtree(DEBIAN / folder)


def _user():
    """Whoever runs this: the user of apt's sandbox may not write here."""
    return "root" if os.geteuid() == 0 else os.environ.get("USER", "")


def _run(command, problem, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        reason = "\n".join(line for line in done.stderr.splitlines() if line.strip())
        raise Missing(f"{problem}:\n{reason}")
    return done.stdout
