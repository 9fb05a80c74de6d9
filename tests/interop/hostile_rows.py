"""What is asked of the hostile server through the filter, by whom, and what may come out."""

import json
from dataclasses import dataclass

from hostile_server import ADDRESS_OF_MAIL, BIRTH_DATE, CATEGORY, DOCTOR, OTHERS, OWN

BOB, EVE = OTHERS
ALL = "patient/*.rs"
LABORATORY = f"patient/Observation.rs?category={CATEGORY}|laboratory"


def _ids(resources, *kinds):
    return frozenset(resource["id"] for resource in resources if resource["resourceType"] in kinds)


def _of(patient):
    """Ends the ids of what is this patient's, and of nobody else's."""
    return lambda resource: resource["id"].endswith(patient)


@dataclass(frozen=True)
class Row:
    """One request, and the ids of what comes out; None: it is refused, and nothing does."""

    name: str
    way: str
    scope: str
    path: str
    # Of the resources, as a function of all that there are.
    out: object = None
    method: str = "GET"
    body: str = None
    # Texts that must not leave besides.
    hidden: tuple = ()
    # Ids may stand in references of what is permitted.
    refers: bool = False


def own(*kinds):
    return lambda all: _ids(filter(_of(OWN), all), *kinds)


def own_laboratory(all):
    return frozenset(f"obs{number}-{OWN}" for number in (1, 3))


def every(*kinds):
    return lambda all: _ids(all, *kinds)


def nothing(_):
    return frozenset()


OBSERVATIONS = own("Observation")
OBSERVATION_SEARCHES = [
    ("a reference", f"patient=Patient/{OWN}"),
    ("nothing: the own patient is added", ""),
    ("a reference without a type", f"subject={OWN}"),
    ("a token", "code=http://codes.example.org%7C8867-4"),
    ("a token that nothing has", "code=http://codes.example.org%7Cnone"),
    ("a category", "category=laboratory"),
    ("a date", "date=ge2024-03-01&date=lt2024-04-01"),
    ("a quantity", "value-quantity=gt60"),
    ("another reference", f"encounter=Encounter/enc-{OWN}"),
    ("another's encounter", f"encounter=Encounter/enc-{BOB}"),
    ("a performer", f"performer=Practitioner/{DOCTOR}"),
    ("a modifier", "code:not=x"),
    ("what is missing", "value-quantity:missing=true"),
    ("an order", "_sort=-date"),
    ("a part of each", "_elements=id,status"),
    ("`_summary=data`", "_summary=data"),
    ("when it was changed", "_lastUpdated=ge2020-01-01"),
    ("`_include` of patients", "_include=Observation:subject"),
    (
        "`_include` of three kinds",
        "_include=Observation:subject&_include=Observation:encounter&_include=Observation:performer:Practitioner",
    ),
]
OTHER_SEARCHES = [
    ("Patient", "a string", "name=canary"),
    ("Patient", "a date", f"birthdate={BIRTH_DATE}"),
    ("Patient", "a token", "gender=female"),
    ("Patient", "`_revinclude`", "_revinclude=Observation:subject&_revinclude=Condition:subject"),
    ("Condition", "a token", "code=I10"),
    ("Encounter", "a status", "status=finished"),
    ("MedicationRequest", "nothing", ""),
    ("AllergyIntolerance", "nothing", ""),
    ("Immunization", "a date", "date=2024-10-11"),
    ("Procedure", "nothing", ""),
    ("DiagnosticReport", "a token", "code=58410-2"),
]


def _batch(*urls):
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries})


