from pathlib import Path

from matplotlib.image import imread

from partitions.phantom.federation import TINY, TINY_SPACING_MM
from partitions.phantom.figure import draw_federation
from partitions.phantom.write import write_phantom


def test_one_column_per_institution_in_colour(tmp_path: Path) -> None:
    write_phantom(tmp_path / "data", institutions=TINY, cases=9, spacing_mm=TINY_SPACING_MM)
    picture = imread(draw_federation(tmp_path / "data", tmp_path / "figure.png"))
    assert picture.shape[:2] == (616, 511)
    colours = picture[..., :3].max(axis=-1) - picture[..., :3].min(axis=-1)
    for column in (colours[:, :170], colours[:, 170:340], colours[:, 340:]):
        coloured = (column > 0.2).any(axis=1)
        assert coloured[400:].any()
        assert not coloured[:400].any()
