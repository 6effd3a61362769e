"""Runs a notebook as Jupyter's client does; the arguments are those of run_notebook.py."""
import argparse
import json
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def show(cell, cell_index):
    """What the cell printed, as far as it is text."""
    for output in cell.get('outputs', ()):
        print(output.get('text', '') if output.output_type == 'stream' else
              '\n'.join(output.get('traceback', ())), end='', flush=True)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument('--notebook', required=True)
parser.add_argument('--cwd', required=True)
parser.add_argument('--exit-file', required=True)
options = parser.parse_args()
client = NotebookClient(nbformat.read(options.notebook, as_version=4), kernel_name='python3',
                        timeout=120, resources={'metadata': {'path': options.cwd}},
                        on_cell_executed=lambda cell, cell_index, execute_reply:
                        show(cell, cell_index))
error = None
try:
    client.execute()
except CellExecutionError as failure:
    error = str(failure)
with open(options.exit_file, 'w', encoding='utf-8') as file:
    json.dump({'code': 1 if error else 0, 'error': error, 'endedAt': time.time()}, file)
