"""placeholder"""
def predict() -> None:
    """x"""
