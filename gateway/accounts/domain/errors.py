"""Why an account's operation is refused."""

from chassis.errors import Forbidden, NotAllowedNow, NotAuthenticated


class EmailTaken(NotAllowedNow):
    reason = "EMAIL_TAKEN"
    detail = "There is an account with this e-mail address already."


class WrongCredentials(NotAuthenticated):
    """One answer for an unknown name and a wrong secret, so that nobody learns which names exist."""

    detail = "The name or the secret is wrong."


class RefusedRefresh(NotAuthenticated):
    detail = "This refresh token is not good any more. Sign in again."


class MoreThanOwn(Forbidden):
    detail = "Nobody gives away a scope that their own token does not carry."
