"""The portal's PostgreSQL: one writer of what the feed says, readers for pages and feeds."""
