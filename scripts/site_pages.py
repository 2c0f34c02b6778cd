"""The pages of the documentation site that are made: the README as its index, keys from the schemas.

mkdocs calls the functions on its events (mkdocs.yml, `hooks`). A command's page needs no line in mkdocs.yml.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from raddle.cli.documents import schema_of
from raddle.cli.main import COMMANDS
from raddle.topology.yaml.json_schema import json_schema

ROOT = Path(__file__).parents[1]
SCHEMAS = ("fabric", "workload", "scenario", "sweep", "elastic", "prices")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give every command's page its place."""
    pages = [{name: f"cli/{name}.md"} for name in COMMANDS]
    assert config.nav is not None
    places = [next(iter(part)) for part in config.nav]
    config.nav.insert(places.index("Files"), {"Commands": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=readme))
    for name in SCHEMAS:
        files.append(File.generated(config, f"keys/{name}.md", content=keys_page(name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to what is no page of the site become the file's path in the repository."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def linked(found: re.Match[str]) -> str:
        text, target = found[1], found[2]
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        place = (folder / target.partition("#")[0]).resolve()
        is_page = files.get_file_from_path(str(place.relative_to(ROOT / "docs"))) if _is_doc(place) else None
        if is_page:
            return found[0]
        if page.file.src_uri == "index.md":  # the README's own links begin at the root
            place = (ROOT / target).resolve()
        if _is_doc(place) and place.is_dir():
            return text
        where = place.relative_to(ROOT) if place.is_relative_to(ROOT) else Path(target)
        return f"{text} (`{where}`)" if str(where) not in text else f"`{where}`"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", linked, markdown)


def _is_doc(place: Path) -> bool:
    return place.is_relative_to(ROOT / "docs")


def keys_page(name: str) -> str:
    """Every key that a file of this kind has, with its default, from its schema."""
    schema = json_schema() if name == "fabric" else schema_of(name)
    lines = [f"# Every key of a file: {name}", "", "Made of the schema that `raddle schema` prints.", ""]
    lines += _table("The file", schema)
    for part, inner in schema.get("$defs", {}).items():
        if "properties" in inner:
            lines += _table(part, inner)
    return "\n".join(lines)


def _table(title: str, schema: dict[str, Any]) -> list[str]:
    required = set(schema.get("required", ()))
    about = [schema["description"].splitlines()[0], ""] if schema.get("description") else []
    lines = [f"## {title}", "", *about, "| key | what | form | default |", "|---|---|---|---|"]
    for key, inner in schema["properties"].items():
        default = (
            "needed" if key in required else f"`{_yaml(inner['default'])}`" if "default" in inner else ""
        )
        what = _cell(inner.get("description", ""))
        lines.append(f"| `{key}` | {what} | {_cell(_form(inner))} | {default} |")
    return [*lines, ""]


def _form(schema: dict[str, Any]) -> str:
    """What a value looks like: its choices, an example, its type, or the table that it is of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            return " or ".join(dict.fromkeys(map(_form, schema[kind])))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_form(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"by name: {_form(schema['additionalProperties'])}"
    if schema.get("examples"):
        return f"as `{schema['examples'][0]}`"
    kinds = schema.get("type", "any value")
    text = kinds if isinstance(kinds, str) else kinds[0]
    if "minimum" in schema and "maximum" in schema:
        text += f" from {schema['minimum']} to {schema['maximum']}"
    return text


def _yaml(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
