"""A stand-in for the real model, which is too large for tests: it looks at the pictures, is right, and talks freely.

It shows that what it says right passes; with `lies` it concludes wrongly from what it sees, and that must fail. What
it cannot show is whether the real model sees as well.
"""
