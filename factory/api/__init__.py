"""What a notebook or another program uses: datasets and runnables."""
