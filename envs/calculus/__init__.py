"""Derivatives and integrals."""
