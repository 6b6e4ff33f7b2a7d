"""Run the pricing service: python -m pricing_svc."""

from chassis import lifecycle, logs
from pricing_svc.bootstrap import build
from pricing_svc.settings import PricingSettings


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = PricingSettings.from_environment()
    logs.configure(settings.log_level)
    lifecycle.run(lambda: build(settings))


if __name__ == "__main__":
    main()
