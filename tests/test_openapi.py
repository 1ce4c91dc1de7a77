"""The OpenAPI document against the live server: no 500, nothing undocumented."""

from __future__ import annotations

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.installation import Installation

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]  # every operation, many times
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    found = Installation(tmp_path_factory.mktemp("openapi"))
    found.set_up()
    with found.web():
        yield found


LIMITS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def findings(operation, *, session: requests.Session) -> list[str]:
    """What the operation answers that it does not document, for generated requests."""
    has_body = operation.method.upper() not in ("GET", "DELETE")

    @settings(LIMITS, max_examples=20 if has_body else 8)
    @given(case=operation.as_strategy())
    def check(case):
        case.call_and_validate(session=session, checks=CHECKS, timeout=30)

    try:
        check()
    except BaseExceptionGroup as failure:
        return [f"{operation.label}: {failure} {failure.exceptions}"]
    return []


def test_every_operation_answers_as_documented(installation):
    document = schemathesis.openapi.from_url(f"{installation.url}/api/v1/schema")
    operations = [result.ok() for result in document.get_all_operations()]
    session = installation.session

    found = [finding for one in operations for finding in findings(one, session=session)]

    assert len(operations) > 25
    assert "\n\n".join(found) == ""


def test_every_operation_has_an_example_and_error_answers(installation):
    document = installation.session.get(f"{installation.url}/api/v1/schema", timeout=30).json()

    lacking = []
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            answers = operation["responses"]
            if verb in ("post", "put", "patch") and "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                if "examples" not in content:
                    lacking.append(f"{verb} {path}: no request example")
            if not path.endswith("/health") and not {"401", "403", "429"} <= set(answers):
                lacking.append(f"{verb} {path}: error answers")
    assert lacking == []
