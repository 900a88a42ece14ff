"""Which files of a repository hold weights, and so may still hold the person."""

WEIGHT_ENDINGS = (
    ".pkl",
    ".pickle",
    ".pt",
    ".pth",
    ".ckpt",
    ".bin",
    ".safetensors",
    ".onnx",
    ".h5",
    ".hdf5",
    ".msgpack",
    ".npz",
    ".npy",
    ".pb",
    ".tflite",
    ".gguf",
    ".zip",
    ".tar",
    ".gz",
    ".7z",
)
"""Endings of weight files, and of archives in which some may lie."""


def holds_weights(name: str) -> bool:
    """Say whether a file's name is that of weights, or of an archive in which some may lie."""
    return name.lower().endswith(WEIGHT_ENDINGS)
