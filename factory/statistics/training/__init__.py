"""What a training run's logs say: of rows, of tasks, of when to stop, and of which set overfits."""
