"""A fabric as a network of real packets: namespaces, software switches, and tests on them (root)."""
