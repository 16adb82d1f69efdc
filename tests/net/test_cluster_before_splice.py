# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The promises of test_before_splice.py hold for three proxies as well."""
import pytest

from conftest import Lab
from test_before_splice import *    # noqa: F401,F403: each of them, with the `raw` of this file
from tcp import wait_for
from test_spray import know_each_other

pytestmark = [pytest.mark.spliced, pytest.mark.minutes(3)]


@pytest.fixture(scope="module", params=["flow", "spray"])
def raw(request, start_cluster):
    with start_cluster(("snat", "client"), way=request.param) as cluster:
        wait_for(lambda: know_each_other(cluster), "the proxies to know each other")
        yield Lab(cluster)
