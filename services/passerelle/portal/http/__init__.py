"""The portal over HTTP: pages in two languages, the live feed, and a small JSON interface."""
