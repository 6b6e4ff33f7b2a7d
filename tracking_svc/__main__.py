"""Run the tracking service: python -m tracking_svc."""

from chassis import lifecycle, logs
from tracking_svc.bootstrap import build
from tracking_svc.settings import TrackingSettings


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = TrackingSettings.from_environment()
    logs.configure(settings.log_level)
    lifecycle.run(lambda: build(settings))


if __name__ == "__main__":
    main()
