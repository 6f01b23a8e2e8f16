"""ARM templates: what a template says, evaluated without Azure."""
