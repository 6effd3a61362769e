# Plain literals only: a tool may put its own values after this cell.
PROVIDER = ''
ADAPTER_DIR = ''  # the folder of the adapter on this machine
ADAPTER_FILES = ''  # or its files: a JSON list of name, url, bytes and sha256
ADAPTER_SHA256 = ''  # of its manifest.json; any other adapter is refused
BASE_MODEL = ''  # another place of the same base, such as a folder; the manifest's when empty
SECONDS = 0  # after which the server and the notebook end by themselves
SERVE_KEY_SHA256 = ''  # of the bearer key; the key stands nowhere here
PORT = 8000  # on 127.0.0.1; 0 takes a free one
MAX_TOKENS = 1024  # the most that an answer may have
TUNNEL = ''  # 'cloudflared' opens an address on the open net; see the first cell
REQUIRE_GPU = False
