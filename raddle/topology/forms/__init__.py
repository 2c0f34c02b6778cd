"""A checked specification to devices and cables, checked again, and the Fabric."""
