"""Common names, one token each to CLIP's tokenizer, and prompts about a person.

Source: the most common given and family names of the censuses of 1990 and 2000 in the United States. That people's
names span the space of faces that a text-to-image model knows: Yuan et al., "Inserting Anybody in Diffusion Models via
Celeb Basis", NeurIPS 2023.
"""

_GIVEN = """
james mary john patricia robert jennifer michael linda william elizabeth david barbara richard susan joseph jessica
thomas sarah charles karen daniel lisa matthew nancy anthony betty mark margaret donald sandra steven ashley paul
kimberly andrew emily joshua donna kenneth michelle kevin carol brian amanda george melissa edward deborah ronald
stephanie timothy rebecca jason laura jeffrey helen ryan sharon
"""
_FAMILY = """
smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson
thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young
allen king wright scott torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter roberts
gomez phillips evans turner diaz parker cruz edwards
"""

GIVEN_NAMES = tuple(_GIVEN.split())
FAMILY_NAMES = tuple(_FAMILY.split())

TEMPLATES = (
    "a photo of {}",
    "a portrait of {}",
    "a close-up photo of {}",
    "{} smiling",
    "a photo of {} outdoors",
    "a black and white photo of {}",
    "a photo of a person",
    "a portrait of somebody",
)
"""Prompts to train with; the last ones name nobody and hold everybody else where they are."""

AUDIT_TEMPLATES = ("a picture of {}", "a studio portrait of {}", "{} looking into the camera")
"""Prompts that only judge."""
