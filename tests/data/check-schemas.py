"""Checks documents against schemas: reads [{"what", "document", "schemas"}] from stdin, and says what is wrong.

A document has to be as one of its schemas says. usage: check-schemas.py DIRECTORY"""

import json
import pathlib
import sys

import jsonschema

schemas = {}
for path in pathlib.Path(sys.argv[1]).glob("*.json"):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name, path
    schemas[path.name] = schema


def faults(document, name):
    resolver = jsonschema.RefResolver(name, schemas[name], store=schemas)
    validator = jsonschema.Draft202012Validator(schemas[name], resolver=resolver)
    return [f"{name}: {fault.json_path}: {fault.message[:300]}" for fault in validator.iter_errors(document)]


wrong = False
for checked in json.load(sys.stdin):
    found = [faults(checked["document"], name + ".json") for name in checked["schemas"]]
    if all(found):
        wrong = True
        print(f"{checked['what']}\n  " + "\n  ".join(min(found, key=len)))
sys.exit(wrong)
