"""What a DATA folder is: its files, rows, tables of vectors and dictionaries, read and written."""
