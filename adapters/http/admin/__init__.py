"""The admin API: the control plane over HTTP, on the control port."""
