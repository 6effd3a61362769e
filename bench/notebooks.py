"""How fast the engine `trl` trains here, and what memory it takes, without and with 4 bit.

One uninterrupted training for each set of library versions and each form of the base, one after the
other; the figures are the program's own, and nothing is asserted of them. Without a GPU it computes
in one thread.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'test' / 'notebooks-run'))
from training import (STACKS, conversations, environment, lines_of, plan, python_of,  # noqa: E402
                      start, tiny_model)

WARM_UP = 3  # steps that are left out: caches fill, and kernels are chosen
HELP = """
Examples:
  npm run bench:notebooks
  npm run bench:notebooks -- --stack colab --steps 40 --json
  npm run bench:notebooks -- --base /models/mistral-7b --stack kaggle

A form is how the base's weights lie in memory: `none` is 32 bit on a CPU and 16 bit on a GPU, `nf4`
is 4 bit. A base that is stored in 4 bit has no other. Figures are medians over the steps after the
first three; speed counts the tokens of prompts and answers.
"""


def arguments():
    parser = argparse.ArgumentParser(
        prog='npm run bench:notebooks --', description=__doc__.split('\n')[0], epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--base', metavar='ID_OR_FOLDER',
                        help='the model; a Mistral of toy size when left out')
    parser.add_argument('--revision', default='main', help='of a base that is an id; main else')
    parser.add_argument('--stack', action='append', choices=('newest', 'colab', 'kaggle'),
                        help='library versions, may be repeated; all that are there when left out')
    parser.add_argument('--steps', type=positive, default=20, help='steps to measure; 20 else')
    parser.add_argument('--json', action='store_true', help='one JSON value in place of a table')
    return parser.parse_args()


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError('%s is less than one step' % text)
    return number


def device_of(stack):
    """What torch would compute on in that environment, and the version of torch."""
    ran = subprocess.run(
        [python_of(stack), '-c', 'import torch; print(torch.__version__, torch.cuda.get_device_name'
         '() if torch.cuda.is_available() else "CPU, one thread", sep="|")'],
        env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout.strip().split('|')


def measure(stack, form, asked, folder):
    """The figures of one training, or {'failed': a sentence}."""
    folder.mkdir(parents=True)
    (folder / 'train.jsonl').write_text(conversations(64), encoding='utf-8')
    (folder / 'validation.jsonl').write_text('', encoding='utf-8')  # speed alone is asked for
    job = {'plan': plan(base=asked.base or tiny_model(), revision=asked.revision,
                        quantization=form, targetSteps=WARM_UP + asked.steps),
           'secondsLeft': 86400.0, 'sessionSeconds': 86400.0}
    more = {} if asked.base is None or Path(asked.base).exists() else {'HF_HUB_OFFLINE': '0'}
    process = start(stack, folder, job, more=more)
    output = process.stdout.read().splitlines()
    process.stdout.close()
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        refused = lines_of(output, 'REFUSED')
        return {'failed': refused[0]['message'] if refused else (output or ['no word'])[-1]}
    rows = [row for row in lines_of(output, 'LOG') if row['step'] > WARM_UP]
    vram = max((row['vramBytes'] or 0 for row in rows), default=0)
    return {'tokensPerSecond': round(statistics.median(row['tokensPerSecond'] for row in rows), 1),
            'secondsPerStep': round(statistics.median(row['seconds'] for row in rows), 4),
            'steps': len(rows), 'peakRssMb': peak_mb(used),
            'peakVramMb': round(vram / 1e6, 1) if vram else None,
            'half': lines_of(output, 'ENV')[0]['half']}


def peak_mb(used):
    """The most memory of this machine that the process has held, in MB of a million bytes."""
    unit = 1 if sys.platform == 'darwin' else 1024  # of ru_maxrss
    return round(used.ru_maxrss * unit / 1e6, 1)


def ratios(none, nf4):
    """nf4 to the other form, of one run of this bench; None where one of them failed."""
    if 'failed' in none or 'failed' in nf4:
        return None
    return {name: round(nf4[name] / none[name], 3)
            for name in ('tokensPerSecond', 'peakRssMb', 'peakVramMb') if none[name] and nf4[name]}


def table(measured):
    """The figures as text."""
    lines = []
    for stack, found in measured.items():
        lines.append('%s: torch %s on %s' % (stack, found['torch'], found['device']))
        for form in ('none', 'nf4'):
            figures = found[form]
            if 'failed' in figures:
                lines.append('  %-5s %s' % (form, figures['failed']))
                continue
            vram = ('' if figures['peakVramMb'] is None
                    else ', %.1f MB of the GPU’s' % figures['peakVramMb'])
            lines.append('  %-5s %.1f tokens/s, %.4f s a step (median of %d), at most %.1f MB of '
                         'memory%s' % (form, figures['tokensPerSecond'], figures['secondsPerStep'],
                                       figures['steps'], figures['peakRssMb'], vram))
        if found['nf4ToNone']:
            lines.append('  nf4 to none: ' + ', '.join(
                '%s %.3f' % item for item in found['nf4ToNone'].items()))
    return '\n'.join(lines)


def main():
    asked = arguments()
    absent = [name for name in asked.stack or [] if name not in STACKS]
    if absent or not STACKS:
        sys.exit('the library versions %s are not there: `npm run setup:notebooks -- %s` makes '
                 'them' % ((', '.join(absent) or 'of the notebooks',) + (' '.join(absent),)))
    if asked.base and Path(asked.base).exists():
        asked.base = str(Path(asked.base).resolve())
    place = Path(tempfile.mkdtemp(prefix='rodizio-bench-'))
    measured = {}
    try:
        for stack in asked.stack or STACKS:
            torch, device = device_of(stack)
            found = {form: measure(stack, form, asked, place / stack / form)
                     for form in ('none', 'nf4')}
            measured[stack] = {'torch': torch, 'device': device, **found,
                               'nf4ToNone': ratios(found['none'], found['nf4'])}
    finally:
        shutil.rmtree(str(place), ignore_errors=True)
    print(json.dumps({'base': asked.base or 'tiny', 'stacks': measured}) if asked.json
          else table(measured))


if __name__ == '__main__':
    main()
