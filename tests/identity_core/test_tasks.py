"""A background task ends although a cancellation is swallowed on its way."""

import asyncio

from identity_core.tasks import end_task


async def test_a_task_that_swallows_its_first_cancellations_still_ends() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_task(task)
    assert task.done()
    assert swallowed == 3


async def test_the_last_error_of_a_task_is_not_the_stoppers() -> None:
    async def failing() -> None:
        raise ValueError("its own")

    task = asyncio.create_task(failing())
    await asyncio.sleep(0)
    await end_task(task)
    await end_task(None)
