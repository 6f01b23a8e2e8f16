"""Accounts that people make for themselves in the portal: sign-up, passwords, and the mails that go with them.

Ours, not ARM's; for the portal, which comes with the admin token. All are POST below the service:

    signUp                 {email, password, firstName, lastName}    {"state": "active" | "pending"}
    confirmSignUp          {token}                                   {"userId"}
    verifyPassword         {email, password}                         {"userId", "sessionStamp"}
    changePassword         {userId, password, newPassword}           204
    requestPasswordReset   {email}                                   204
    resetPassword          {token, password}                         {"userId"}

Rules
1. Nobody learns here who has an account: what is known and what is not get the same answer after the same work; where
   the work differs by what is written, the answer comes at a whole step of time. Who signs up with the address of an
   account gets a mail that says so, where mail can be sent; the account stays as it is.
2. With mail, an address is confirmed before its account is active; without, it is active at once.
3. Passwords are hashed outside of transactions, two at a time: each takes 32 MiB.
4. Ten wrong passwords for an address within five minutes close it for that time, whether it has an account or not.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web

from management import passwords, user_tokens
from management.apply import Applier
from management.arm import json_response, tx_of
from management.bodies import read_body
from management.errors import ArmError, invalid, not_allowed, not_found
from management.guesses import Guesses
from management.paths import ArmPath
from management.resources.portal_settings import TYPES as PORTAL_SETTINGS
from management.resources.users import session_stamp
from management.settings import Outside
from management.store import Row, Store
from management.transaction import Transaction, reading, writing

Result = TypeVar("Result")
Taker = Callable[[web.Request, ArmPath], Awaitable[web.Response]]

AT_ONCE = 2
STEP = 0.25  # seconds
CONFIRMATION_LIFE = datetime.timedelta(days=2)
RESET_LIFE = datetime.timedelta(hours=1)
NAME = 100  # characters of a first or last name
JOINERS = {0x200C: None, 0x200D: None}  # cannot be seen either, and are part of names in some scripts
log = logging.getLogger("management")


class Accounts:
    def __init__(self, store: Store, outside: Outside) -> None:
        self._store = store
        self._outside = outside
        self._hashing = asyncio.Semaphore(AT_ONCE)
        self._guesses = Guesses(most=10, window=300.0, known=10_000)
        self._mails: set[asyncio.Task[None]] = set()

    def taker(self, name: str) -> Taker | None:
        return {
            "signup": self.sign_up,
            "confirmsignup": self.confirm,
            "verifypassword": self.verify,
            "changepassword": self.change,
            "requestpasswordreset": self.request_reset,
            "resetpassword": self.reset,
        }.get(name)

    async def sign_up(self, request: web.Request, path: ArmPath) -> web.Response:
        started, body = time.monotonic(), await _body(request)
        email = _email(body)
        password = passwords.check(body.get("password"), email)
        names = {name: _name(body, name) for name in ("firstName", "lastName")}
        kept = await self._hash(password)
        mail = self._outside.mail
        state = "active" if mail is None else "pending"

        def make(tx: Transaction) -> str | None:
            """A token that confirms; None when there is an account already."""
            _check_open(tx)
            if tx.find(_lookup(email)):
                return None
            name = secrets.token_hex(12)
            document = {"email": email, **names, "state": state, "passwordHash": kept}
            Applier(tx).put(f"/users/{name}", document, trusted=True)
            return user_tokens.token(tx, "confirmation", name, CONFIRMATION_LIFE) if mail else ""

        token = await self._write(path, make)
        if mail is not None:
            await mail.send(email, *self._mail_of_sign_up(token))
        await _whole_step(started)
        return json_response({"state": state})

    def _mail_of_sign_up(self, token: str | None) -> tuple[str, str]:
        """Subject and text."""
        portal = self._outside.portal
        if token is None:
            text = "Somebody, perhaps you, tried to sign up with this address, which has an account already."
            return "You have an account", f"{text}\n\nSign in: {portal}/sign-in\nNew password: {portal}/forgotten\n"
        link = f"{portal}/confirm?token={quote(token, safe='')}"
        return "Confirm your address", f"This link makes your account active. It is good for two days:\n\n{link}\n"

    async def confirm(self, request: web.Request, path: ArmPath) -> web.Response:
        token = str((await _body(request)).get("token") or "")

        def work(tx: Transaction) -> str | None:
            user = user_tokens.redeem(tx, token, "confirmation", states=("pending",))
            return None if user is None else _changed(tx, user.id, state="active")

        return _user(await self._write(path, work))

    async def verify(self, request: web.Request, path: ArmPath) -> web.Response:
        body = await _body(request)
        email, password = str(body.get("email") or "").strip().lower()[:254], str(body.get("password") or "")
        if seconds := self._guesses.wait(email):
            raise ArmError(429, "TooManyRequests", f"Too many wrong passwords: wait {seconds} seconds.")

        # counted before the work: else as many as come at once would be tried
        self._guesses.failed(email)

        def find(tx: Transaction) -> tuple[str, str, str]:
            row = _account(tx, email)
            if row is None:
                return "", "", ""
            name = row.name if row.body.get("state") == "active" else ""
            return name, str(row.clear().get("passwordHash") or ""), session_stamp(row)

        name, kept, stamp = await self._read(path, find)
        async with self._hashing:
            right = await asyncio.to_thread(passwords.matches, password, kept)
        if not right or not name:
            raise invalid("password", "This is not the address and password of an active account.")
        self._guesses.forget(email)
        return json_response({"userId": f"/users/{name}", "sessionStamp": stamp})

    async def change(self, request: web.Request, path: ArmPath) -> web.Response:
        """The old password is needed where there is one."""
        body = await _body(request)
        name = str(body.get("userId") or "").rsplit("/", 1)[-1]

        def find(tx: Transaction) -> tuple[str, str]:
            row = tx.get(f"/users/{name}")
            if row is None or row.body.get("state") != "active":
                raise not_found("User")
            return str(row.body["email"]), str(row.clear().get("passwordHash") or "")

        email, kept = await self._read(path, find)
        if seconds := self._guesses.wait(email.lower()):
            raise ArmError(429, "TooManyRequests", f"Too many wrong passwords: wait {seconds} seconds.")
        if kept:
            self._guesses.failed(email.lower())
            async with self._hashing:
                right = await asyncio.to_thread(passwords.matches, str(body.get("password") or ""), kept)
            if not right:
                raise invalid("password", "The old password is wrong.")
            self._guesses.forget(email.lower())
        new = await self._hash(passwords.check(body.get("newPassword"), email))
        await self._write(path, lambda tx: _changed(tx, name, passwordHash=new))
        return web.Response(status=204)

    async def request_reset(self, request: web.Request, path: ArmPath) -> web.Response:
        started, email, mail = time.monotonic(), _email(await _body(request)), self._outside.mail
        if mail is None:
            raise ArmError(
                400, "MailNotConfigured", "This plane sends no mail: set management.mail.server and its neighbours."
            )

        def work(tx: Transaction) -> str:
            row = _account(tx, email)
            known = row is not None and row.body.get("state") in ("active", "pending")
            return user_tokens.token(tx, "password", row.name, RESET_LIFE) if row is not None and known else ""

        if token := await self._write(path, work):
            link = f"{self._outside.portal}/new-password?token={quote(token, safe='')}"
            text = f"With this link you choose a new password, once, within an hour:\n\n{link}\n"
            # not waited for: how long it takes would tell who has an account
            task = asyncio.create_task(_sent(mail.send(email, "A new password", text)))
            self._mails.add(task)
            task.add_done_callback(self._mails.discard)
        await _whole_step(started)
        return web.Response(status=204)

    async def reset(self, request: web.Request, path: ArmPath) -> web.Response:
        body = await _body(request)
        token = str(body.get("token") or "")
        kept = await self._hash(passwords.check(body.get("password")))

        def work(tx: Transaction) -> str | None:
            user = user_tokens.redeem(tx, token, "password", states=("active", "pending"))
            # who reads the mail of an address has confirmed it
            return None if user is None else _changed(tx, user.id, state="active", passwordHash=kept)

        return _user(await self._write(path, work))

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(passwords.hashed, password)

    async def _read(self, path: ArmPath, work: Callable[[Transaction], Result]) -> Result:
        def run() -> Result:
            with reading(self._store, path.service) as tx:
                return work(tx_of(tx))

        return await self._store.read(run)

    async def _write(self, path: ArmPath, work: Callable[[Transaction], Result]) -> Result:
        def run() -> Result:
            with writing(self._store, path.service) as tx:
                return work(tx_of(tx))

        return await self._store.write(run)


async def _body(request: web.Request) -> dict[str, Any]:
    if request.method != "POST":
        raise not_allowed(f"{request.method} is not possible here.")
    return await read_body(request)


async def _whole_step(started: float) -> None:
    """Wait until a multiple of `STEP` seconds since then."""
    if STEP:
        await asyncio.sleep(-(time.monotonic() - started) % STEP)


async def _sent(sending: Awaitable[None]) -> None:
    try:
        await sending
    except ArmError as error:
        log.warning("%s", error)


def _check_open(tx: Transaction) -> None:
    """May people sign up at all? Raises ArmError."""
    held = tx.get("/portalsettings/signup") or PORTAL_SETTINGS[0].born("/portalsettings/signup")
    if held is None or held.body.get("enabled") is False:
        raise ArmError(400, "SignUpDisabled", "Nobody may sign up here: portalsettings/signup is not enabled.")


def _account(tx: Transaction, email: str) -> Row | None:
    return next(iter(tx.find(_lookup(email))), None)


def _lookup(email: str) -> str:
    return f"user:{email.lower()}"


def _changed(tx: Transaction, user: str, **properties: str) -> str:
    row = tx.get(f"/users/{user}")
    if row is None:
        raise not_found("User")
    Applier(tx).put(row.id, {**row.clear(), **properties}, trusted=True)
    return row.name


def _user(name: str | None) -> web.Response:
    if name is None:
        raise invalid("token", "The link has been used or is too old: ask for a new one.")
    return json_response({"userId": f"/users/{name}"})


def _email(body: dict[str, Any]) -> str:
    email = str(body.get("email") or "").strip()
    local, at, host = email.rpartition("@")
    plain = email.isprintable() and not any(each.isspace() or each in '<>,;"\\' for each in email)
    if not at or not local or not host or "@" in local or not plain or len(email) > 254:
        raise invalid("email", "This is no e-mail address.")
    return email


def _name(body: dict[str, Any], name: str) -> str:
    text = str(body.get(name) or "").strip()
    if not 1 <= len(text) <= NAME or not text.translate(JOINERS).isprintable():
        raise invalid(name, f"A name has 1 to {NAME} characters, and none that cannot be seen.")
    return text
