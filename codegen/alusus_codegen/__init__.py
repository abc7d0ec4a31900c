"""Reads a spec made of Alusus declarations and generates every face of the API from it."""
