"""Certificates: written from answers, checked by code that shares nothing with the search."""
