"""Validate an RO-Crate, fetching nothing: `roc_validate.py FOLDER PROFILE`.

Run by `test_crate.py` in an environment of its own, which has roc-validator. That wants the JSON-LD
context of RO-Crate 1.1 from the web, and gets the one that comes in the package `rocrate`: of a
later version, in which the terms that a bundle uses mean the same. Prints a line an issue.
"""

import json
import sys
from importlib.resources import files

import requests
from requests.adapters import BaseAdapter
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class OneContext(BaseAdapter):
    """Answers for one address, and fails for every other."""

    def send(self, request, **_):
        """Return the context."""
        if request.url != CONTEXT:
            raise requests.ConnectionError(f"{request.url}: nothing is fetched here")
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        response.headers["Content-Type"] = "application/ld+json"
        response._content = (files("rocrate") / "data" / "ro-crate.jsonld").read_bytes()
        return response

    def close(self):
        """Do nothing: there is no connection."""


def main(folder, profile):
    """Validate, and print what is wrong."""
    settings = ValidationSettings(
        rocrate_uri=folder,
        profile_identifier=profile,
        requirement_severity=Severity.RECOMMENDED,
        abort_on_first=False,
    )
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, OneContext())
    HttpRequester().session = session
    for issue in services.validate(settings).get_issues():
        found = [issue.severity.name, issue.check.identifier, issue.message]
        print(json.dumps(found))


main(*sys.argv[1:])
