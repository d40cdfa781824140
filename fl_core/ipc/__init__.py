"""Messages and shared arrays between this process and its children."""
