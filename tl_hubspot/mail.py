"""Sending one e-mail over SMTP: encrypted, signed in, with a time limit; what goes wrong is said in one sentence.

What is written in it lives in `reporting.digest`. No secret is ever part of an error.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from tl_hubspot.config.settings import Settings
from tl_hubspot.errors import BadAnswer, ConfigurationError, CredentialsRefused, Unreachable


def send(settings: Settings, subject: str, text: str, html: str) -> None:
    """Send it to everybody in `mail.to`, as text and as HTML.

    Raises:
        ConfigurationError: host, sender or recipients are not set, or the certificate file cannot be read.
        Unreachable: the server does not answer, or not encrypted as it should.
        CredentialsRefused: it refuses user name or password.
        BadAnswer: it takes the message for nobody, or not for all; or it breaks the rules of SMTP.
    """
    settings.require_mail()
    mail = settings.mail
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, mail.sender, ", ".join(mail.to)
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid("tl-hubspot")
    message["Auto-Submitted"] = "auto-generated"  # nobody's holiday notice answers it
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    where = f"{mail.host}:{mail.port}"
    try:
        with _connected(settings) as server:
            if mail.user:
                server.login(mail.user, mail.password.get_secret_value() if mail.password else "")
            refused = server.send_message(message)
    except smtplib.SMTPAuthenticationError:
        raise CredentialsRefused(
            "The mail server refused the user name or the password",
            where=where,
            mend="Correct TL_HUBSPOT_MAIL__USER and TL_HUBSPOT_MAIL__PASSWORD",
        ) from None
    except smtplib.SMTPRecipientsRefused as error:
        raise _not_taken(where, len(error.recipients)) from None
    except smtplib.SMTPSenderRefused as error:
        raise BadAnswer(
            f"The mail server takes no messages from the address in TL_HUBSPOT_MAIL__FROM (code {error.smtp_code})",
            where=where,
            mend="Write an address there that this account may send from",
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise Unreachable(
            "The mail server does not offer what is asked of it: "
            + ("encryption by STARTTLS, or signing in" if mail.security == "starttls" else "signing in"),
            where=where,
            mend="Set TL_HUBSPOT_MAIL__SECURITY and TL_HUBSPOT_MAIL__PORT to tls and 465, or ask who runs the server",
        ) from None
    except ssl.SSLError as error:
        raise Unreachable(
            f"No encrypted connection to the mail server: {getattr(error, 'verify_message', '') or error.reason}",
            where=where,
            mend="Check TL_HUBSPOT_MAIL__SECURITY and the port; for a certificate of your own set"
            " TL_HUBSPOT_MAIL__CA_FILE",
        ) from None
    except smtplib.SMTPServerDisconnected:
        raise Unreachable("The mail server broke off the connection", where=where, mend="Try again") from None
    except smtplib.SMTPResponseException as error:
        raise BadAnswer(f"The mail server refused the message (code {error.smtp_code})", where=where) from None
    except OSError as error:
        raise Unreachable(
            f"The mail server does not answer: {error.strerror or 'no answer in time'}",
            where=where,
            mend="Check TL_HUBSPOT_MAIL__HOST and TL_HUBSPOT_MAIL__PORT",
        ) from None
    if refused:
        raise _not_taken(where, len(refused))


def _connected(settings: Settings) -> smtplib.SMTP:
    mail = settings.mail
    assert mail.host is not None
    if mail.security == "none":
        return smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds)
    try:
        context = ssl.create_default_context(cafile=str(mail.ca_file) if mail.ca_file else None)
    except OSError as error:
        raise ConfigurationError(
            f"The certificate file cannot be used: {error.strerror or error}",
            where=f"TL_HUBSPOT_MAIL__CA_FILE, {mail.ca_file}",
            mend="Name a file with a certificate in PEM format",
        ) from None
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout_seconds, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds)
    try:
        server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _not_taken(where: str, n: int) -> BadAnswer:
    return BadAnswer(
        f"The mail server did not take the message for {n:,} of the addresses in TL_HUBSPOT_MAIL__TO",
        where=where,
        mend="Correct the addresses there",
    )
