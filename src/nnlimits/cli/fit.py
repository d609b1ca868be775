"""placeholder"""
def fit() -> None:
    """x"""
