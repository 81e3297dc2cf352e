"""What is done about a hypervisor that withholds the processor."""

import time

import host

# A turn waits while a hypervisor withholds more than so many percent of the processor, and is taken again where it did
# so meanwhile, so often at most, and not a long one.
WITHHELD_MOST = 10
TRIES = 3
LONG_TURN_S = 100
LOOK_AGAIN_S = 5


class Patience:
    """What is left of the time for waiting, and for turns that are taken again."""

    def __init__(self, minutes, tell):
        self.left_s, self.tell = minutes * 60, tell

    def wait_for_quiet(self):
        while self.left_s > 0:
            begin = time.monotonic()
            if host.withheld_now() <= WITHHELD_MOST:
                break
            time.sleep(LOOK_AGAIN_S)
            self.left_s -= time.monotonic() - begin

    def least_disturbed(self, take):
        """Of the turns that take() gives, until one was not disturbed. One that failed is not made good by another."""
        best = None
        for tried in range(1, TRIES + 1):
            self.wait_for_quiet()
            turn = take()
            if tried > 1:
                self.left_s -= turn.took_s
            if turn.failures or best is None or turn.withheld < best.withheld:
                best = turn
            if turn.failures or best.withheld <= WITHHELD_MOST or turn.took_s > min(self.left_s, LONG_TURN_S):
                break
            if tried < TRIES:
                self.tell(turn)
        best.tries = tried
        return best
