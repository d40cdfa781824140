"""What a round over mutual TLS costs, beside what the wire and the sum alone cost."""
