"""EG3D's cameras: the official poses, and what must hold for any camera."""

from __future__ import annotations

import math

import torch

from hub_adapters.eg3d.cameras import camera_label, camera_rays, intrinsics_from_fov, look_at_pose, orbit_labels
from tests.test_eg3d_network import TOLERANCE, golden, largest_difference

SETTINGS = [(-0.2, (0, 0, 0.2), 2.7), (0.0, (0, 0, 0), 2.7), (0.4, (0.1, -0.2, 0.05), 1.7)]


def test_labels_equal_the_official_ones() -> None:
    yaw = golden()["cameras.yaw"]
    ours = torch.cat([orbit_labels(yaw, *setting) for setting in SETTINGS])
    assert largest_difference(ours, golden()["cameras.labels"]) < 1e-6


def test_rays_equal_the_official_ones() -> None:
    rays = camera_rays(golden()["c_cams"], 4)
    assert largest_difference(rays.origins[:, None].expand(-1, 16, -1), golden()["rays4.o"]) < TOLERANCE
    assert largest_difference(rays.directions, golden()["rays4.d"]) < TOLERANCE


def test_the_frontal_camera_is_on_the_z_axis() -> None:
    pose = look_at_pose(torch.zeros(1), 0.0, (0, 0, 0), 2.7)[0]
    expected = torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 2.7], [0, 0, 0, 1]])
    assert largest_difference(pose, expected) < 1e-6
    assert camera_label(pose[None], intrinsics_from_fov()).shape == (1, 25)


def test_poses_are_rotations_that_look_at_the_pivot() -> None:
    pivot = torch.tensor([0.1, -0.2, 0.3])
    pose = look_at_pose(torch.linspace(-3, 3, 7), -0.4, pivot.tolist(), 1.5)
    rotation, origin = pose[:, :3, :3], pose[:, :3, 3]
    assert largest_difference(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(7, 3, 3)) < 1e-6
    assert largest_difference(torch.linalg.det(rotation), torch.ones(7)) < 1e-6
    assert largest_difference(origin.norm(dim=1), torch.full((7,), 1.5)) < 1e-6
    middle = camera_rays(camera_label(pose, intrinsics_from_fov()), 3).directions[:, 4]
    assert largest_difference(torch.linalg.cross(middle, pivot - origin), torch.zeros(7, 3)) < 1e-6
    assert (origin[:, 1] > 0).all()  # negative pitch looks from above


def test_the_field_of_view_spans_the_picture() -> None:
    rays = camera_rays(orbit_labels(torch.zeros(1), 0.0, (0, 0, 0), 2.7), 512).directions[0]
    edge = rays.view(512, 512, 3)[256, [0, -1]]
    angle = torch.rad2deg(torch.acos((edge[0] * edge[1]).sum())).item()
    # EG3D's focal length has a factor 1/1.414 for the diagonal: the picture's side spans less than the diagonal.
    assert math.isclose(angle, 2 * math.degrees(math.atan(1.414 * math.tan(math.radians(18.837 / 2)) / 2)), abs_tol=0.1)


def test_a_sheared_camera_bends_rays() -> None:
    label = orbit_labels(torch.zeros(1), 0.0, (0, 0, 0), 2.7)
    sheared = label.clone()
    sheared[:, 17] = 0.5
    straight, bent = camera_rays(label, 4).directions, camera_rays(sheared, 4).directions
    assert largest_difference(straight, bent) > 1e-3
