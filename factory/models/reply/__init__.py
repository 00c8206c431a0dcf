"""How every provider's reply is read: how it ended, and what of its text is answer, thought, call or control mark."""
