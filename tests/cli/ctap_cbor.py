"""CBOR as CTAP2 has it: the canonical form alone, of integers, bytes, texts, arrays, maps and booleans."""


class Malformed(Exception):
    pass


def _head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError(value)


def encode(value):
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(encode(item) for item in value)
    pairs = sorted(((encode(key), encode(item)) for key, item in value.items()), key=lambda p: (len(p[0]), p[0]))
    return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Malformed("it ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def value(self, depth=0):
        if depth > 4:
            raise Malformed("deeper than four levels")
        first = self.take(1)[0]
        major, number = first >> 5, first & 31
        if major == 7 and number in (20, 21):
            return number == 21
        if number >= 24:
            if number > 27:
                raise Malformed("no length")
            number = int.from_bytes(self.take(1 << number - 24), "big")
        if major < 2:
            return -1 - number if major else number
        if major < 4:
            text = self.take(number)
            return text.decode() if major == 3 else text
        if major == 4:
            return [self.value(depth + 1) for _ in range(number)]
        if major == 5:
            return {self.value(depth + 1): self.value(depth + 1) for _ in range(number)}
        raise Malformed("a kind that CTAP2 has no use for")


def decode(data):
    """The value that the bytes are: whole, and as encode() would have written it."""
    reader = _Reader(data)
    try:
        value = reader.value()
    except (UnicodeDecodeError, TypeError) as error:
        raise Malformed(str(error)) from error
    if reader.at != len(data) or encode(value) != data:
        raise Malformed("not canonical")
    return value
