"""The service: processes, sockets, and what watches over them."""
