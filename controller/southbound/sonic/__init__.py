"""SONiC switches over gNMI."""
