"""An import-linter contract for packages of pure rules.

import-linter's own contracts say what may not be imported and want every named module to exist. Rules are
easier to keep by saying what *may* be: the standard library and pure third-party code, their own package, and
the pure part of the shared library. Modules that do not exist yet are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class BadImport(NamedTuple):
    """One direct import that breaks purity."""

    importer: str
    imported: str
    lines: tuple[int, ...]


def within(module: str, packages: set[str]) -> bool:
    """Whether `module` is one of `packages` or lies inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def bad_imports(graph: ImportGraph, sources: set[str], shared: set[str], forbidden: set[str]) -> Iterator[BadImport]:
    """The direct imports of `sources` and of `shared` which leave the pure part of the house.

    A shared module may be imported by rules, so it is held to the same list: with that, looking at direct
    imports is enough to know the indirect ones.
    """
    # Third-party and standard library modules are single nodes of the graph; everything else is ours.
    ours = {module for module in graph.modules if not graph.is_module_squashed(module)}
    for importer in sorted(module for module in ours if within(module, sources | shared)):
        own = {package for package in sources if within(importer, {package})}
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            pure = within(imported, own | shared) if imported in ours else imported not in forbidden
            if not pure:
                details = graph.get_import_details(importer=importer, imported=imported)
                yield BadImport(importer, imported, tuple(detail["line_number"] for detail in details))


class PureContract(Contract):
    """`source_modules` import their own package, `shared_modules` and no outside code of the forbidden."""

    type_name = "pure"

    source_modules = fields.SetField(subfield=fields.StringField())
    shared_modules = fields.SetField(subfield=fields.StringField())
    forbidden_modules = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        sources, shared, forbidden = (
            {str(module) for module in field}  # type: ignore[attr-defined]
            for field in (self.source_modules, self.shared_modules, self.forbidden_modules)
        )
        found = list(bad_imports(graph, sources, shared, forbidden))
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error("Rules are pure values; these imports are not:", bold=False)
        for found in check.metadata["found"]:
            lines = ", ".join(str(line) for line in found.lines)
            output.print_error(f"- {found.importer} -> {found.imported} (l.{lines})", bold=False)
        output.new_line()
