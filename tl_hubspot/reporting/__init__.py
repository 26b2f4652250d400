"""What people read: the summary of a run, the plan and the explanation of a record as text."""
