"""Drives Google Drive's official Python client against an address; prints what it saw as JSON."""

import hashlib
import io
import json
import socket
import sys

from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaFileUpload, MediaIoBaseDownload

# A cut that looks like a stale connection makes httplib2 send the request again by itself, with a
# body that it has read to its end already: it then waits a minute for an answer, unless told less.
socket.setdefaulttimeout(5)

FOLDER = "application/vnd.google-apps.folder"
CHUNK = 256 * 1024


def service_at(drive_url, **credentials):
    """The service with its addresses bent: api_endpoint alone leaves resumable uploads behind."""
    signed_in = Credentials(None, **credentials)
    service = build("drive", "v3", credentials=signed_in, cache_discovery=False)
    service._rootDesc["rootUrl"] = drive_url + "/"
    service._baseUrl = drive_url + "/drive/v3/"
    return service


def upload(files, path, folder):
    """A resumable upload, gone on with after each cut."""
    body = {"name": "checkpoint", "parents": [folder], "appProperties": {"run": "r7"}}
    media = MediaFileUpload(path, chunksize=CHUNK, resumable=True)
    request = files.create(body=body, media_body=media, fields="id,size,sha256Checksum")
    cuts, answer = 0, None
    while answer is None:
        try:
            _, answer = request.next_chunk()
        except (OSError, HttpError) as error:
            cuts += 1
            if cuts > 5:
                raise error
    return answer, cuts


def download(files, file_id):
    target = io.BytesIO()
    loader = MediaIoBaseDownload(target, files.get_media(fileId=file_id), chunksize=CHUNK)
    parts, done = 0, False
    while not done:
        _, done = loader.next_chunk()
        parts += 1
    return hashlib.sha256(target.getvalue()).hexdigest(), parts


def main():
    order = json.load(sys.stdin)
    files = service_at(order["drive"], **order["credentials"]).files()
    folder = files.create(body={"name": "runs", "mimeType": FOLDER}, fields="id").execute()["id"]
    made, cuts = upload(files, order["path"], folder)
    sha256, parts = download(files, made["id"])
    query = "appProperties has { key='run' and value='r7' } and trashed=false"
    listed = files.list(q=query, fields="files(id,parents)").execute()["files"]
    found = [(file["id"], file["parents"]) for file in listed]
    renamed = files.update(fileId=made["id"], body={"name": "kept"}, fields="name").execute()
    files.delete(fileId=made["id"]).execute()
    try:
        files.get(fileId=made["id"]).execute()
        reason = "still there"
    except HttpError as error:
        reason = f"{error.status_code} {error.error_details[0]['reason']}"
    print(
        json.dumps(
            {
                "made": made,
                "cuts": cuts,
                "sha256": sha256,
                "parts": parts,
                "listed": found == [(made["id"], [folder])],
                "renamed": renamed,
                "afterDeletion": reason,
            }
        )
    )


if __name__ == "__main__":
    main()
