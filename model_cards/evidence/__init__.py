"""The evidence behind the tables of the README and the cards (`make evidence`)."""
