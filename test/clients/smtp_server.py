"""A mail server by aiosmtpd, told what to do by one JSON argument: {"mode": "tls" | "starttls" |
"plain", "key", "certificate" (paths), "user", "password"}. Prints its port, then one line of JSON
for each mail that it takes; ends when its standard input does.
"""
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Taker:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            'from': envelope.mail_from,
            'to': envelope.rcpt_tos,
            'raw': envelope.original_content.decode(),
            'isEncrypted': session.ssl is not None or order['mode'] == 'tls',
            'user': session.auth_data.login.decode() if session.auth_data else None,
        }
        print(json.dumps(mail), flush=True)
        return '250 2.0.0 Taken by aiosmtpd'


def authenticate(server, session, envelope, mechanism, data):
    wanted = LoginPassword(order['user'].encode(), order['password'].encode())
    return AuthResult(success=data == wanted, handled=False, auth_data=data)


def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if order['mode'] != 'plain':
        context.load_cert_chain(order['certificate'], order['key'])
    controller = Controller(
        Taker(),
        hostname='127.0.0.1',
        port=order['port'],
        server_hostname='mail.example',
        ssl_context=context if order['mode'] == 'tls' else None,
        tls_context=context if order['mode'] == 'starttls' else None,
        require_starttls=order['mode'] == 'starttls',
        auth_required=True,
        # On TLS from the first byte aiosmtpd knows of no STARTTLS, and would offer no sign-in.
        auth_require_tls=order['mode'] == 'starttls',
        authenticator=authenticate,
    )
    controller.start()
    print(order['port'], flush=True)
    sys.stdin.read()
    controller.stop()


order = json.loads(sys.argv[1])
main()
