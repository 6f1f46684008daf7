"""Where the packages lie; everything else is in pyproject.toml.

In a checkout `training/`, `tasks/` and `results/published/` are top-level folders. Installed they
live inside `onethinker_eval`, so that nothing generic lands in site-packages: the `sam2` package
already installs a top-level module named `training`.
"""

from __future__ import annotations

from setuptools import find_namespace_packages, setup

PACKAGE = "onethinker_eval"
MAPPED = {"training": "training", "tasks": "tasks", "results.published": "results/published"}
DATA = ["*.yaml", "*.yml", "*.json", "*.jsonl", "*.csv", "*.html", "*.css", "*.js", "*.txt"]
DATA += ["*.jinja", "*.safetensors", "*.md", "*.sh", "py.typed"]


def packages_below(folder: str, name: str) -> list[str]:
    """Return the dotted name of `folder` and of every folder under it that can hold files."""
    inner = find_namespace_packages(folder, exclude=["*__pycache__*"])
    return [name, *(f"{name}.{item}" for item in inner)]


packages = packages_below(PACKAGE, PACKAGE)
for inside, folder in MAPPED.items():
    packages += packages_below(folder, f"{PACKAGE}.{inside}")

setup(
    packages=packages,
    package_dir={PACKAGE: PACKAGE} | {f"{PACKAGE}.{name}": path for name, path in MAPPED.items()},
    package_data={"": DATA},
)
