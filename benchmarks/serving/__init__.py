"""Online serving against its peers: the same rows, the same model, one core for the server and one for the load."""
