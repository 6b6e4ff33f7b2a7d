"""`headway demo`: everything running, the sample network on sale, a rider's journey, then a living city."""

from cli.outcomes import BreakdownError, EndedError
from cli.stack import Options, Stack
from cli.up import say, stay, up

VEHICLES, RIDERS = 20, 4


def demo(options: Options, *, stays_up: bool) -> int:
    """Run `up` with a journey in it; return its exit code, or the journey's when it does not stay up."""

    async def show(stack: Stack) -> int:
        try:
            await put_on_sale(stack)
            await take_along(stack)
        except BreakdownError as error:
            say(f"   {error}")
            return await stay(stack) if stays_up else error.exit_code
        if stays_up:
            await live(stack)
        return 0

    return up(options, show)


async def put_on_sale(stack: Stack) -> None:
    """Import the sample network; a second demo finds it there and only moves it on."""
    from cli.import_feed import import_feed, import_of  # noqa: PLC0415 - imported late: `up` needs no HTTP client

    say("\nThe operator puts the sample network on sale.\n   headway import --sample")
    running = {"gateway_url": stack.gateway_url, "admin": stack.admin}
    try:
        refused = await import_feed(running, import_of(None, operator_id="", days=28), lambda line: say(f"   {line}"))
    except EndedError as error:
        raise BreakdownError(f"The journey ends here: {error}") from error
    if refused:
        raise BreakdownError("The journey ends here: the sample network was not taken.")


async def take_along(stack: Stack) -> None:
    """Take a rider through a journey."""
    from cli.journey import travel  # noqa: PLC0415 - likewise

    await travel(stack.gateway_url, say)
    say("\nThat was the whole journey.")


async def live(stack: Stack) -> None:
    """Let vehicles drive and riders book until Ctrl-C."""
    from cli.simulate import Simulation, simulate  # noqa: PLC0415 - likewise

    say(f"\nFrom now on the city lives: headway simulate --vehicles {VEHICLES} --riders {RIDERS}")
    say(f"Look around at {stack.gateway_url}/")
    try:
        running = {"gateway_url": stack.gateway_url, "admin": stack.admin}
        await simulate(running, Simulation(VEHICLES, RIDERS), say)
    except BreakdownError as error:
        say(f"   {error}")
    await stay(stack)
