"""So that tests import what lies beside train.py: pytest puts this folder on the path."""
