"""Creates, uploads, lists, tags, downloads with the official client; says as JSON what it saw."""
import hashlib
import json
import sys
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

order = json.load(sys.stdin)
api = HfApi(endpoint=order['url'], token=order['token'])
repo, folder = order['repo'], Path(order['folder'])


def status_of(call):
    try:
        call()
    except HfHubHTTPError as error:
        return error.response.status_code
    return None


api.create_repo(repo, private=True)
again = status_of(lambda: api.create_repo(repo, private=True))
api.create_repo(repo, private=True, exist_ok=True)
first = api.upload_folder(repo_id=repo, folder_path=folder, commit_message='the first')
second = api.upload_file(repo_id=repo, path_or_fileobj=b'{"r": 8}\n',
                         path_in_repo='adapter_config.json', commit_message='the second',
                         parent_commit=first.oid)
late = status_of(lambda: api.upload_file(repo_id=repo, path_or_fileobj=b'late',
                                         path_in_repo='late.txt', parent_commit=first.oid))
api.create_tag(repo, tag='v1', revision=first.oid)
taken = status_of(lambda: api.create_tag(repo, tag='v1', revision=second.oid))
refs = api.list_repo_refs(repo)
tags = {tag.name: tag.target_commit == first.oid for tag in refs.tags}
back = Path(api.snapshot_download(repo, revision='v1', cache_dir=order['cache']))
stranger = HfApi(endpoint=order['url'], token=order['stranger'])
try:
    stranger.repo_info(repo)
    hidden = False
except RepositoryNotFoundError:
    hidden = True
api.delete_tag(repo, tag='v1')
json.dump({
    'again': again,
    'late': late,
    'taken': taken,
    'tags': tags,
    'hidden': hidden,
    'titles': [commit.title for commit in api.list_repo_commits(repo)],
    'files': sorted(api.list_repo_files(repo)),
    'private': api.repo_info(repo).private,
    'sha256': hashlib.sha256((back / 'adapter_model.safetensors').read_bytes()).hexdigest(),
    'config': (back / 'adapter_config.json').read_text(),
    'tagsLeft': [tag.name for tag in api.list_repo_refs(repo).tags],
}, sys.stdout)
