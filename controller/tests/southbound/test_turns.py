"""Much work at once: in order, in slices, and nobody holds the others up."""

import asyncio
import time

import pytest

from daybreak.southbound.turns import SLICE, Rounds, Turns


async def test_calls_are_made_in_order_and_the_loop_goes_round_in_between():
    rounds, made, turns_of_the_loop = Rounds(), [], 0
    for number in range(10):
        rounds.call(lambda number=number: (made.append(number), time.sleep(SLICE)))
    while len(made) < 10:
        turns_of_the_loop += 1
        await asyncio.sleep(0)
    assert made == [*range(10)]
    assert turns_of_the_loop >= 5  # two calls in a round at most


async def test_a_call_that_fails_does_not_stop_those_behind_it():
    rounds, made, failures = Rounds(), asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
    rounds.call(lambda: 1 // 0)
    rounds.call(made.set)
    await made.wait()
    assert [type(each) for each in failures] == [ZeroDivisionError]


async def test_who_takes_too_long_keeps_nobody_waiting():
    turns = Turns(1, 0.01)
    async with turns.turn(), turns.turn():  # the second comes when the first one's time is over
        pass
    async with turns.turn():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), turns.turn():
                pytest.fail("two turns at once")
