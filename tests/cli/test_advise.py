"""``interplay advise``."""

import json


from tests.cli.conftest import invoke
