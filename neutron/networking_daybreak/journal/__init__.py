"""What was changed in Neutron and is not on the controller yet, and the program that brings it there."""
