"""The list of tests. A test module registers functions (or makes many of one) and says which peers they need and how long they may take."""


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


class Test:
    def __init__(self, name, body, needs=(), seconds=60, mutation=False):
        self.name, self.body, self.needs, self.seconds, self.mutation = name, body, tuple(needs), seconds, mutation


TESTS = []


def add(name, body, needs=(), seconds=60, mutation=False):
    TESTS.append(Test(name, body, needs, seconds, mutation))


def test(name, needs=(), seconds=60):
    """Decorator: registers a function without arguments as a test."""

    def register(body):
        add(name, body, needs, seconds)
        return body

    return register


def beyond_the_reference(reason):
    """Called first by a test of what the reference does not do: with the reference in naru's place it cannot hold."""
    import collectors
    if collectors.SELF_TEST:
        raise Skip(f"the reference differs: {reason}")
