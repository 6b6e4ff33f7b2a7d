"""Run the booking service: python -m booking_svc."""

from booking_svc.bootstrap import build
from booking_svc.settings import BookingSettings
from chassis import lifecycle, logs


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = BookingSettings.from_environment()
    logs.configure(settings.log_level)
    lifecycle.run(lambda: build(settings))


if __name__ == "__main__":
    main()
