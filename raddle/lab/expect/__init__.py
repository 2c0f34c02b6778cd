"""What a collective should come to on a fabric, from closed forms, and what measured logs say beside it."""
