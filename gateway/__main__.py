"""Run the gateway: python -m gateway."""

from chassis import logs
from gateway.app import create_app
from gateway.http_server import server_of
from gateway.settings import GatewaySettings


def main() -> None:
    """Read the settings and serve until told to stop."""
    settings = GatewaySettings.from_environment()
    logs.configure(settings.log_level)
    app = create_app(settings)
    server_of(app, host=settings.host, port=settings.port, trusted_proxies=settings.trusted_proxies).run()


if __name__ == "__main__":
    main()
