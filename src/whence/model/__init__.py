"""What is said: frozen structs, one module per noun. No I/O, no clock."""
