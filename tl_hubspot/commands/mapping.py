"""`tl-hubspot mapping check|show|init`: the mapping file looked at, explained, and begun.

The facts are in `orchestration.steps.mapping`, the words in `reporting.mapping`, the schema in `config.mapping_schema`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tl_hubspot.errors import ConfigurationError, ExitCode

app = typer.Typer(help="Which Teamleader field goes to which HubSpot property.", no_args_is_help=True)
_out = Console(highlight=False)

File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The mapping file (default: the one in use).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def check(file: File = None, as_json: Json = False) -> None:
    """Name every mistake with its line, and the custom fields of Teamleader that are not mapped; ends with 0 or 2."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import mapping
    from tl_hubspot.reporting import mapping as printed

    seen = mapping.look(cli._platform("mapping"), file)
    if as_json:
        cli._print_json(printed.check_to_json(seen.file, seen.wrong, seen.suggestions))
    else:
        _out.print(
            printed.check(seen.file, seen.wrong, seen.suggestions, portal_known=seen.portal_known), soft_wrap=True
        )
    cli._exit(ExitCode.USAGE if seen.wrong else ExitCode.DONE)


@app.command()
def show(file: File = None, as_json: Json = False) -> None:
    """The mapping as a table, with labels and types of both systems as the last run read them."""
    from tl_hubspot import cli
    from tl_hubspot.orchestration.steps import mapping
    from tl_hubspot.reporting import mapping as printed

    seen = mapping.look(cli._platform("mapping"), file)
    if seen.mapping is None:
        raise ConfigurationError(
            f"The mapping has {len(seen.wrong)} mistake{'s' if len(seen.wrong) != 1 else ''}",
            where=seen.file,
            mend="`tl-hubspot mapping check` names them",
        )
    if as_json:
        cli._print_json(printed.to_json(seen.file, seen.fields))
    else:
        _out.print(printed.fields(seen.file, seen.fields, portal_known=seen.portal_known))


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to make.")] = Path("mapping.yaml"),
) -> None:
    """Begin a mapping file of your own: the default one, your custom fields as comments, and help for editors."""
    from tl_hubspot import cli
    from tl_hubspot.config import mapping as mapping_file
    from tl_hubspot.config import mapping_schema
    from tl_hubspot.config.reading import text_of
    from tl_hubspot.orchestration.steps import mapping
    from tl_hubspot.reporting import mapping as printed

    _, default = text_of(None, mapping_file.DEFAULT_FILE, what="The mapping file", setting="mapping")
    # suggestions are made for the file that is begun, not for the one in use
    text = f"# yaml-language-server: $schema={mapping_schema.FILE}\n{default}"
    try:
        with file.open("x", encoding="utf-8") as begun:
            begun.write(text)
        more = mapping.look(cli._platform("mapping"), file).suggestions
        if more:
            rows = "".join(f"#   {line}\n" for line in printed.suggested(more).splitlines())
            with file.open("a", encoding="utf-8") as begun:
                begun.write(f"\n# Custom fields of Teamleader that are not mapped; copy a row to its section:\n{rows}")
        schema = json.dumps(mapping_schema.schema(), ensure_ascii=False, indent=2)
        file.with_name(mapping_schema.FILE).write_text(schema + "\n", encoding="utf-8")
    except FileExistsError:
        raise ConfigurationError(
            "The file is there already", where=str(file), mend="Name another file, or change that one"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"The file cannot be written: {error.strerror}", where=str(file)) from None
    _out.print(
        f"Made: {file}, and {file.with_name(mapping_schema.FILE)} for editors that complete and check YAML.\n"
        f"To use it: TL_HUBSPOT_MAPPING={file} in .env, then tl-hubspot mapping check.",
        markup=False,
        soft_wrap=True,
    )
