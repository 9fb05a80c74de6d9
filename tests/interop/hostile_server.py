"""A FHIR server that ignores what it is asked: helios-hfs without its search parameters and compartments. It
answers a search with every row of the type, whoever they belong to. And the people whose data it holds."""

import json
import os
import urllib.error
import urllib.request

import parts
from pki import ADDRESS
from process import Process, free_ports

BINARY = parts.ROOT / ".tools/hostile-server/bin/hfs"
TARGET = "make hostile-server"
# Enough for a debug build under load.
TIMEOUT = 60

OWN = "ada-7f3a"
OTHERS = ["bob-91c2", "eve-55d0"]
DOCTOR = "doctor-1b"
OTHER_DOCTOR = "doctor-2c"
SECURITY = "http://terminology.hl7.org/CodeSystem/"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
# What is hidden from some callers, one for all resources: they must not tell resources apart.
BIRTH_DATE = "1961-02-03"
ADDRESS_OF_MAIL = "hidden.mailbox@example.com"


def there():
    """Whether it was installed; where it is not, nothing of this can be tried."""
    return os.access(BINARY, os.X_OK)


def canary(resource):
    """A text that stands in this resource and in no other."""
    return f"canary-of-{resource['id']}"


class Server:
    """One hfs with an empty database of its own."""

    def __init__(self, folder):
        folder.mkdir()
        # The folder in which it looks for search parameters, and finds none.
        data = folder / "data"
        data.mkdir()
        (self.port,) = free_ports(1)
        self.base = f"http://{ADDRESS}:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HFS_")}
        command = [
            BINARY,
            "--host",
            ADDRESS,
            "--port",
            self.port,
            "--database-url",
            folder / "fhir.db",
            "--data-dir",
            data,
        ]
        env = {**kept, "HFS_BASE_URL": self.base, "HFS_LOG_LEVEL": "warn"}
        self._process = Process("hfs", command, folder / "hfs.log", env)
        self._process.wait_for(self.port)

    def faults(self, resource):
        """What it has against a resource (`$validate`)."""
        status, outcome = self._call("POST", f"/{resource.get('resourceType')}/$validate", resource)
        issues = (outcome or {}).get("issue", [])
        wrong = [issue for issue in issues if issue["severity"] in ("error", "fatal")]
        return wrong or ([status] if status >= 400 else [])

    def direct(self, path):
        """What it answers to whoever asks it without the filter."""
        status, body = self._call("GET", path)
        if status != 200:
            raise RuntimeError(f"hfs answers {path} with {status}")
        return body

    def version(self):
        return self.direct("/metadata")["software"]["version"]

    def stop(self):
        self._process.stop()

    def _call(self, method, path, body=None):
        content = None if body is None else json.dumps(body).encode()
        fields = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        request = urllib.request.Request(self.base + path, method=method, data=content, headers=fields)
        # Never by a proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, None


class HostileServer(Server):
    """One that is filled."""

    def __init__(self, folder):
        super().__init__(folder)
        self.resources = people()
        for resource in self.resources:
            self._put(resource)
        # A second version, so that there is a history.
        for resource in self.resources:
            if resource["resourceType"] == "Patient":
                self._put({**resource, "active": True})

    def _put(self, resource):
        path = f"/{resource['resourceType']}/{resource['id']}"
        status, _ = self._call("PUT", path, resource)
        if status not in (200, 201):
            raise RuntimeError(f"hfs takes no {path}: {status}")


def people():
    """Three patients with the same kinds of data, two doctors, and what belongs to two patients."""
    found = [_practitioner(name) for name in (DOCTOR, OTHER_DOCTOR)]
    for patient in [OWN, *OTHERS]:
        found.extend(_data_of(patient))
    shared = _resource("Observation", "both-1", subject=_patient(OWN), status="final", code=_code("8867-4"))
    found.append({**shared, "performer": [_patient(OTHERS[0])]})
    inside = {"resourceType": "Patient", "id": "inside", "name": [{"family": "canary-of-both-2"}]}
    held = _resource("Observation", "both-2", subject=_patient(OWN), status="final", code=_code("8867-4"))
    found.append({**held, "contained": [inside], "focus": [{"reference": "#inside"}, _patient(OTHERS[1])]})
    return found


def _data_of(patient):
    own = {"subject": _patient(patient)}
    person = {
        **_resource("Patient", patient),
        "name": [{"family": f"canary-of-{patient}"}],
        "birthDate": BIRTH_DATE,
        "gender": "female",
        "telecom": [{"system": "email", "value": ADDRESS_OF_MAIL}],
    }
    doctor = DOCTOR if patient == OWN else OTHER_DOCTOR
    encounter = _resource("Encounter", f"enc-{patient}", **own, status="finished")
    encounter["class"] = {"system": f"{SECURITY}v3-ActCode", "code": "AMB"}
    psychiatric = _resource("Condition", f"con2-{patient}", **own, code=_code("F32.1"))
    psychiatric["meta"] = {"security": [_coding("v3-Confidentiality", "R"), _coding("v3-ActCode", "PSY")]}
    return [
        person,
        encounter,
        *[_observation(patient, number, doctor) for number in range(4)],
        _resource("Condition", f"con1-{patient}", **own, code=_code("I10"), onsetDateTime="2024-05-06"),
        psychiatric,
        _resource(
            "MedicationRequest",
            f"med-{patient}",
            **own,
            status="active",
            intent="order",
            medicationCodeableConcept=_code("860975"),
        ),
        _resource("AllergyIntolerance", f"all-{patient}", patient=_patient(patient), code=_code("91936005")),
        _resource(
            "Immunization",
            f"imm-{patient}",
            patient=_patient(patient),
            status="completed",
            vaccineCode=_code("140"),
            occurrenceDateTime="2024-10-11",
        ),
        _resource(
            "Procedure",
            f"pro-{patient}",
            **own,
            status="completed",
            code=_code("430193006"),
            performedDateTime="2024-01-02",
        ),
        _resource("DiagnosticReport", f"dia-{patient}", **own, status="final", code=_code("58410-2")),
    ]


def _observation(patient, number, doctor):
    category = "laboratory" if number % 2 else "vital-signs"
    return {
        **_resource(
            "Observation",
            f"obs{number}-{patient}",
            subject=_patient(patient),
            status="final",
            code=_code("8867-4"),
        ),
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "encounter": {"reference": f"Encounter/enc-{patient}"},
        "performer": [{"reference": f"Practitioner/{doctor}"}],
        "effectiveDateTime": f"2024-0{number + 1}-10",
        "valueQuantity": {
            "value": 60 + number,
            "unit": "/min",
            "system": "http://unitsofmeasure.org",
            "code": "/min",
        },
        "note": [{"text": f"Answer to {ADDRESS_OF_MAIL}."}],
    }


def _practitioner(name):
    return {**_resource("Practitioner", name), "name": [{"family": f"canary-of-{name}"}]}


def _resource(kind, name, **members):
    text = f'<div xmlns="http://www.w3.org/1999/xhtml">canary-of-{name}</div>'
    return {"resourceType": kind, "id": name, "text": {"status": "generated", "div": text}, **members}


def _code(code):
    return {"coding": [{"system": "http://codes.example.org", "code": code}], "text": "a finding"}


def _coding(system, code):
    return {"system": f"{SECURITY}{system}", "code": code}


def _patient(name):
    return {"reference": f"Patient/{name}"}
