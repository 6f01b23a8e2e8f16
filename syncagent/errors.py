"""How a call to the plane fails, as the agent sees it."""

from __future__ import annotations


class CallFailed(Exception):
    """The message is for the log and holds no token.

    `answered` tells a plane in trouble (give it time) from one that is away (be there when it returns).
    `retry_after` is seconds the plane asked us to wait. `refused` means that the token or the gateway is not known
    there: it goes on until someone acts. `unfit`: the plane can do nothing with what was sent, now or later.
    """

    def __init__(
        self,
        message: str,
        *,
        answered: bool = True,
        retry_after: float | None = None,
        refused: bool = False,
        unfit: bool = False,
    ) -> None:
        super().__init__(message)
        self.answered = answered
        self.retry_after = retry_after
        self.refused = refused
        self.unfit = unfit
