"""Parameters that share a line of a docstring keep their own types and defaults.

Named in mkdocs.yml as an extension of griffe, which reads the docstrings and gives them all those of the first.
"""

from typing import Any

from griffe import Class, DocstringSectionKind, Extension, Function, Module


class OwnParameters(Extension):
    """Puts types and defaults of the signature in the place of a neighbour's."""

    def on_package(self, *, pkg: Module, **kwargs: Any) -> None:
        """Go through all functions and classes of the package."""
        for module in (pkg, *_modules_of(pkg)):
            for member in module.members.values():
                _correct(member)


def _modules_of(module):
    for member in module.modules.values():
        if not member.is_alias:
            yield member
            yield from _modules_of(member)


def _correct(thing):
    if thing.is_alias or not isinstance(thing, Class | Function):
        return
    own = {parameter.name: parameter for parameter in thing.parameters}
    for section in thing.docstring.parsed if thing.docstring else ():
        if section.kind is DocstringSectionKind.parameters:
            for described in section.value:
                _take_own(described, own)
    for member in thing.members.values() if isinstance(thing, Class) else ():
        _correct(member)


def _take_own(described, own):
    if described.name in own:
        described.value = own[described.name].default
        if any(described.annotation is parameter.annotation for parameter in own.values()):
            described.annotation = own[described.name].annotation
