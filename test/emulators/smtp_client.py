"""Python's own mail client, told what to do by one JSON argument; what came of it is printed as
JSON.

{"port", "mode": "plain" | "starttls" | "tls", "ca": PEM or null, "user", "password", "from",
"to", "text", "times"}
"""
import json
import smtplib
import ssl
import sys


def main(order):
    context = ssl.create_default_context(cadata=order['ca']) if order.get('ca') else None
    host = 'mail.emulated.example'
    try:
        if order['mode'] == 'tls':
            raw = ssl.create_default_context(cadata=order['ca'])
            client = smtplib.SMTP_SSL(context=raw, timeout=5)
        else:
            client = smtplib.SMTP(timeout=5)
        client._host = host  # what the certificate is held against
        code, said = client.connect('127.0.0.1', order['port'])
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        client._host = host
        if order['mode'] == 'starttls':
            client.starttls(context=context)
        if order.get('user'):
            client.login(order['user'], order['password'])
        for _ in range(order.get('times', 1)):
            refused = client.sendmail(order['from'], order['to'], order['text'].encode())
        client.quit()
        return {'refused': refused}
    except smtplib.SMTPResponseException as error:
        return {'code': error.smtp_code, 'error': type(error).__name__}
    except smtplib.SMTPRecipientsRefused as error:
        return {'code': min(code for code, _text in error.recipients.values()),
                'error': type(error).__name__}
    except (smtplib.SMTPException, OSError) as error:
        return {'code': None, 'error': type(error).__name__}


print(json.dumps(main(json.loads(sys.argv[1]))))
