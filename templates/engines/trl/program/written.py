"""JSON files that are the same to the byte each time that they are written."""
import json


def sort_targets(folder):
    """The targets are a set, and stand in another order each time that they are written."""
    path = folder / 'adapter_config.json'
    made = json.loads(path.read_text(encoding='utf-8'))
    made['target_modules'] = sorted(made['target_modules'])
    write_json(path, made)


def write_json(path, value):
    path.write_text(json.dumps(value, sort_keys=True, allow_nan=False) + '\n', encoding='utf-8')
