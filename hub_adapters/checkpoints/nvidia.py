"""NVIDIA's network pickles (StyleGAN2-ADA, StyleGAN3, EG3D), read without running what they carry.

File format: a pickle of `{"G", "D", "G_ema", "training_set_kwargs", "augment_pipe"}`. Each network is a
`torch_utils.persistence` object: class name, the whole source text of its module (which the official loader
executes, and this one never looks at), and its `__dict__`. Every storage is a byte string that holds a legacy
`torch.save` file, whose official loader is a full unpickle in disguise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guide_plugin import AdapterError
from hub_adapters.checkpoints.origin import Origin, enumerate_tensors
from hub_adapters.checkpoints.pickle_stream import PickleStream
from hub_adapters.checkpoints.pickle_values import (
    READING_ERRORS,
    Global,
    Handler,
    Instance,
    LongText,
    Place,
    make_dict,
    make_set,
)
from hub_adapters.checkpoints.stored import (
    STORAGE_CLASSES,
    Storage,
    StoredTensor,
    map_file,
    read_legacy,
    rebuild_parameter,
    rebuild_tensor,
)

MOST_ENTRIES, DEEPEST = 200_000, 50
NO_ATTRIBUTES = {"_parameters", "_buffers", "_modules"}
TENSORFLOW_NETWORK = Global("dnnlib.tflib.network", "Network")
ORDERED_DICT = Global("collections", "OrderedDict")


@dataclass(frozen=True)
class Module:
    """One module of a pickled network: its class, its plain attributes, its tensors and its children."""

    class_name: str
    attributes: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor]
    children: Mapping[str, Module]

    def named_tensors(self, prefix: str = "") -> Iterator[tuple[str, StoredTensor]]:
        """Yield parameters and buffers under the names of the official state dict."""
        for name, tensor in self.tensors.items():
            yield prefix + name, tensor
        for name, child in self.children.items():
            yield from child.named_tensors(f"{prefix}{name}.")


def family(network: Module) -> str:
    """Say by its parts what kind of generator a module is: "StyleGAN2", "StyleGAN3", "EG3D", or its class's name."""
    synthesis = network.children.get("synthesis")
    if "mapping" in network.children and synthesis is not None:
        if "layer_names" in synthesis.attributes:
            return "StyleGAN3"
        if "b4" in synthesis.children:
            return "StyleGAN2"
    return "EG3D" if {"backbone", "renderer", "decoder"} <= network.children.keys() else network.class_name


@dataclass(frozen=True)
class NvidiaPickle:
    """A read file: its networks by key, tensors under keys that NVIDIA does not write, and the globals it names.

    `built` is what the networks were read from, by key, with all that their pickled objects hold.
    """

    path: Path
    networks: Mapping[str, Module]
    built: Mapping[str, Any]
    others: Mapping[str, Mapping[str, StoredTensor]]
    globals: Mapping[Global, int]


