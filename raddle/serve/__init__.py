"""What `raddle serve` shows: a fabric's switches as they are now, in a browser and to Prometheus."""
