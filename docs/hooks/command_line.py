"""The reference of the command line, from the command itself, in place of a comment in reference/command-line.md.

Called by mkdocs, as ``hooks`` in mkdocs.yml says.
"""

from typer.main import get_command

from offkey.cli.app import VERBS, make_app

MARK = "<!-- all verbs -->"


def on_page_markdown(markdown, page, config, files):
    """Put what ``--help`` says of each verb in the place of the comment."""
    if page.file.src_uri != "reference/command-line.md":
        return markdown
    if MARK not in markdown:
        raise ValueError(f"{page.file.src_uri}: {MARK} is missing.")
    return markdown.replace(MARK, verbs_as_markdown())


def verbs_as_markdown():
    """Return a section for each verb: what it does, an example, its arguments and options."""
    commands = get_command(make_app()).commands
    return "\n\n".join(_section(f"offkey {verb}", commands[verb]) for verb in VERBS)


def _section(name, command, level=2):
    text, _, examples = command.help.partition("Example: ")
    parts = [f"{'#' * level} `{name}`", text.strip()]
    if examples:
        parts.append("```sh\n" + examples.replace("Example: ", "").strip() + "\n```")
    for kind, heading in (("argument", "Argument"), ("option", "Option")):
        rows = [_row(kind, param) for param in command.params if kind in type(param).__name__.lower()]
        if rows:
            parts.append("\n".join([f"| {heading} | |", "|---|---|", *rows]))
    parts += [_section(f"{name} {verb}", own, level + 1) for verb, own in getattr(command, "commands", {}).items()]
    return "\n\n".join(parts)


def _row(kind, param):
    names = [param.name.upper() + ("..." if param.nargs == -1 else "")] if kind == "argument" else param.opts
    shown = ", ".join(f"`{name}`" for name in [*names, *param.secondary_opts])
    notes = []
    if kind == "option" and param.required:
        notes.append("Must be given.")
    if kind == "argument" and not param.required:
        notes.append("Need not be given.")
    if getattr(param, "multiple", False):
        notes.append("Can be given more than once.")
    if param.default not in (None, False, "") and not getattr(param, "is_flag", False):
        notes.append(f"`{param.default}` if not given.")
    text = (param.help or "").replace("docs/detectors.md", "see [detectors](../detectors.md)")
    return "| " + shown + " | " + " ".join([text, *notes]).replace("|", r"\|").strip() + " |"
