"""What makes an instruction or an answer not worth keeping, told without asking a model."""
