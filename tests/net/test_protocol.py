# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the daemon says on its control socket is what control.h says: all of it, and nothing else.

    client --- router --- proxy1 --- core --- backend1, with an agent that serves two of three ports
"""
import pytest

import daemon
import protocol
import tcp
from agent_lab import AgentLab
from conftest import Pairs, ways

pytestmark = [pytest.mark.spliced, pytest.mark.whole("has modes of its own")]
FORMS = protocol.forms()
COUNTED = 7500
AT = "raw-tcp-snat/backend1-v4"


def checked(net, source):
    """The services, each with checks of its pool, two whose traffic is counted, and a pool of a name and a file that are not there."""
    named = {"name": "named", "backends": [{"address": "name.invalid:7000"}], "backends_file": "/none"}
    for service, pool in daemon.in_modes("split")(net, source):
        yield service, {**pool, "check": {"type": "tcp", "interval": "100ms"}}, named
    for protocol, port in (("http", COUNTED), ("tcp", COUNTED + 1)):     # traffic is counted
        yield (daemon.service(f"counted-{protocol}", source, protocol, port, default=f"raw-{protocol}-{source}",
                              access_log={"format": "json", "to": "none"}),)


@pytest.fixture(scope="module")
def lab(start_cluster):
    with start_cluster(services=checked, proxies=1, stores=1, agents=["backend1"]) as cluster:
        cluster.start_agents((daemon.RAW_TCP, daemon.RAW_HTTP))
        with Pairs(AgentLab(cluster)) as pairs:
            # until checks have passed there is no backend; what is accepted may be a check
            tcp.wait_for(lambda: pairs(ways[0], "tcp") and cluster.proxies[0].connections(), "a spliced connection")
            yield cluster


def is_described(answer, command):
    """Each line has a form of its command, and all forms are met, with nothing left out."""
    seen = set()
    for line in answer:
        protocol.check_any(line, FORMS[command], seen, "")
    assert seen == {path for form in FORMS[command] for path in protocol.paths(form)}


@pytest.mark.parametrize("command, more", [
    ("ready", {}), ("cluster", {}), ("drops", {}), ("events", {}), ("overview", {}), ("drain-self", {"undo": True}), ("connections", {"limit": 0})])
def test_answers_are_as_described(lab, command, more):
    is_described(lab.proxies[0].ask(command, **more), command)


def test_status_is_as_described(lab):
    tcp.wait_for(lambda: lab.proxies[0].status()["warnings"], "a warning: no agent serves port 7443", 20)
    tcp.wait_for(lambda: lab.proxies[0].status()["checker"]["results"] > 9, "results of checks")
    lab.proxies[0].ctl("backend", AT, "weight", "2")
    is_described(lab.proxies[0].ask("status"), "status")
    lab.proxies[0].ctl("backend", "--reset")


def test_explain_is_as_described(lab):
    service = lab.proxies[0].status()["services"][0]["name"]
    seen = set()
    for more in ({}, {"head": "nonsense\r\n\r\n"}, {"from": "192.0.2.1"}):
        protocol.check_any(lab.proxies[0].ask("explain", service=service, **more)[0], FORMS["explain"], seen, "")
    assert "[].backends[].gets".removeprefix("[]") in {path.removeprefix("[]") for path in seen}


def test_an_agent_describes_itself_likewise(lab):
    for command in ("status", "cluster", "ready", "drops"):
        for line in lab.agents[0].ask(command):
            protocol.check_any(line, FORMS[command], set(), "")


def test_all_commands_are_described():
    assert sorted(FORMS) == ["backend", "cluster", "config", "connections", "drain-self", "drops", "events", "explain", "overview", "ready",
                             "reload", "status"]
