"""A link between threads that delivers as late as it may: a message is copied when the receiver learns of it.

Until then the sender's array is in use, so whoever writes to it too early sends something else. Chance decides how
often a request is asked before it is over. What one rank raises ends the others.
"""

import threading
import time
from collections import defaultdict
from random import Random

SECONDS = 60
"""So long the ranks may take together before they are taken to wait for each other."""


class Ended(Exception):
    """Another rank has failed."""


class World:
    """What `ranks` threads share."""

    def __init__(self, ranks, seed=0, *, direct=False):
        self.ranks, self.lock, self.failed, self.direct = ranks, threading.Lock(), False, direct
        self.sent, self.received = defaultdict(list), defaultdict(int)
        self.shared = defaultdict(dict)
        self.said = defaultdict(dict)
        self.ended = {}
        self.random = Random(seed)
        self.until = time.monotonic() + SECONDS


class Request:
    """A request that is over when `try_it` says so, and not at once."""

    def __init__(self, world, try_it):
        self.world, self.try_it = world, try_it
        self.asked, self.over = world.random.randrange(4), False

    def test(self):
        if self.world.failed:
            raise Ended
        if time.monotonic() > self.world.until:
            raise AssertionError("the ranks wait for each other")
        if self.asked:
            self.asked -= 1
        elif not self.over:
            with self.world.lock:
                self.over = self.try_it()
        return self.over


class ThreadLink:
    """The link of one thread."""

    def __init__(self, world, rank):
        self.world, self.rank, self.ranks = world, rank, world.ranks
        self.shares = self.talks = 0
        self.aborted = None

    def send(self, array, peer, kind):
        message = {"array": array, "taken": False}
        with self.world.lock:
            self.world.sent[self.rank, peer, kind].append(message)
        return Request(self.world, lambda: message["taken"])

    def receive(self, array, peer, kind):
        key = peer, self.rank, kind
        with self.world.lock:
            number = self.world.received[key]
            self.world.received[key] += 1

        def take():
            messages = self.world.sent[key]
            if number >= len(messages):
                return False
            array[...] = messages[number]["array"]
            messages[number]["taken"] = True
            messages[number]["array"][...] = float("nan")  # it is free now, and may hold anything
            return True

        return Request(self.world, take)

    def broadcast(self, array, owner):
        number, self.shares = self.shares, self.shares + 1
        seen = self.world.shared[number]
        with self.world.lock:
            seen[self.rank] = owner
            if self.rank == owner:
                seen["array"], seen["taken"] = array, {owner}

        def take():
            if "array" not in seen:
                return False
            if self.rank == owner:
                return len(seen["taken"]) == self.ranks
            assert seen[owner] == owner, "ranks share weights in different orders"
            array[...] = seen["array"]
            seen["taken"].add(self.rank)
            return True

        return Request(self.world, take)

    def exchange(self, text):
        number, self.talks = self.talks, self.talks + 1
        said = self.world.said[number]
        with self.world.lock:
            said[self.rank] = text
        request = Request(self.world, lambda: len(said) == self.ranks)
        while not request.test():
            time.sleep(1e-4)
        return [said[rank] for rank in range(self.ranks)]

    def agree(self, flags):
        found = 0
        for text in self.exchange(str(flags)):
            found |= int(text)
        return found

    def takes_arrays_of(self, backend):
        return self.world.direct

    def alike(self, text, seconds):
        with self.world.lock:
            self.world.ended[self.rank] = text
        until = time.monotonic() + seconds
        while len(self.world.ended) < self.ranks and time.monotonic() < until:
            time.sleep(1e-4)
        return list(self.world.ended.values()) == [text] * self.ranks

    def abort(self, status):
        self.aborted = status
        raise Ended


def on_threads(ranks, work, *, seed=0, direct=False):
    """What `work(link)` returns on each of `ranks` threads; raises what the first of them to fail has raised.

    `direct`: arrays of a GPU are passed on as they are.
    """
    world = World(ranks, seed, direct=direct)
    results, errors = [None] * ranks, []

    def run(rank):
        try:
            results[rank] = work(ThreadLink(world, rank))
        except Ended:
            pass
        except BaseException as error:
            errors.append(error)
            world.failed = True

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
