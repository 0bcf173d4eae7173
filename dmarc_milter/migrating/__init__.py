"""What another chain of filters is set to, carried over: its files read, our settings written, the steps told."""
