"""What the cases of Python's clients share: `CASES` in order, run one by one, a line for each."""
import json
import os
import sys
import threading
import time
import uuid

ADDRESS = sys.argv[1]
HOUR_AGO = int(time.time() * 1000) - 3_600_000
CASE_SECONDS = 60
_cases = []
_described = os.environ.get('COMPAT_SECURED')
# The broker with TLS, SASL and ACLs; see support/secured.ts.
SECURED = json.load(open(_described)) if _described else None


def unique(kind):
    return f'compat-py-{kind}-{uuid.uuid4().hex[:10]}'


def case(name, seconds=CASE_SECONDS):
    def add(body):
        _cases.append((name, body, seconds))
        return body
    return add


class Skip(Exception):
    pass


def skip_without_secured():
    raise Skip('it needs a broker that the harness started')


def secured_case(name, seconds=CASE_SECONDS):
    """A case that needs the secured broker; its body may not be run without."""
    def add(body):
        return case(name, seconds)(body if SECURED else skip_without_secured)
    return add


def refuses(what, work, wanted):
    """That `work` fails, and soon, with an error of which `wanted` is true."""
    began = time.time()
    try:
        work()
    except Exception as e:
        if not wanted(e):
            raise AssertionError(f'{what}: {type(e).__name__}: {e}') from e
        if time.time() - began > 20:
            raise AssertionError(f'{what}: refused only after {time.time() - began:.0f} s') from e
        return
    raise AssertionError(f'{what}: it worked')


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
    for name, body, seconds in _cases:
        began, failure, skipped = time.time(), [], []

        def guarded():
            try:
                body()
            except Skip as e:
                skipped.append(str(e))
            except BaseException as e:
                failure.append(f'{type(e).__name__}: {e}')
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            failure.append(f'still running after {seconds} s')
        if failure:
            print(f'FAIL {name}: {" ".join(failure[0].split())[:400]}', flush=True)
        elif skipped:
            print(f'skip {name}: {skipped[0]}', flush=True)
        else:
            print(f'ok {name} ({round((time.time() - began) * 1000)} ms)', flush=True)
    os._exit(0)  # clients like to leave threads behind
