# Plain literals only: a tool may put its own values after this cell.
PROVIDER = ''
CANDIDATE_DIR = ''  # the folder of the candidate on this machine
CANDIDATE_FILES = ''  # or its files: a JSON list of name, url, bytes and sha256
CANDIDATE_SHA256 = ''  # of its manifest.json; any other adapter is refused
CURRENT_DIR = ''  # the adapter that it is held against, if any
CURRENT_FILES = ''
CURRENT_SHA256 = ''
DATA = ''  # a JSONL file of conversations on this machine, none of which was trained on
DATA_FILES = ''  # or its address: a JSON list of one name, url, bytes and sha256
DATA_SHA256 = ''  # of that file; any is taken when empty
ROWS = 64  # the first so many give the loss; 0: all of them
BASE_MODEL = ''  # another place of the same base, such as a folder; the manifest's when empty
SECONDS = 0  # after which it ends by itself, compared or not
REQUIRE_GPU = False
