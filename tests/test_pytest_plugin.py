"""Claims as pytest items, on planted activations: layer 1 knows a text's style, layers 0 and 2 know nothing."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points

import pytest
from planted import PlantedRecorder, planted_corpus

from modclaims import pytest_plugin
from modclaims.corpus import Corpus, Text
from modclaims.errors import ModelError
from modclaims.report import render
from modclaims.run_folder import read_run

CARD = '''"""Planted claims."""

import pytest

from modclaims import CategoryClustering, at


class _Planted(CategoryClustering):
    twins = 0
    label = "style"
    holds = at(1)
    smallest_effect = 0.1


class MiddleLayerTells(_Planted):
    """The middle layer tells styles apart."""


class FirstLayerTells(_Planted):
    """The first layer tells styles apart."""

    holds = at(0)
    smallest_effect = 0.5


@pytest.mark.slow
class FirstLayerIsBlind(FirstLayerTells):
    """The first layer does not tell styles apart."""

    expect = "refuted"


class FirstLayerTellsAHair(FirstLayerTells):
    """The first layer tells styles apart by a hair's breadth."""

    smallest_effect = 0.01


class LacksItsColumn(_Planted):
    """Authors differ."""

    label = "author"
'''
ENDS = {
    "MiddleLayerTells": "PASSED",
    "FirstLayerTells": "FAILED",
    "FirstLayerIsBlind": "PASSED",
    "FirstLayerTellsAHair": "INCONCLUSIVE",
    "LacksItsColumn": "ERROR",
}
ONE = '''from modclaims import CategoryClustering, at


class MiddleLayerTells(CategoryClustering):
    """The middle layer tells styles apart."""

    twins = 0
    label = "style"
    holds = at(1)
    smallest_effect = 0.1
'''
SETTINGS = 'tokens = 8\npositions = "last:3:2"\npermutations = 999\nresamples = 999\n'
INSTALLED = any(entry.value == "modclaims.pytest_plugin" for entry in entry_points(group="pytest11"))


class Suite:
    """A project whose hypotheses/card.py states `CARD`, and what became of it."""

    def __init__(self, pytester, recorders):
        self.pytester, self.recorders, self.settings = pytester, recorders, []
        self.root = pytester.path
        self.write("pytest.ini", "[pytest]\nmarkers = slow\naddopts = --strict-markers -p no:randomly\n")
        self.write("modclaims.toml", SETTINGS)
        self.write("hypotheses/card.py", CARD)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, settings):
        """Stands for `pytest_plugin.load`."""
        self.settings.append(settings)
        if settings.model == "absent":
            raise ModelError("There is no model 'absent'; give a folder.")
        recorder = PlantedRecorder(seed=len(settings.model))
        self.recorders.append(recorder)
        return planted_corpus(), recorder

    def run(self, *args):
        plugin = [] if INSTALLED else ["-p", "modclaims.pytest_plugin"]
        known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"  # by these tests
        return self.pytester.runpytest_inprocess(*plugin, "-W", "error", "-W", known, *args)

    def ends(self, *args):
        """The word at the end of each item, by the item's name."""
        done = self.run("-v", *args)
        words = ("PASSED", "FAILED", "INCONCLUSIVE", "ERROR", "SKIPPED")
        found = {}
        for line in done.outlines:
            node = next((w for w in line.split() if "::" in w), None)
            word = next((w for w in line.split() if w in words), None)
            if node and word and (f"{word} [" in line or line.startswith("[gw")):
                found[node.split("::", 1)[1]] = word
        return found


@pytest.fixture
def suite(pytester, monkeypatch):
    made = Suite(pytester, [])
    monkeypatch.setattr(pytest_plugin, "load", made.load)
    return made
