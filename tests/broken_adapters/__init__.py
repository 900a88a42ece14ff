"""Toys with one planted fault each, by the clause that it breaks; like real adapters, without torch at the top."""

from tests.broken_adapters import batches_and_views, damage, files, models, pictures, training
from tests.broken_adapters.planting import FAULTS

__all__ = ["FAULTS", "batches_and_views", "damage", "files", "models", "pictures", "training"]
