"""Reads mails (a JSON list of texts) from standard input by Python's own parser; what each holds is
printed as JSON."""
import email
import email.policy
import json
import sys


def read(raw):
    mail = email.message_from_bytes(raw.encode(), policy=email.policy.default)
    parts = list(mail.walk())
    found = {part.get_content_type(): part for part in parts}
    return {
        'subject': mail['subject'],
        'to': [address.addr_spec for address in mail['to'].addresses],
        'bcc': mail['bcc'],
        'types': [part.get_content_type() for part in parts],
        'text': found['text/plain'].get_content(),
        'html': found['text/html'].get_content(),
        'defects': [str(defect) for part in parts for defect in part.defects],
    }


print(json.dumps([read(raw) for raw in json.load(sys.stdin)]))
