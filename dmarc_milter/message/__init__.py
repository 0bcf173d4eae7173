"""What a message says of itself: header fields as octets, and the Author Domain."""
