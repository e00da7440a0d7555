"""The shipping room: other weights in, cards and folders for the Hub out."""
