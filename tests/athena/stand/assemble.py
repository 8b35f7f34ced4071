"""Assembles the Trino that the stand runs, once, into a folder that git ignores.

Maven fetches what ``pom.xml`` names. The result is made beside its final place and moved there
when it is complete, so an assembly that was interrupted leaves nothing that looks finished.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from .errors import StandError

TRINO_VERSION = "435"
JAVA_VERSION = 17
LAUNCHER_CLASS = "TrinoHost"
CACHE_VARIABLE = "ENGAGEMENT_STAND_CACHE"
INSTALL_HINT = (
    "Install a JDK 17 and Maven (Debian: apt-get install openjdk-17-jdk-headless maven), "
    "or leave the stand's tests out."
)

_HERE = Path(__file__).resolve().parent
_PROJECT_ROOT = _HERE.parents[2]
_POM = _HERE / "pom.xml"
_LAUNCHER = (_HERE / f"{LAUNCHER_CLASS}.java", _HERE / "TrinoServer.java")
_STAMP = "stamp.txt"
_MAVEN_SECONDS = 1800.0


@dataclass(frozen=True)
class Assembly:
    """A complete Trino on disk.

    Attributes
    ----------
    directory : Path
        Holds ``lib/`` (the server's jars), ``plugin/`` and ``launcher/`` (what starts it).
    java : Path
        The ``java`` of a JDK 17.
    """

    directory: Path
    java: Path

    @property
    def class_path(self) -> str:
        """The classes that start it and the server's jars, in the form that ``java -cp`` takes."""
        return os.pathsep.join(
            (str(self.directory / "launcher"), str(self.directory / "lib" / "*"))
        )

    @property
    def plugins(self) -> Path:
        """The folder of connectors."""
        return self.directory / "plugin"


def cache_directory() -> Path:
    """Where the assembled Trino is kept: ``ENGAGEMENT_STAND_CACHE`` or the project's cache."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    return _PROJECT_ROOT / ".cache" / f"trino-{TRINO_VERSION}"


def ensure_assembled(directory: Path | None = None) -> Assembly:
    """Return the assembled Trino, assembling it first where it is missing or out of date.

    Parameters
    ----------
    directory : Path, optional
        Where it is kept; by default `cache_directory`.

    Raises
    ------
    StandError
        Java 17 or Maven is missing, or Maven could not fetch what it needs.
    """
    directory = directory or cache_directory()
    java = find_java()
    if _is_complete(directory):
        return Assembly(directory, java)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{directory}.lock"):
        if not _is_complete(directory):
            _assemble(directory, find_maven(), java)
    return Assembly(directory, java)


def find_java() -> Path:
    """Return the ``java`` of a JDK 17: from ``JAVA_HOME``, the path, or the usual folders.

    Raises
    ------
    StandError
        There is none.
    """
    seen: list[str] = []
    for java in _java_candidates():
        version = _java_version(java)
        if version == JAVA_VERSION and (java.parent / "javac").exists():
            return java
        kind = "without its compiler" if version == JAVA_VERSION else f"is version {version}"
        seen.append(f"{java} {kind}")
    found = f" Found only: {'; '.join(seen)}." if seen else " Found none."
    raise StandError(f"The stand needs a JDK {JAVA_VERSION}.{found} {INSTALL_HINT}")


def find_maven() -> Path:
    """Return ``mvn``.

    Raises
    ------
    StandError
        It is not on the path.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise StandError(f"The stand needs Maven, and there is no 'mvn' on PATH. {INSTALL_HINT}")
    return Path(maven)


def _java_candidates() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    candidates = [
        *([Path(home) / "bin" / "java"] if home else []),
        *([Path(on_path).resolve()] if on_path else []),
        *sorted(Path("/usr/lib/jvm").glob(f"*{JAVA_VERSION}*/bin/java")),
    ]
    for java in dict.fromkeys(candidates):
        if java.exists():
            yield java


def _java_version(java: Path) -> int | None:
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None


def _stamp() -> str:
    """Identify what an assembly is made from, so that a change of it makes a new one."""
    digest = hashlib.sha256()
    for source in (_POM, *_LAUNCHER):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _is_complete(directory: Path) -> bool:
    stamp = directory / _STAMP
    return stamp.is_file() and stamp.read_text().strip() == _stamp()


def _assemble(directory: Path, maven: Path, java: Path) -> None:
    """Make the assembly in a sibling folder and move it into place. The caller holds the lock."""
    for leftover in directory.parent.glob(f"{directory.name}.partial-*"):
        shutil.rmtree(leftover)
    started = time.monotonic()
    partial = Path(tempfile.mkdtemp(prefix=f"{directory.name}.partial-", dir=directory.parent))
    try:
        _run_maven(maven, java, partial)
        for plugin in (partial / "plugin").glob("trino-hive-*"):
            plugin.rename(partial / "plugin" / "hive")
        shutil.rmtree(partial / "dependency-maven-plugin-markers", ignore_errors=True)
        _compile_launcher(java, partial)
        seconds = f"{time.monotonic() - started:.0f}"
        (partial / "assembled-in-seconds.txt").write_text(f"{seconds}\n")
        (partial / _STAMP).write_text(f"{_stamp()}\n")
        partial.chmod(0o755)
        if directory.exists():
            outdated = partial.with_name(f"{partial.name}-outdated")
            directory.rename(outdated)
            partial.rename(directory)
            shutil.rmtree(outdated)
        else:
            partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _compile_launcher(java: Path, partial: Path) -> None:
    """Compile the classes that start Trino, against the jars that Maven fetched."""
    compiler = java.with_name("javac")
    options = ["-cp", str(partial / "lib" / "*"), "-d", str(partial / "launcher")]
    answer = subprocess.run(
        [compiler, *options, *_LAUNCHER], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise StandError(f"Trino's launcher does not compile:\n{answer.stdout}{answer.stderr}")


def _run_maven(maven: Path, java: Path, target: Path) -> None:
    options = ["-B", "-q", "-f", str(_POM), f"-Dstand.target={target}"]
    environment = {**os.environ, "JAVA_HOME": str(java.parents[1])}
    try:
        answer = subprocess.run(
            [maven, *options, "package"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_MAVEN_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StandError(
            f"Maven did not fetch Trino {TRINO_VERSION} within {_MAVEN_SECONDS:.0f} s: "
            "is its repository reachable?"
        ) from error
    if answer.returncode != 0:
        last_lines = "\n".join(answer.stdout.strip().splitlines()[-20:])
        raise StandError(
            f"Maven could not fetch Trino {TRINO_VERSION} (exit {answer.returncode}). "
            f"It needs its repository or a filled local one. It said:\n{last_lines}"
        )
