"""Tests over whole processes."""
