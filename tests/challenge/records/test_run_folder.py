from pathlib import Path

import pytest

from challenge.records.errors import ComparisonError
from challenge.records.run_folder import differing, read_convergence, read_horizon, read_scores, read_settings

HEADER = "submission,seed,site,case,status,dice_wt,dice_tc,hd95_wt\n"


def cases(folder: Path, rows: str) -> Path:
    (folder / "cases.csv").write_text(HEADER + rows, encoding="utf-8")
    return folder


def test_scores_by_site_and_case(tmp_path: Path) -> None:
    cases(tmp_path, 'fedavg,1,1,a,ok,0.5,0.25,3.0\nfedavg,1,"s, 2",a,crashed,0.0,,374.0\n')
    assert read_scores(tmp_path) == {
        ("1", "a"): {"dice_wt": 0.5, "dice_tc": 0.25, "hd95_wt": 3.0},
        ("s, 2", "a"): {"dice_wt": 0.0, "hd95_wt": 374.0},
    }


def test_several_seeds_of_a_case_are_averaged(tmp_path: Path) -> None:
    cases(tmp_path, "fedavg,1,1,a,ok,0.5,0.5,1.0\nfedavg,2,1,a,ok,1.0,,3.0\n")
    assert read_scores(tmp_path) == {("1", "a"): {"dice_wt": 0.75, "dice_tc": 0.5, "hd95_wt": 2.0}}


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("fedavg,1,1,a,ok,0.5,0.5,1\nfedavg,1,1,a,ok,0.5,0.5,1\n", "line 3: site 1, case a stands twice"),
        ("fedavg,1,1,a,ok,0.5,0.5,1\nother,1,1,a,ok,0.5,0.5,1\n", r"2 submissions \(fedavg, other\)"),
        ("fedavg,1,1,a,ok,half,0.5,1\n", "line 2, dice_wt: 'half' is not a number"),
        ("fedavg,1,1,a,ok,0.5,0.5,inf\n", "hd95_wt: an infinite value"),
        ("fedavg,1,1,a,ok,0.5\n", "line 2: as many cells"),
        ("fedavg,1,1,a,ok,0.5,1,2,3\n", "line 2: as many cells"),
    ],
)
def test_odd_tables_are_refused_by_line(tmp_path: Path, rows: str, what: str) -> None:
    with pytest.raises(ComparisonError, match=what):
        read_scores(cases(tmp_path, rows))


def test_missing_files_and_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match=r"cases\.csv cannot be read"):
        read_scores(tmp_path)
    with pytest.raises(ComparisonError, match=r"config\.yaml cannot be read"):
        read_settings(tmp_path)
    (tmp_path / "cases.csv").write_text("submission,seed,site\n")
    with pytest.raises(ComparisonError, match="lacks the column case"):
        read_scores(tmp_path)


def test_the_last_convergence_score_counts(tmp_path: Path) -> None:
    assert read_convergence(tmp_path) is None
    (tmp_path / "rounds.csv").write_text("round,convergence_score\n0,0.25\n1,0.5\n2,\n")
    assert read_convergence(tmp_path) == 0.5
    (tmp_path / "rounds.csv").write_text("round,convergence_score\n0,\n")
    assert read_convergence(tmp_path) is None


def test_settings_are_flat_and_what_differs_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\nscore: {horizon_s: 600, kind: hard}\nsites: []\n")
    settings = read_settings(tmp_path)
    assert settings == {"seed": 1, "score.horizon_s": 600, "score.kind": "hard", "sites": []}
    assert read_horizon(tmp_path) == 600.0
    assert differing(settings, {"seed": 2, "score.kind": "hard", "sites": [], "more": None}) == [
        ("more", "-", "None"),
        ("score.horizon_s", "600", "-"),
        ("seed", "1", "2"),
    ]


def test_yaml_that_is_no_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("- 1\n")
    with pytest.raises(ComparisonError, match="not a map"):
        read_settings(tmp_path)
    (tmp_path / "config.yaml").write_text("a: [1\n")
    with pytest.raises(ComparisonError, match="is not YAML"):
        read_settings(tmp_path)
