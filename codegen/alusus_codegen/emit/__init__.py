"""The emitters: each turns the model into the text of its files and knows nothing of the others."""
