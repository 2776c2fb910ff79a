"""Jobs that the front ends run, as iterables of events."""
