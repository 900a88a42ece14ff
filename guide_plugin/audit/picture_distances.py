"""TEMPORARY"""
from guide_plugin.report.findings import FidelityFigures
def fidelity_figures(before, after, judge, spec, effort, seed, told):
    return [], []
