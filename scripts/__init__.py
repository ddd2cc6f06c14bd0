"""What a checkout of the repository needs, and an installed platform does not."""
