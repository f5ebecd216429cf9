"""Processes, ports and the link of the bench. Everything stays on 127.0.0.1."""

import os
import random
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A system did not come up, or did not do what the bench relies on."""


def free_port():
    """Below the ephemeral range, so that no outgoing connection takes it before its server does."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.3).close()
        return True
    except OSError:
        return False


def http_ok(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except (OSError, urllib.error.HTTPError):
        return False


class Process:
    """One process under test; its CPU time is kept over kill9() and start()."""

    def __init__(self, command, log_path):
        self.command = [str(word) for word in command]
        self.log_path = log_path
        self.cpu_before = 0.0
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def cpu_seconds(self):
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            return self.cpu_before
        return self.cpu_before + (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def kill9(self):
        self.cpu_before = self.cpu_seconds()
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def check(self):
        """Raises with the end of the log when the process has ended."""
        if self.process.poll() is None:
            return
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            tail = "".join(log.readlines()[-20:])
        raise BenchError(f"{self.command[0]} ended with {self.process.returncode}:\n{tail}")


class Link:
    """The hop from edge to cloud; counts bytes up and down over all its lives."""

    def __init__(self, program, directory, to_port):
        self.port = free_port()
        self.counters_path = os.path.join(directory, "link.counters")
        self.process = Process(
            [program, "--listen", self.port, "--to", to_port, "--counters", self.counters_path],
            os.path.join(directory, "link.log"))
        wait_until(lambda: listening(self.port), "the link")

    def cut(self):
        self.process.kill9()

    def restore(self):
        self.process.start()
        wait_until(lambda: listening(self.port), "the link")

    def counters(self):
        with open(self.counters_path, "rb") as file:
            return struct.unpack("2Q", file.read(16))

    def stop(self):
        self.process.stop()


class Sink:
    """A sink program: awaited until it has subscribed; its one line of JSON is the result."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        line = self.process.stderr.readline()
        if line.strip() != "ready":
            self.process.kill()
            raise BenchError(f"{command[0]}: {line}{self.process.communicate()[1]}")

    def mark_link_back(self):
        self.process.send_signal(signal.SIGUSR1)

    def enough(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def output(self, seconds):
        try:
            return self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise BenchError(f"{self.process.args[0]}: no result within {seconds} s") from None
