"""Print the JSON schema of the configuration: `make schema` keeps config.schema.json."""

import json

from ptebench.config import schema

if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