ROWS = [
    *[
        Row(f"a patient's search by {name}", "open", ALL, f"/Observation?{query}".rstrip("?"), OBSERVATIONS)
        for name, query in OBSERVATION_SEARCHES
    ],
    *[
        Row(
            f"a patient's search for {kind} by {name}", "open", ALL, f"/{kind}?{query}".rstrip("?"), own(kind)
        )
        for kind, name, query in OTHER_SEARCHES
    ],
    Row(
        "a patient's search by POST", "open", ALL, "/Observation/_search", OBSERVATIONS, "POST", "code=8867-4"
    ),
    Row(
        "a patient's search for what is another's by its id",
        "open",
        ALL,
        f"/Observation?_id=obs0-{BOB}",
        nothing,
    ),
    Row(
        "a patient's search for what is of two by its id",
        "open",
        ALL,
        "/Observation?_id=both-1,both-2",
        nothing,
    ),
    Row("a patient's search that names another", "open", ALL, f"/Observation?patient=Patient/{BOB}"),
    Row("how many there are", "open", ALL, "/Observation?_summary=count"),
    Row("how many there are, beside them", "open", ALL, "/Observation?_total=accurate"),
    Row("a patient's pages", "open", ALL, "/Observation?_count=3", OBSERVATIONS),
    Row("a patient's search by a chain", "open", ALL, "/Observation?subject:Patient.name=canary"),
    Row("a patient's search by `_has`", "open", ALL, "/Patient?_has:Observation:subject:code=x"),
    Row("another's compartment", "open", ALL, f"/Patient/{BOB}/Observation"),
    Row("a patient reads", "open", ALL, f"/Observation/obs0-{OWN}", lambda _: frozenset([f"obs0-{OWN}"])),
    Row("a patient reads a version", "open", ALL, f"/Patient/{OWN}/_history/1", own("Patient")),
    Row("a patient reads what is another's", "open", ALL, f"/Observation/obs0-{BOB}"),
    Row("a patient reads another's version", "open", ALL, f"/Patient/{BOB}/_history/1"),
    Row("a patient reads what is of two", "open", ALL, "/Observation/both-1"),
    Row("a patient reads what holds another", "open", ALL, "/Observation/both-2"),
    Row("a patient's history", "open", ALL, f"/Patient/{OWN}/_history", own("Patient")),
    Row("a patient's history in pages", "open", ALL, f"/Patient/{OWN}/_history?_count=1", own("Patient")),
    Row("another's history", "open", ALL, f"/Patient/{BOB}/_history"),
    Row("the history of a type", "open", ALL, "/Observation/_history"),
    Row("the history of everything", "open", ALL, "/_history"),
    Row("`$everything` of the own", "open", ALL, f"/Patient/{OWN}/$everything", own("Patient")),
    Row("`$everything` of another", "open", ALL, f"/Patient/{BOB}/$everything"),
    Row("`$everything` of all", "open", ALL, "/Patient/$everything"),
    Row(
        "a patient's batch",
        "open",
        ALL,
        "",
        lambda all: own("Observation", "Condition", "Patient")(all),
        "POST",
        _batch(
            "Observation?code=8867-4",
            "Condition",
            f"Patient/{OWN}",
            f"Patient/{BOB}",
            f"Observation/obs0-{EVE}",
        ),
    ),
    Row(
        "granular scopes: a search",
        "open",
        LABORATORY,
        f"/Observation?category={CATEGORY}%7Claboratory",
        own_laboratory,
    ),
    Row(
        "granular scopes: a search without the category",
        "open",
        LABORATORY,
        "/Observation?code=8867-4",
        own_laboratory,
    ),
    Row("granular scopes: pages", "open", LABORATORY, "/Observation?_count=2", own_laboratory),
    Row(
        "granular scopes: a read",
        "open",
        LABORATORY,
        f"/Observation/obs1-{OWN}",
        lambda _: frozenset([f"obs1-{OWN}"]),
    ),
    Row("granular scopes: a read beside them", "open", LABORATORY, f"/Observation/obs0-{OWN}"),
    Row("granular scopes: another type", "open", LABORATORY, "/Condition"),
    Row("granular scopes: `_include`", "open", LABORATORY, "/Observation?_include=Observation:subject"),
    Row(
        "granular scopes: a batch",
        "open",
        LABORATORY,
        "",
        own_laboratory,
        "POST",
        _batch("Observation", f"Observation/obs2-{OWN}", "Condition"),
    ),
    Row(
        "a service's search by a chain",
        "open",
        "system/*.rs",
        "/Observation?subject:Patient.name=nobody",
        every("Observation"),
        refers=True,
    ),
    Row(
        "a service with one type: a chain to another",
        "open",
        "system/Observation.rs",
        "/Observation?subject:Patient.name=nobody",
    ),
    Row(
        "a user's search",
        "open",
        "user/Observation.rs",
        "/Observation?code=8867-4",
        every("Observation"),
        refers=True,
    ),
    Row("a user's search for another type", "open", "user/Observation.rs", "/Condition"),
    Row(
        "a user's history of a type",
        "open",
        "user/Observation.rs",
        "/Observation/_history",
        every("Observation"),
        refers=True,
    ),
    Row(
        "a user's pages",
        "open",
        "user/Observation.rs",
        "/Observation?_count=4",
        every("Observation"),
        refers=True,
    ),
    Row(
        "a practitioner's search",
        "practitioner",
        "user/Observation.rs",
        "/Observation?code=8867-4",
        OBSERVATIONS,
        refers=True,
    ),
    Row(
        "a practitioner's search by another",
        "practitioner",
        "user/Observation.rs",
        "/Observation?performer=Practitioner/doctor-2c",
    ),
    Row(
        "a practitioner's pages",
        "practitioner",
        "user/Observation.rs",
        "/Observation?_count=4",
        OBSERVATIONS,
        refers=True,
    ),
    Row("a practitioner reads another's", "practitioner", "user/Observation.rs", f"/Observation/obs0-{BOB}"),
    Row("a practitioner's search for patients", "practitioner", "user/*.rs", "/Patient?name=canary", nothing),
    Row(
        "labels: conditions",
        "hidden",
        "system/*.rs",
        "/Condition?code=I10",
        lambda all: frozenset(f"con1-{patient}" for patient in [OWN, *OTHERS]),
        hidden=("PSY",),
        refers=True,
    ),
    Row(
        "labels: the condition by its id", "hidden", "system/*.rs", f"/Condition/con2-{BOB}", hidden=("PSY",)
    ),
    Row(
        "labels: a patient's conditions",
        "hidden",
        ALL,
        "/Condition",
        lambda _: frozenset([f"con1-{OWN}"]),
        hidden=("PSY",),
    ),
    Row(
        "redaction: patients",
        "hidden",
        "system/*.rs",
        "/Patient?gender=female",
        every("Patient"),
        hidden=(BIRTH_DATE, ADDRESS_OF_MAIL),
    ),
    Row(
        "redaction: a read",
        "hidden",
        ALL,
        f"/Patient/{OWN}",
        own("Patient"),
        hidden=(BIRTH_DATE, ADDRESS_OF_MAIL),
    ),
    Row(
        "redaction: a history",
        "hidden",
        ALL,
        f"/Patient/{OWN}/_history",
        own("Patient"),
        hidden=(BIRTH_DATE, ADDRESS_OF_MAIL),
    ),
    Row(
        "redaction: observations and their texts",
        "hidden",
        ALL,
        "/Observation",
        OBSERVATIONS,
        hidden=(DOCTOR, ADDRESS_OF_MAIL),
    ),
    Row("redaction: a search by what is hidden", "hidden", "system/*.rs", f"/Patient?birthdate={BIRTH_DATE}"),
    Row(
        "redaction: a batch",
        "hidden",
        ALL,
        "",
        own("Observation", "Patient"),
        "POST",
        _batch("Observation", f"Patient/{OWN}", f"Condition/con2-{OWN}"),
        hidden=(BIRTH_DATE, ADDRESS_OF_MAIL, DOCTOR, "PSY"),
    ),
    Row("guardrails: more than one patient", "guardrail", "system/*.rs", "/Observation?code=8867-4"),
    Row(
        "guardrails: one patient, of all that came",
        "guardrail",
        ALL,
        "/Observation?code=8867-4",
        OBSERVATIONS,
    ),
    Row(
        "as shipped: the server is told to be strict, and refuses", "strict", ALL, "/Observation?code=8867-4"
    ),
    Row(
        "as shipped: a read", "strict", ALL, f"/Observation/obs0-{OWN}", lambda _: frozenset([f"obs0-{OWN}"])
    ),
]
# What the server must do to be worth the name: a path, and the ids that nobody asked for.
HOSTILITY = [
    (f"/Observation?patient=Patient/{OWN}", every("Observation")),
    (f"/Observation?subject=Patient/{OWN}&code=none", every("Observation")),
    ("/Condition?code=none", every("Condition")),
    ("/Patient?name=nobody", every("Patient")),
]
