"""What goes wrong in conversations that models hold with each other, and how it is told."""
