"""What passes arrays between ranks: an interface, one rank alone, and MPI."""
