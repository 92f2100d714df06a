"""SMTP servers of aiosmtpd on three ports: STARTTLS with a password, TLS from the start, and neither. Each message is a line of JSON."""

import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

folder, starttls_port, tls_port, plain_port = sys.argv[1], *map(int, sys.argv[2:5])


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode("utf-8", "replace"),
            "tls": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
        }
        with open(f"{folder}/messages", "a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")
        return "250 Message accepted for delivery"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == b"ops" and data.password == b"correct horse"
    return AuthResult(success=good, handled=False, auth_data=data)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(f"{folder}/tls.pem", f"{folder}/tls.key")
local = {"hostname": "127.0.0.1"}
secured = {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": authenticate}
Controller(Handler(), port=starttls_port, **local, **secured).start()
Controller(Handler(), port=tls_port, ssl_context=context, **local).start()
plain = Controller(Handler(), port=plain_port, **local)
plain.start()
print("ready", flush=True)
plain._thread.join()
