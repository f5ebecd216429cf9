#!/usr/bin/env python3
"""A TCP proxy on loopback that is a bad link: it damages, reorders, delays, cuts and throttles what goes through.

usage: tcp_proxy.py LISTEN_PORT TARGET_PORT [--flip P] [--swap P] [--cut P] [--delay MS] [--seed N]

  --flip P    one bit of a chunk is flipped, with this probability for each chunk
  --swap P    two neighbouring chunks change places
  --cut P     the connection is reset
  --delay MS  each chunk waits so long
SIGUSR1 switches the faults off, SIGUSR2 on again. At its end it prints what it did.
"""
import argparse
import asyncio
import collections
import random
import signal
import socket
import struct


class Proxy:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.faults_on = True
        self.done = collections.Counter()

    def happens(self, probability):
        return self.faults_on and self.random.random() < probability

    async def pump(self, reader, writer):
        held = None
        while True:
            try:
                chunk = await asyncio.wait_for(reader.read(4096), 0.05 if held else None)
            except asyncio.TimeoutError:
                chunk = None  # nobody follows: the held one goes on
            if chunk == b"":
                break
            out = []
            if chunk is None:
                out.append(held)
                held = None
            elif held is not None:
                out += [chunk, held]
                held = None
                self.done["swapped"] += 1
            elif self.happens(self.options.swap):
                held = chunk
            else:
                out.append(chunk)
            for part in out:
                await self.send(part, writer)
        if held:
            await self.send(held, writer)
        writer.close()

    async def send(self, chunk, writer):
        self.done["chunks"] += 1
        if self.options.delay:
            await asyncio.sleep(self.options.delay / 1000)
        if self.happens(self.options.cut):
            self.done["cut"] += 1
            raise ConnectionError("cut")
        if self.happens(self.options.flip):
            damaged = bytearray(chunk)
            damaged[self.random.randrange(len(damaged))] ^= 1 << self.random.randrange(8)
            chunk = bytes(damaged)
            self.done["flipped"] += 1
        writer.write(chunk)
        await writer.drain()

    async def serve(self, reader, writer):
        self.done["connections"] += 1
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self.options.target)
        except OSError:
            writer.close()
            return
        both = [asyncio.ensure_future(self.pump(reader, target_writer)),
                asyncio.ensure_future(self.pump(target_reader, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            pass  # the proxy ends
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        for end in (writer, target_writer):
            sock = end.get_extra_info("socket")
            if sock is not None and not end.is_closing():  # reset, not an orderly end
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listen", type=int)
    parser.add_argument("target", type=int)
    for name in ("flip", "swap", "cut", "delay"):
        parser.add_argument("--" + name, type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    proxy = Proxy(parser.parse_args())
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(proxy, "faults_on", False))
    loop.add_signal_handler(signal.SIGUSR2, lambda: setattr(proxy, "faults_on", True))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.options.listen)
    await stop.wait()
    server.close()
    print(", ".join(f"{count} {what}" for what, count in sorted(proxy.done.items())), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
