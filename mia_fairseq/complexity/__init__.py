"""Parameters and operations of every fusion, counted."""
