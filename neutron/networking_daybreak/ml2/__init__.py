"""The ML2 mechanism driver: records what changes, binds ports to hosts."""
