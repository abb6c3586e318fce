"""A link between two network namespaces that delays and loses packets, as ``tc netem`` does.

    python -m tests.benchmarks.slow_link NAMESPACE NAMESPACE

Each has a TUN device ``tun``. Standard input sets both directions: "SECONDS PROBABILITY" in a line.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def open_device(namespace: str) -> int:
    """Return the TUN device of ``namespace``."""
    with open(f"/run/netns/{namespace}", "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", b"tun", _IFF_TUN | _IFF_NO_PI))
    return device


def relay(one: int, other: int) -> None:
    peers = {one: other, other: one}
    under_way: list[tuple[float, int, int, bytes]] = []
    delay, loss, number = 0.0, 0.0, 0
    while True:
        wait = max(under_way[0][0] - time.monotonic(), 0) if under_way else None
        ready, _, _ = select.select([*peers, 0], [], [], wait)
        for source in ready:
            if source == 0:
                line = sys.stdin.readline()
                if not line:
                    return
                delay, loss = map(float, line.split())
                continue
            packet = os.read(source, 65536)
            if random.random() >= loss:
                number += 1
                heapq.heappush(under_way, (time.monotonic() + delay, number, peers[source], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(under_way)
            os.write(target, packet)


if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # so a busy machine adds no delay
    relay(*map(open_device, sys.argv[1:3]))
