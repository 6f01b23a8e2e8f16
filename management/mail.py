"""Mail to users, over SMTP: the link with which they sign in to the portal and which stands for a password here.

One message at a time is sent in a thread, within `PATIENCE`; what the server says against it is told to the caller.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

from management.errors import ArmError

PATIENCE = 15.0  # seconds, each step of a conversation


@dataclass(slots=True, frozen=True)
class Mail:
    """A server and how to speak to it. `tls` is starttls, tls or none."""

    host: str
    port: int
    sender: str
    tls: str = "starttls"
    user: str = ""
    password_file: Path | None = None

    async def send(self, to: str, subject: str, text: str) -> None:
        """Raises ArmError."""
        message = EmailMessage()
        try:
            message["From"], message["To"] = Address(addr_spec=self.sender), Address(addr_spec=to)
        except (ValueError, IndexError):
            raise ArmError(400, "ValidationError", f"'{to[:100]}' is no address that mail can be sent to.") from None
        message["Subject"] = subject
        message.set_content(text)
        try:
            await asyncio.to_thread(self._send, message)
        except (OSError, smtplib.SMTPException, ssl.SSLError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise ArmError(
                502, "MailNotSent", f"The mail server {self.host}:{self.port} did not take the message: {reason}."
            ) from None

    def _send(self, message: EmailMessage) -> None:
        context = ssl.create_default_context()
        if self.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=PATIENCE, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=PATIENCE)
        with server:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.user and self.password_file is not None:
                server.login(self.user, self.password_file.read_text(encoding="utf-8").strip())
            server.send_message(message)
