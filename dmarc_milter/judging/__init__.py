"""One message judged, in one place: from its connection and envelope to what is done with it, and why."""
