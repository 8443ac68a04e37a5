"""The new pictures and the source's other streams to one result."""
