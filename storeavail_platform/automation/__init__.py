"""What makes runs happen: jobs, schedules, and how the command line launches and heals them."""
