"""Inputs that several commands read: CT, X-rays, start and system."""
