# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How fast this machine runs Python: for kernels.py on the host, and for inside.py where the processor is emulated."""
import time


def loop_s():
    """Seconds of processor time for a fixed piece of work, the least of three."""
    def once():
        start = time.process_time()
        sum(i * i % 7 for i in range(300000))
        return time.process_time() - start
    return min(once() for _ in range(3))
