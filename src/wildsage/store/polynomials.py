"""Arithmetic of bit-reflected polynomials over GF(2), of which CRCs are made."""


def multiply(left: int, right: int, width: int, polynomial: int) -> int:
    """Multiply two bit-reflected polynomials modulo a third (the highest bit stands for x to the 0)."""
    product = 0
    bit = 1 << (width - 1)
    while left:
        if left & bit:
            product ^= right
            left ^= bit
        right = (right >> 1) ^ (polynomial if right & 1 else 0)
        bit >>= 1
    return product


def power_of_x(exponent: int, width: int, polynomial: int) -> int:
    """Return x to the power of `exponent`, modulo a polynomial."""
    result = 1 << (width - 1)
    factor = result >> 1
    while exponent:
        if exponent & 1:
            result = multiply(result, factor, width, polynomial)
        factor = multiply(factor, factor, width, polynomial)
        exponent >>= 1
    return result
