"""Checks answers against their schemas: python validate.py FILE, each line of which is `[schema, answer]`. Says how many are valid."""

import json
import sys

import jsonschema

# Of a date the grammar knows the digits, and not which years are leap years.
checker = jsonschema.FormatChecker(formats=["uuid", "ipv4"])
count = 0
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        schema, answer = json.loads(line)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema, format_checker=checker).validate(answer)
        count += 1
print(f"{count} are valid")
