#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""test_command.py PROGRAM: what spliced-plan prints, draws and refuses."""
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

MODEL = ("model", "--operating", "3", "--warm", "1", "--cold", "1", "--lambda", ".02", "--alpha", ".005", "--coverage", ".9",
         "--beta", "6", "--mu", "1", "--breakdown", ".01", "--mend", ".5", "--theta", ".5")
PROGRAM = sys.argv.pop()


def plan(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=60, check=False)


def said(*args):
    done = plan(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Command(unittest.TestCase):
    def refused(self, text, *args):
        done = plan(*args)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn(text, done.stderr)

    def test_model(self):
        model = said(*MODEL)
        self.assertEqual(model["model"]["states"], 29)
        self.assertTrue(math.isclose(sum(model["by_failed"]["safe"]) + sum(model["by_failed"]["unsafe"]), 1))
        self.assertAlmostEqual(model["measures"]["failed"], .201410, 6)
        self.assertAlmostEqual(sum(model["by_failed"]["unsafe"]), model["measures"]["unsafe"], 12)
        self.assertIsNone(said(*MODEL, "--at", "10h")["by_failed"])

    def test_never_is_null(self):
        model = said("model", "--lambda", "1", "--mu", "1")
        self.assertIsNone(model["measures"]["hours_to_unsafe"])

    def test_cluster(self):
        cluster = said("--proxies", "4", "--coverage", "99%", "--target", "99.99%")
        self.assertEqual(set(cluster), {"cluster", "worth", "haproxy_vrrp", "one_nine_more", "target"})
        self.assertLessEqual(cluster["worth"]["service_lost"], 1e-4)

    def test_pictures(self):
        with tempfile.TemporaryDirectory() as work:
            for args in (MODEL, ("--proxies", "3")):
                path = pathlib.Path(work, "a.svg")
                self.assertEqual(plan(*args, "--plot", str(path)).returncode, 0)
                lines = xml.etree.ElementTree.parse(path).getroot().findall("{*}path[@fill='none']")
                self.assertGreaterEqual(len(lines), 2)
            self.assertEqual(plan(*MODEL, "--plot", work).returncode, 1)

    def test_file_and_order(self):
        with tempfile.NamedTemporaryFile("w", suffix=".plan") as file:
            file.write("proxies = 5 # hosts\nrepair=8h\n")
            file.flush()
            self.assertEqual(said("--file", file.name)["cluster"]["proxies"], 5)
            self.assertEqual(said("--file", file.name, "--proxies", "2")["cluster"]["proxies"], 2)

    def test_refused(self):
        self.refused("lambda -1 (an operating unit fails): must not be negative", "model", "--lambda", "-1", "--mu", "1")
        self.refused("coverage 1.5: a probability, 0 or more and at most 1", "--coverage", "1.5")
        self.refused("201 units are more than 200: that would take about", "model", "--lambda", "1", "--mu", "1", "--operating", "201")
        self.refused("--large does it", "model", "--lambda", "1", "--mu", "1", "--beta", "1e5", "--operating", "180", "--at", "1y")
        self.refused("unknown argument `word`", "word")
        self.refused("unrecognized option", "--pony")

    def test_large(self):
        self.assertEqual(said("model", "--lambda", "1", "--mu", "1", "--operating", "300", "--large")["model"]["states"], 1799)

    def test_thousand_states_in_a_second(self):
        times = []
        for _ in range(3):
            start = time.monotonic()
            said("model", "--lambda", ".01", "--mu", "1", "--operating", "167")
            times.append(time.monotonic() - start)
        self.assertLess(min(times), 1)


if __name__ == "__main__":
    unittest.main()
