"""x"""


def explain(): ...
