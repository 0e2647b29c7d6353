"""Are the model files here, and whole?"""
