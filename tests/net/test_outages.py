# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Hosts fail and are repaired at random (minutes of it): availability at the client and time in each state are as spliced-plan predicts."""
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "torture"))
import daemon       # noqa: E402
import plan         # noqa: E402
import shot         # noqa: E402

BOTH = {"bird": 180, "bird-hold": 120}        # seconds; without BFD no failure is covered


def services(view, source):
    yield daemon.service("www", source, "http", shot.PORT, default=f"www-{source}"), daemon.pool(view, "www", source, shot.PORT)


@pytest.mark.spliced
@pytest.mark.minutes(6)
@pytest.mark.limit(320)
@pytest.mark.parametrize("way", BOTH)
def test_plan_predicts_what_is_measured(start_cluster, request, way):
    build = request.config.getoption("--build")
    if not pathlib.Path(plan.program(build)).exists():
        pytest.skip("built without GSL")
    with start_cluster(services=services, way=way) as cluster:
        backends = shot.Backends(cluster)
        try:
            assert plan.run(cluster, build, BOTH[way], seed=1) == []
        finally:
            backends.close()
