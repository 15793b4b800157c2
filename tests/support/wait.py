"""Waiting for something with a deadline: never a sleep for luck."""
import asyncio
import time


class Late(AssertionError):
    """What was waited for did not come in time."""


def until(look, what, timeout=15.0, pause=0.02):
    """The first true value of look(). Errors of a connection that is not there yet count as "not yet"."""
    deadline = time.monotonic() + timeout
    last = None
    while True:
        try:
            value = look()
            if value:
                return value
        except (OSError, ValueError, KeyError) as e:
            last = e
        if time.monotonic() > deadline:
            raise Late(f"waited {timeout:g} s for {what}" + (f" (last: {last!r})" if last else ""))
        time.sleep(pause)


async def until_async(look, what, timeout=15.0, pause=0.02):
    """The same for a look that may be awaited, inside a loop."""
    deadline = time.monotonic() + timeout
    while True:
        value = look()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"waited {timeout:g} s for {what}")
        await asyncio.sleep(pause)


def run(coroutine, timeout=90.0):
    """Runs an asynchronous test body to its end, or fails after `timeout`."""
    async def bounded():
        return await asyncio.wait_for(coroutine, timeout)
    return asyncio.run(bounded())
