"""Kinds of number that the attention layer can be computed with.

A kind of number implements the operations of :class:`~tokendemo_formal.numbers.base.Numbers`; the layer's formulas
(:mod:`tokendemo_formal.attention`) never ask which kind they run on.

================  =============================  ===========================================
module            numbers                        for
================  =============================  ===========================================
``float64``       NumPy float64                  quick evaluation, no guarantee
``enclosures``    float64 midpoint and radius    whole vocabularies, every rounding enclosed
``balls``         Arb balls of any precision     witnesses, near-ties
``z3_terms``      rationals, logs, Z3 terms      solver questions
``symbolic``      SymPy expressions              exact instances, printed formulas
================  =============================  ===========================================

Import the module of the kind that you need: Z3 and SymPy load only then.
"""
