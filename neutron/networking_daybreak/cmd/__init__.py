"""The driver's own programs."""

import warnings

# Neutron's libraries still import eventlet, which says so to everybody; Neutron itself does not use it any more.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
