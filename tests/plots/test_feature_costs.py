"""The figure of what approximations of a kernel cost."""

from nnlimits.plots.feature_costs import feature_costs

ROWS = [
    ("Gaussian", "exact", 900, 1.0, 0.30),
    ("Gaussian", "random", 256, 0.1, 0.36),
    ("Gaussian", "random", 1024, 0.6, 0.31),
    ("Gaussian", "Nystrom", 256, 0.1, 0.32),
    ("NTK", "exact", 900, 2.0, 0.28),
    ("NTK", "random", 256, 0.2, 0.40),
]


def test_one_panel_for_each_kernel():
    figure = feature_costs(ROWS, "concrete")
    first, second = figure.axes
    assert first.get_title(loc="left") == "concrete: Gaussian"
    assert [text.get_text() for text in first.get_legend().get_texts()] == [
        "exact, 900 rows",
        "random features",
        "Nyström",
    ]
    assert [text.get_text() for text in second.get_legend().get_texts()] == ["exact, 900 rows", "random features"]
    assert {text.get_text() for text in first.texts} == {"256", "1,024"}
