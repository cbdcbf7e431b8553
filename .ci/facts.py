"""What every check here does with a fact: wants it, and tells it."""


def expect(error, call):
    try:
        got = call()
    except error as raised:
        return raised
    raise AssertionError(f"wanted {error}, got {got!r}")


def told(what: str) -> None:
    print(f"ok: {what}", flush=True)
