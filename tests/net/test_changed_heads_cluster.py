# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Changed heads through three proxies: each makes the same bytes, also after the death of the one that has made them before."""
import pytest

import daemon
import tcp
from daemon import service
from heads import Recorder
from tcp import connect
from test_changed_heads import RAW, ask, changed, head, own
from topo import VIP

pytestmark = [pytest.mark.spliced, pytest.mark.whole("requests are read")]
PORT = 7207


def services(view, source):
    pools = [daemon.pool(view, "raw-v1", source, RAW, ("backend1",)), daemon.pool(view, "raw-v2", source, RAW, ("backend2",))]
    for pool, version in zip(pools, ("v1", "v2")):
        pool["proxy_protocol"] = version
    yield service("both", source, "http", PORT, default=f"raw-v1-{source}", routes=[{"path": "/b", "pool": f"raw-v2-{source}"}],
                  forwarded="x-forwarded-for", request_headers={"set": {"X-Set": "by us"}, "remove": ["X-Old"]}), *pools


@pytest.mark.parametrize("way", ["flow"])
def test_another_proxy_goes_on(start_cluster, way):
    with start_cluster(services=services, way=way) as cluster:
        records = [Recorder(cluster.ns[name], RAW) for name in ("backend1", "backend2")]
        tcp.wait_for(lambda: all(proxy.log.read_text().count(": lives\n") >= 2 for proxy in cluster.proxies), "the proxies to know each other")
        socks = [connect(cluster.client, VIP["snat"][4], PORT) for _ in range(6)]
        sent = [[], []]
        for i in range(9):
            if i == 3:
                cluster.proxies[0].crash()
                cluster.way.announce(cluster.names[1:])
            if i == 5:
                cluster.heal()
            if i == 6:
                cluster.proxies[1].crash()
                cluster.way.announce([cluster.names[0], cluster.names[2]])
            for j, sock in enumerate(socks):
                data = head(f"/b/{i}/{j}" if (i + j) % 3 == 2 else f"/{i}/{j}", "X-Old: 1", "Content-Length: 10", method="POST") + b"0123456789"
                sent[(i + j) % 3 == 2].append(changed(data[:-10], own(sock)[0]))
                ask(sock, data)
        for record, want in zip(records, sent):
            assert sorted(each[1] for each in record.requests) == sorted(want)
            record.close()