class Reader:
    """The closed table of what such a file may call, bound to one file."""

    CLASSES = STORAGE_CLASSES | {
        Global("dnnlib.util", "EasyDict"),
        Global("numpy", "dtype"),
        Global("numpy", "ndarray"),
        Global("torch.nn.modules.container", "Sequential"),
        Global("torch.nn.modules.activation", "Softplus"),
        TENSORFLOW_NETWORK,
        Global("training.triplane", "OSGDecoder"),
        Global("training.volumetric_rendering.renderer", "ImportanceRenderer"),
        Global("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"),
        Global("training.volumetric_rendering.ray_sampler", "RaySampler"),
    }

    def __init__(self, data: memoryview, name: str, survey: bool = False) -> None:
        self.data, self.name, self.survey = data, name, survey
        self.storages: dict[Place | LongText, Storage] = {}
        calls: dict[Global, Handler] = {
            Global("torch_utils.persistence", "_reconstruct_persistent_obj"): self.persistent_object,
            Global("torch.storage", "_load_from_bytes"): self.storage,
            Global("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
            Global("torch._utils", "_rebuild_parameter"): rebuild_parameter,
            ORDERED_DICT: make_dict,
            Global("builtins", "set"): make_set,
            Global("__builtin__", "set"): make_set,
            Global("_codecs", "encode"): _encode,
        }
        for package in ("numpy.core.multiarray", "numpy._core.multiarray"):
            calls[Global(package, "scalar")] = lambda *_: None
            calls[Global(package, "_reconstruct")] = lambda cls, *_: Instance(cls, ())
        for package in ("numpy.core.numeric", "numpy._core.numeric"):  # protocol 5's arrays
            calls[Global(package, "_frombuffer")] = lambda *_: None
        self.stream = PickleStream(data, name, calls, self.CLASSES, survey=survey)

    def persistent_object(self, meta: Any) -> Instance:
        """Stand in for the persistent object's loader: its source text is dropped unread."""
        if meta["type"] != "class":
            raise ValueError("persistent object")
        return Instance(Global("persistent", _name(meta["class_name"])), (), meta["state"])

    def storage(self, content: Any) -> Any:
        """Stand in for `torch.storage._load_from_bytes`: the byte string is read as a legacy file where it lies."""
        if not isinstance(content, Place | LongText):
            raise TypeError("storage bytes")
        if content in self.storages:
            return self.storages[content]
        if isinstance(content, Place):
            window, start = self.data[: content.start + content.length], content.start
        else:
            window, start = memoryview(content.decode(self.data)), 0
        inner = PickleStream(window, self.name, {ORDERED_DICT: make_dict}, STORAGE_CLASSES, survey=self.survey)
        storage = read_legacy(inner, start)
        if not isinstance(storage, Storage):
            raise TypeError("storage")
        if isinstance(content, LongText):
            storage.data, storage.text = self.data, content
        self.stream.forbidden |= inner.forbidden
        for found, count in inner.globals.items():
            self.stream.globals[found] = self.stream.globals.get(found, 0) + count
        self.storages[content] = storage
        return storage


def _encode(text: Any, encoding: Any = "latin1") -> LongText | None:
    """Stand in for `_codecs.encode`: byte strings of protocol 2. Short ones are numpy scalars and say nothing."""
    if not isinstance(encoding, str) or encoding != "latin1" or not isinstance(text, LongText | str):
        raise ValueError("encoding")
    return text if isinstance(text, LongText) else None


def _name(text: Any) -> str:
    if not isinstance(text, str) or len(text) > 200 or not text.isprintable():
        raise ValueError("name")
    return str(text)


def read_module(built: Any) -> Module:
    """Turn what was built for a network into a tree of modules.

    Raises:
        TypeError, ValueError: it is no network, or shares branches so that the tree would explode.
    """
    left = MOST_ENTRIES

    def walk(built: Any, depth: int) -> Module:
        nonlocal left
        state = built.state if isinstance(built, Instance) else None
        if not isinstance(state, dict):
            raise TypeError("module")
        parameters, buffers, modules = (state.get(name, {}) for name in ("_parameters", "_buffers", "_modules"))
        left -= 1 + len(state) + len(parameters) + len(buffers) + len(modules)
        if left < 0 or depth > DEEPEST:
            raise ValueError("a network of too many modules")
        tensors = {**parameters, **buffers}
        return Module(
            class_name=built.cls.name,
            attributes={name: state[name] for name in state if name not in NO_ATTRIBUTES},
            tensors={_name(name): tensor for name, tensor in tensors.items() if isinstance(tensor, StoredTensor)},
            children={_name(name): walk(child, depth + 1) for name, child in modules.items() if child is not None},
        )

    return walk(built, 0)


def read_nvidia(path: Path) -> NvidiaPickle:
    """Read a network pickle; no tensor's content is touched yet.

    Raises:
        UnsafeCheckpoint: it names a global that weights do not need.
        AdapterError: it is cut short, malformed, or holds no networks.
    """
    try:
        data = map_file(path)
    except (OSError, ValueError) as error:
        raise AdapterError(f"{path.name} cannot be read: {error}.", "Fetch the file again.") from error
    reader = Reader(data, path.name)
    content = reader.stream.load(0)
    if TENSORFLOW_NETWORK in reader.stream.globals:
        raise AdapterError(
            f"{path.name} is a pickle of the TensorFlow StyleGAN.",
            "Convert it with stylegan3's legacy.py (--source, --dest), where you trust the file, and give the result.",
        )
    try:
        content = content.items if isinstance(content, Instance) else content
        built = {key: content[key] for key in ("G", "D", "G_ema") if content.get(key) is not None}
        networks = {key: read_module(value) for key, value in built.items()}
        unknown = content.keys() - {"G", "D", "G_ema", "augment_pipe", "training_set_kwargs"}
        others = {key: found for key in sorted(unknown) if (found := dict(enumerate_tensors(content[key])))}
    except READING_ERRORS as error:
        raise AdapterError(f"{path.name} is a pickle, but holds no networks.", "Give another file.") from error
    return NvidiaPickle(path, networks, built, others, reader.stream.globals)


def read_generator(path: Path) -> tuple[Module, Origin]:
    """Read the generator that a network pickle is drawn with, and where all its networks lie.

    Raises:
        UnsafeCheckpoint, AdapterError: as `read_nvidia`; also where it holds no generator.
    """
    read = read_nvidia(path)
    networks = dict(read.networks)
    key = "G_ema" if "G_ema" in networks else "G"
    if key not in networks:
        raise AdapterError(f"{path.name} holds no generator.", "Give a file with G_ema.")
    generator = networks.pop(key)
    tensors = dict(generator.named_tensors())
    others = {name: dict(network.named_tensors()) for name, network in networks.items()}
    for name, found in others.items():
        if not found.keys() <= tensors.keys():  # to be emptied: tensors that are plain attributes too
            others[name] = dict(enumerate_tensors(read.built[name]))
    return generator, Origin(path, tensors, {**others, **read.others})
