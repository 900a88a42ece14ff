"""The adapter contract, clause by clause, held against an adapter and a model of its own.

Each clause is one named check; those of a topic share a file, and `runner.py` goes through all of them. A clause names
the clauses that it builds on: where one of those is broken it is not looked at, so that one fault is told once.
"""
