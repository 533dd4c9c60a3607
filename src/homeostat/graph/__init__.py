"""The fitted plan as data: typed nodes, what each means (NumPy), and its compilers. Pure."""
