"""What the cases of Python's clients share: `CASES` in order, run one by one, a line for each."""
import os
import sys
import threading
import time
import uuid

ADDRESS = sys.argv[1]
HOUR_AGO = int(time.time() * 1000) - 3_600_000
CASE_SECONDS = 60
_cases = []


def unique(kind):
    return f'compat-py-{kind}-{uuid.uuid4().hex[:10]}'


def case(name):
    def add(body):
        _cases.append((name, body))
        return body
    return add


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f'got {got!r}, not {wanted!r}'[:300])


def until(what, condition, seconds=30):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            raise AssertionError(f'never: {what() if callable(what) else what}')
        time.sleep(0.02)


def run():
    for name, body in _cases:
        began, failure = time.time(), []

        def guarded():
            try:
                body()
            except BaseException as e:
                failure.append(f'{type(e).__name__}: {e}')
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        thread.join(CASE_SECONDS)
        if thread.is_alive():
            failure.append(f'still running after {CASE_SECONDS} s')
        if failure:
            print(f'FAIL {name}: {" ".join(failure[0].split())[:400]}', flush=True)
        else:
            print(f'ok {name} ({round((time.time() - began) * 1000)} ms)', flush=True)
    os._exit(0)  # clients like to leave threads behind
