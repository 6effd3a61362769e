"""The notebook's side of a serving session, assembled in a folder as the notebook assembles it."""
import shutil
import sys
import tempfile
from pathlib import Path

from box import TEMPLATES

HERE = Path(__file__).parent
LIGHT = '''import os
import sys
import time

sys.path.insert(0, %r)
from fake_generator import FakeGenerator


def load_generator(settings, adapter):
    time.sleep(float(os.environ.get('LOAD_SECONDS', '0')))
    return FakeGenerator(adapter)
''' % str(HERE)


def assemble(folder):
    """Puts there what the cell `install` writes, with a generator that needs no model."""
    folder = Path(folder)
    shutil.copytree(TEMPLATES / 'serving', folder / 'rodizio_serving')
    for name in ('wire.py', 'downloads.py'):
        shutil.copy(TEMPLATES / 'session' / name, folder / 'rodizio_serving')
    shutil.copytree(TEMPLATES / 'serve', folder / 'serve')
    (folder / 'serve' / 'transformers_generator.py').write_text(LIGHT, encoding='utf-8')


def cells(*tags):
    """The text of those cells of the serving notebook, as they stand in their templates."""
    return '\n\n'.join((TEMPLATES / 'cells' / 'serve' / (tag + '.py')).read_text(encoding='utf-8')
                       for tag in tags)


_assembled = tempfile.TemporaryDirectory(prefix='hosted-')
assemble(_assembled.name)
sys.path.insert(0, _assembled.name)  # so that `rodizio_serving` can be imported
