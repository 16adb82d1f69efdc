# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A headless Chromium, driven through a pipe (DevTools protocol): pages, scripts, pictures."""
import base64
import json
import os
import select
import subprocess
import time

OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
           "--no-first-run", "--hide-scrollbars", "--force-prefers-reduced-motion", "--remote-debugging-pipe", "about:blank")
PATIENCE_S = 20


class Browser:
    def __init__(self, work, run=subprocess.Popen):
        """@run: as subprocess.Popen, perhaps in a namespace."""
        theirs_in, self.out = os.pipe()
        self.back, theirs_out = os.pipe()
        self.buffer, self.number, self.complaints = b"", 0, []

        def take_pipes():       # descriptors 3 and 4, which may be in use
            low, high = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(low, 3)
            os.dup2(high, 4)
        self.process = run(["chromium", *OPTIONS, f"--user-data-dir={work}"], preexec_fn=take_pipes, close_fds=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"HOME": str(work), "PATH": "/usr/bin:/bin"})
        os.close(theirs_in)
        os.close(theirs_out)
        self.session = None
        target, = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def read(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            assert left > 0 and select.select([self.back], [], [], left)[0], "the browser does not answer"
            more = os.read(self.back, 1 << 20)
            assert more, "the browser has ended"
            self.buffer += more
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        session = {"sessionId": self.session} if self.session else {}
        os.write(self.out, json.dumps({"id": self.number, "method": method, "params": params, **session}).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while (message := self.read(until)).get("id") != self.number:
            self.note(message)
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def note(self, message):
        """Errors of scripts, and whatever the browser refuses to load."""
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(message["params"]["exceptionDetails"])
        elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.complaints.append(message["params"]["entry"])

    def emulate(self, width, height, scheme="light", scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme},
                                                          {"name": "prefers-reduced-motion", "value": "reduce"}])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9, "Enter": 13}[key],
                      **({"text": "\r"} if key == "Enter" and kind == "keyDown" else {}))

    def picture(self, path, whole=False):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.back)
