"""A store by moto, with a bucket and a key that may use that bucket alone; from then on it checks
the signature of each request with botocore's own code. Prints one line of JSON: where it answers
and by which key. For each line of standard input (`begin KEY` begins an upload there), one line of
JSON of what boto3 finds in the bucket, read to its last byte; ends with its input.
"""
import hashlib
import json
import sys
import urllib.request

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

BUCKET = 'some-bucket'
REGION = 'us-east-1'


def client(endpoint, service, key, secret):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(s3={'addressing_style': 'path'}, retries={'total_max_attempts': 1}),
    )


def key_of(endpoint):
    iam = client(endpoint, 'iam', 'maker', 'secret')
    iam.create_user(UserName='backups')
    allowed = {
        'Effect': 'Allow',
        'Action': 's3:*',
        'Resource': [f'arn:aws:s3:::{BUCKET}', f'arn:aws:s3:::{BUCKET}/*'],
    }
    policy = json.dumps({'Version': '2012-10-17', 'Statement': [allowed]})
    iam.put_user_policy(UserName='backups', PolicyName='backups', PolicyDocument=policy)
    made = iam.create_access_key(UserName='backups')['AccessKey']
    return made['AccessKeyId'], made['SecretAccessKey']


def found(s3):
    objects = []
    for page in s3.get_paginator('list_objects_v2').paginate(Bucket=BUCKET):
        for one in page.get('Contents', []):
            got = s3.get_object(Bucket=BUCKET, Key=one['Key'])
            digest = hashlib.sha256(got['Body'].read()).hexdigest()
            objects.append(
                {'key': one['Key'], 'sha256': digest, 'told': got['Metadata'].get('sha256')}
            )
    uploads = s3.list_multipart_uploads(Bucket=BUCKET).get('Uploads', [])
    return {'objects': objects, 'uploads': [one['Key'] for one in uploads]}


def main():
    server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f'http://{host}:{port}'
    client(endpoint, 's3', 'maker', 'secret').create_bucket(Bucket=BUCKET)
    key, secret = key_of(endpoint)
    # So many more calls without a look at their signatures: none.
    strict = urllib.request.Request(
        f'{endpoint}/moto-api/reset-auth', data=b'0', headers={'content-type': 'text/plain'}
    )
    urllib.request.urlopen(strict).close()
    s3 = client(endpoint, 's3', key, secret)
    print(json.dumps({'endpoint': endpoint, 'keyId': key, 'secretKey': secret}), flush=True)
    for line in sys.stdin:
        if line.startswith('begin '):
            s3.create_multipart_upload(Bucket=BUCKET, Key=line.split()[1])
        print(json.dumps(found(s3)), flush=True)
    server.stop()


main()
