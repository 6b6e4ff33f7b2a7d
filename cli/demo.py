"""`headway demo`: everything running, and a rider taken through a journey."""

from cli.outcomes import BreakdownError
from cli.stack import Options, Stack
from cli.up import say, stay, up


def demo(options: Options, *, stays_up: bool) -> int:
    """Run `up` with a journey in it; return its exit code, or the journey's when it does not stay up."""

    async def show(stack: Stack) -> int:
        from cli.journey import travel  # noqa: PLC0415 - imported late: `up` needs no HTTP client

        try:
            await travel(stack.gateway_url, stack.admin, say)
            say("\nThat was the whole journey.")
        except BreakdownError as error:
            say(f"   {error}")
            return await stay(stack) if stays_up else error.exit_code
        return await stay(stack) if stays_up else 0

    return up(options, show)
