"""Who is to be unlearned: from photos, a seed or a file to a checked code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter
from guide_plugin.audit.audit import Watcher
from guide_plugin.audit.drawing import embeddings, frontal
from guide_plugin.audit.effort import effort
from guide_plugin.audit.statistics import stranger_similarities, threshold
from guide_plugin.audit.targets import Witnesses
from guide_plugin.errors import UsageError
from guide_plugin.inversion import InversionSettings, invert
from guide_plugin.latent_file import read_code
from guide_plugin.operator import Embedder, Encoder, Networks, Photos, Subject
from guide_plugin.random_streams import stream_seed
from guide_plugin.recipe import Recipe, SubjectChoice
from guide_plugin.report.schema import InversionFigures
from guide_plugin.vision.crops import Crop, align
from guide_plugin.vision.face_detection import FaceDetector
from guide_plugin.vision.faces import find_face
from guide_plugin.vision.head_pose import head_pose
from guide_plugin.vision.photos import read_photo

REHEARSAL_SEED = 0
ODD = 0.05
"""Photos less alike than this share of strangers are asked about: photos of one person differ more than codes."""


@dataclass(frozen=True)
class Case:
    """Everything that is known of one case before anything is trained.

    Attributes:
        subject: what the operator may know.
        witnesses: photos that only judge.
        inversion: how the photos became a code; None where there are none.
        notes: what a report should tell.
    """

    subject: Subject
    witnesses: Witnesses = field(default_factory=Witnesses)
    inversion: InversionFigures | None = None
    notes: tuple[str, ...] = ()

    def tensors(self) -> dict[str, Tensor]:
        """Return all codes and photos by name, as `from_tensors` takes them."""
        subject, witnesses = self.subject, self.witnesses
        found: dict[str, Tensor | None] = {"w": subject.code, "further_codes": subject.further_codes}
        for name, photos in _named(subject.photos, witnesses):
            found |= {name: photos.images, f"{name}.views": photos.views}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], told: Mapping[str, Any], device: torch.device) -> Case:
        """Return the case that `tensors` and `told` came from."""
        held = {name: tensor.to(device) for name, tensor in tensors.items()}

        def photos(name: str) -> Photos | None:
            return Photos(held[name], held.get(f"{name}.views")) if name in held else None

        inversion = told["inversion"] and InversionFigures.model_validate(told["inversion"])
        subject = Subject(held["w"], told["kind"], photos("photos"), held.get("further_codes"))
        return cls(subject, Witnesses(photos("holdouts"), photos("strangers")), inversion, tuple(told["notes"]))

    def told(self) -> dict[str, Any]:
        """Return what is not a tensor, as JSON values."""
        inversion = self.inversion and self.inversion.model_dump(mode="json")
        return {"kind": self.subject.kind, "inversion": inversion, "notes": list(self.notes)}


def _named(subject: Photos | None, witnesses: Witnesses) -> Iterator[tuple[str, Photos]]:
    for name, photos in (("photos", subject), ("holdouts", witnesses.holdouts), ("strangers", witnesses.strangers)):
        if photos is not None:
            yield name, photos


def find_subject(choice: SubjectChoice, adapter: Adapter) -> Subject:
    """Return the subject that a seed or a file names, the code on the adapter's device.

    Raises:
        UsageError: the file cannot be read, or holds no finite code of this generator's shape; the model does not know
            the name.
    """
    if choice.code is not None:
        return Subject(read_code(choice.code, adapter.latent_shape).to(adapter.device), "code")
    if choice.name is not None:
        code = adapter.code_of_name(choice.name)
        if code is None:
            raise UsageError("This model knows nobody by name.", "Name the subject by --face, --code or --seed.")
        return Subject(code, "name")
    seed = REHEARSAL_SEED if choice.seed is None else choice.seed
    with torch.no_grad():
        code = adapter.sample_latents(1, torch.Generator().manual_seed(seed))
    return Subject(code, "rehearsal" if choice.seed is None else "seed")


def find_case(
    recipe: Recipe, adapter: Adapter, networks: Networks, judge: Embedder, encode: Encoder | None, watcher: Watcher
) -> Case:
    """Find everybody that the recipe names.

    Raises:
        UsageError: a photo cannot be used, or the generator cannot draw the person in it and `force` is not set.
    """
    choice = recipe.subject
    if not choice.faces:
        return Case(find_subject(choice, adapter))
    watcher.stage("Finding the faces")
    photos, witnesses = cut_faces(recipe, adapter)
    watcher.stage("Finding the person in the generator")
    rng = torch.Generator().manual_seed(stream_seed("inversion", recipe.method.training_seed))
    found = invert(
        adapter,
        photos.images,
        networks.perceptual,
        networks.recogniser,
        judge,
        rng,
        InversionSettings(steps=recipe.photos.steps),
        view=photos.views,
        start=None if encode is None else encode(photos.images),
        on_step=watcher.step,
    )
    best = found.similarity.argsort(descending=True, stable=True)
    strangers = strangers_of(recipe, adapter, judge, rng)
    limit = threshold(strangers, recipe.audit.rules.false_accept)
    reproduced = found.similarity[best[0]].item()
    if reproduced < limit and not choice.force:
        raise UsageError(
            f"This model cannot draw the person: its best picture of the --face photo scores {reproduced:.3f}, and "
            f"strangers reach {limit:.3f}, so there is nothing to unlearn and a success would be empty.",
            "Give another --face photo of the person, more --inversion-steps, or --force to go on all the same.",
        )
    figures = InversionFigures(
        photos=len(photos.images),
        steps=recipe.photos.steps,
        seconds=found.seconds,
        similarity=found.similarity[best].tolist(),
        losses={name: values[best[0]].item() for name, values in found.losses.items()},
        vacuous=reproduced < limit,
    )
    order = best.to(adapter.device)
    sorted_photos = Photos(photos.images[order], None if photos.views is None else photos.views[order])
    codes = found.code[order]
    subject = Subject(codes[:1], "photo", sorted_photos, codes[1:] if len(codes) > 1 else None)
    return Case(subject, witnesses, figures, tuple(_odd_photos(subject, witnesses, judge, threshold(strangers, ODD))))


def cut_faces(recipe: Recipe, adapter: Adapter) -> tuple[Photos, Witnesses]:
    """Cut the faces out of all photos that the recipe names, at least one `--face`.

    Raises:
        UsageError: a photo cannot be used.
    """
    choice = recipe.subject
    cut = _Cutter(recipe, adapter)
    photos = cut(choice.faces, "--face", choice.face_index, choice.face_box)
    if photos is None:
        raise UsageError("No photo of the subject is named.", "Give --face FILE.")
    return photos, Witnesses(cut(choice.holdout_faces, "--holdout-face"), cut(choice.control_faces, "--control-face"))


class _Cutter:
    """Cuts faces out of photos as the generator's training pictures are cut."""

    def __init__(self, recipe: Recipe, adapter: Adapter) -> None:
        self.adapter, self.detector = adapter, FaceDetector()
        self.crop = Crop(recipe.photos.crop_scale, recipe.photos.crop_shift)
        with torch.no_grad():
            self.side = adapter.synthesize(adapter.mean_latent(), frontal(adapter, 1)).image.shape[-1]

    def __call__(
        self,
        paths: tuple[Path, ...],
        option: str,
        index: int | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> Photos | None:
        images, views = [], []
        for number, path in enumerate(paths, start=1):
            which = f"The {option} photo" + (f" ({number} of {len(paths)})" if len(paths) > 1 else "")
            photo = read_photo(path, which)
            face = find_face(photo, self.detector, which, side=self.side, index=index, box=box)
            images.append(align(photo, face.landmarks, self.adapter.alignment, self.side, self.crop))
            views.append(self.adapter.view_from_pose(*head_pose(face.landmarks)))
        if not images:
            return None
        seen = [view for view in views if view is not None]
        return Photos(torch.stack(images).to(self.adapter.device), torch.cat(seen) if seen else None)


@torch.no_grad()
def strangers_of(recipe: Recipe, adapter: Adapter, judge: Embedder, rng: torch.Generator) -> Tensor:
    """Return the judge's similarities of all pairs among random people of the generator [n]."""
    people = adapter.sample_latents(effort(recipe.audit).bystanders, rng)
    return stranger_similarities(embeddings(adapter, people, frontal(adapter, len(people)), judge))


@torch.no_grad()
def _odd_photos(subject: Subject, witnesses: Witnesses, judge: Embedder, limit: float) -> Iterator[str]:
    """Say which photos do not look like the subject to the judge."""
    assert subject.photos is not None
    first = judge(subject.photos.images[:1])
    for photos, name in ((subject.photos, "--face"), (witnesses.holdouts, "--holdout-face")):
        unlike = 0 if photos is None else int(((judge(photos.images) @ first.T) < limit).sum())
        if photos is not None and unlike:
            yield (
                f"{unlike} of {len(photos.images)} {name} photos look to the judge like somebody else than the first "
                "photo: check that they show the same person"
            )
