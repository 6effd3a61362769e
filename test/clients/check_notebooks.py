"""Checks notebooks with nbformat and that each code cell is plain Python: a JSON line a file."""
import json
import sys

import nbformat


def problems_of(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    found = []
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        found.append(str(error).splitlines()[0])
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != 'code':
            continue
        try:
            compile(cell.source, '<cell %d>' % number, 'exec', dont_inherit=True)
        except SyntaxError as error:
            found.append('cell %d: %s' % (number, error))
    codes = sum(cell.cell_type == 'code' for cell in notebook.cells)
    return {'path': path, 'codeCells': codes, 'problems': found}


for path in sys.argv[1:]:
    print(json.dumps(problems_of(path)))
