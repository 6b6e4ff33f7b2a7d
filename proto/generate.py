"""Regenerate proto/gen from the contracts: python proto/generate.py [FOLDER]."""

import sys
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).parent
WELL_KNOWN = Path(protoc.__file__).parent / "_proto"


def generate(into: Path) -> None:
    """Write messages, stubs and their types below a folder."""
    into.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "headway").rglob("*.proto"))
    compile_protos(sources, ["--python_out", "--mypy_out"], into)
    services = [source for source in sources if source.endswith("_service.proto")]
    compile_protos(services, ["--grpc_python_out", "--mypy_grpc_out"], into)
    for folder in (path for path in into.rglob("*") if path.is_dir() and path.name != "__pycache__"):
        (folder / "__init__.py").touch()


def compile_protos(sources: list[str], plugins: list[str], into: Path) -> None:
    """Run protoc with some of its plugins."""
    outputs = [f"{plugin}={'quiet:' if 'mypy' in plugin else ''}{into}" for plugin in plugins]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{WELL_KNOWN}", *outputs, *sources]):
        raise SystemExit("the contracts do not compile")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO / "gen")
