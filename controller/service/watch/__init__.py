"""What switches tell of their own accord: they are there or gone, hold something else, ports are down."""
