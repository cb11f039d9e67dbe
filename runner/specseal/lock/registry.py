"""Container images: from a reference that a person writes to digests that mean one thing forever.

Asks the registry over its HTTP API, without logging in, and believes no byte that does not hash to
the digest it was asked for by.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.utils import parse_dict_header

from specseal.digests import Digest
from specseal.errors import InputError, LockError, MachineLacks
from specseal.lock.http import open_session
