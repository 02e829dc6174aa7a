"""Certificates: files that prove an answer, and a checker that shares no code with whoever wrote them.

``checker`` holds the rules, ``layer`` rebuilds the attention layer's numbers from the stored weights; ``schema.json``
describes the lines, ``docs/certificates.md`` the format. Nothing is imported here, so that the checker stays alone.
"""
