"""Thousands of mutated checkpoints: each loads or is refused with an error of ours, in bounded time and memory.

Opcodes that call `os.system`, `exec` or `fire` are spliced in where a real unpickler would run them; none runs.
"""

from __future__ import annotations

import io
import os
import pickletools
import resource
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guide_plugin import LocalCheckpoint, UnlearnError
from hub_adapters.stylegan2.adapter import StyleGAN2
from hub_adapters.stylegan2.network import Generator
from tests import checkpoint_files as files
from tests.hostile_pickles import CPU, call, code, named

SMALLEST = {"z_dim": 2, "c_dim": 0, "w_dim": 2, "img_resolution": 8, "mapping_layers": 1}
SMALLEST |= {"channel_base": 16, "channel_max": 2}
SECONDS, MEGABYTES = 5, 256
FIRED: list[object] = []


def fire(*what: object) -> None:
    """Be called where an unpickler calls what a file names."""
    FIRED.append(what)


def sentinel() -> Path:
    return Path(os.environ.get("TMPDIR", "/tmp")) / f"unlearn-fuzz-{os.getpid()}"


TOUCH = f"touch {sentinel()}"
FRAGMENTS: list[bytes] = [
    call(__name__, "fire", 1) + b"0",
    call("os", "system", TOUCH) + b"0",
    call("builtins", "exec", f"import os; os.system({TOUCH!r})") + b"0",
    call("builtins", "eval", "1") + b"0",
    named(__name__, "fire") + b")R0",
    code(__name__) + code("fire") + b"\x93)R0",
    b"(" + code(1) + f"i{__name__}\nfire\n0".encode(),
    b"(" + named(__name__, "fire") + code(1) + b"o0",
    named(__name__, "fire") + b")\x81}b0",
    named(__name__, "FIRED") + b"K\x01a0",
    named("collections", "OrderedDict") + b")R0",
    named("torch", "FloatStorage"),
    *(bytes([opcode]) for opcode in b"R\x81\x92boiQP2012te}]()\x93\x94\x85\x86\x87us\x90\x91\x82.N\x97\x98"),
    b"\x8a\xff",
    b"h\x00",
    b"j\xff\xff\xff\xff",
    b"B\xff\xff\xff\x7f",
    b"\x8e" + b"\xff" * 8,
]


def network_pickle(protocol: int) -> bytes:
    generator = files.random_generator(Generator, SMALLEST)
    return files.dump({"D": None, "G_ema": files.pickled_generator(generator, SMALLEST)}, protocol)


def torch_file(as_zip: bool) -> bytes:
    generator, buffer = files.random_generator(Generator, SMALLEST), io.BytesIO()
    content = {key: files.rosinality_content(generator, SMALLEST)[key] for key in ("g_ema", "latent_avg", "args")}
    files.write_torch(buffer, content, as_zip)  # type: ignore[arg-type]
    return buffer.getvalue()


def opcode_boundaries(content: bytes) -> list[int]:
    """Return where each opcode starts, for every pickle that follows the one before."""
    return [position for _, _, position in pickletools.genops(content) if position is not None]


def in_archive(whole: bytes, mutate: Callable[[bytes], bytes]) -> bytes:
    """Mutate the pickle in an archive, which stays sound."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, mutate(content) if entry.filename.endswith("data.pkl") else content)
    return buffer.getvalue()


places = st.floats(0, 1, exclude_max=True)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), places, st.integers(0, 7)),
        st.tuples(st.just("set"), places, st.integers(0, 255)),
        st.tuples(st.just("delete"), places, st.integers(1, 40)),
        st.tuples(st.just("insert"), places, st.binary(min_size=1, max_size=12)),
        st.tuples(st.just("splice"), places, st.tuples(places, st.integers(1, 200))),
        st.tuples(st.just("fragment"), places, st.sampled_from(FRAGMENTS)),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, changes: list[tuple], boundaries: list[int]) -> bytes:  # type: ignore[type-arg]
    for kind, place, how in changes:
        at = int(place * len(content))
        match kind:
            case "flip":
                content = content[:at] + bytes([content[at] ^ 1 << how]) + content[at + 1 :]
            case "set":
                content = content[:at] + bytes([how]) + content[at + 1 :]
            case "delete":
                content = content[:at] + content[at + how :]
            case "insert":
                content = content[:at] + how + content[at:]
            case "splice":
                start = int(how[0] * len(content))
                content = content[:at] + content[start : start + how[1]] + content[at:]
            case "fragment":
                at = boundaries[int(place * len(boundaries))]
                content = content[:at] + how + content[at:]
        content = content or b"."
    return content


@contextmanager
def bounded() -> Iterator[None]:
    """Fail where the block takes too long, or more memory than a tiny file can be worth."""

    def late(*_: object) -> None:
        raise TimeoutError("reading took too long")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    previous = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES << 10


def loads_or_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with bounded():
        try:
            StyleGAN2.load(LocalCheckpoint(path.parent, (path.name,)), CPU)
        except UnlearnError as error:
            message = str(error)
        else:
            message = path.name
    assert path.name in message
    assert not FIRED
    assert not sentinel().exists()


fuzzed = settings(
    max_examples=700, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("protocol", [2, 4])
def test_mutated_network_pickles(tmp_path: Path, protocol: int) -> None:
    whole = network_pickle(protocol)
    boundaries = opcode_boundaries(whole)
    loads_or_is_refused(tmp_path / "model.pkl", whole)

    @fuzzed
    @given(edits)
    def check(changes: list[tuple]) -> None:  # type: ignore[type-arg]
        loads_or_is_refused(tmp_path / "model.pkl", mutated(whole, changes, boundaries))

    check()


@pytest.mark.parametrize("inside", [True, False])
def test_mutated_archives(tmp_path: Path, inside: bool) -> None:
    whole = torch_file(as_zip=True)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        boundaries = opcode_boundaries(archive.read(name))

    @fuzzed
    @given(edits)
    def check(changes: list[tuple]) -> None:  # type: ignore[type-arg]
        if inside:
            content = in_archive(whole, lambda pickled: mutated(pickled, changes, boundaries))
        else:
            content = mutated(whole, changes, boundaries)
        loads_or_is_refused(tmp_path / "model.pt", content)

    check()


def test_mutated_legacy_files(tmp_path: Path) -> None:
    whole = torch_file(as_zip=False)
    start, boundaries = 0, []
    for _ in range(5):
        part = opcode_boundaries(whole[start:])
        boundaries += [start + position for position in part]
        start = boundaries[-1] + 1

    @fuzzed
    @given(edits)
    def check(changes: list[tuple]) -> None:  # type: ignore[type-arg]
        loads_or_is_refused(tmp_path / "model.pt", mutated(whole, changes, boundaries))

    check()
