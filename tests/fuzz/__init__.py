"""Inputs of strangers against each reader of them: `make fuzz`, and some of it in `make check`.

`targets.py` has the readers with what must hold for any bytes, `corpus/` whole inputs of each and
those that once failed, `inputs.py` damages these, `run.py` goes on for hours.
"""
