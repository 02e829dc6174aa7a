"""From a layer and a template to the token assignment that outweighs the instruction, or to a proof that none does.

``question`` says what is asked, ``tables`` turns it into numbers with error bounds, ``one_head``, ``many_heads``,
``z3_engine`` and ``brute_force`` decide, ``solve`` puts the lengths together and says ``Answer``.
"""
