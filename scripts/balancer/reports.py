"""What the checks print, and how they fail."""


def say(text):
    print(f"  {text}", flush=True)


def check(condition, text, *shown):
    if not condition:
        raise SystemExit(f"balancer: not so: {text} {shown if shown else ''}")
    say(text)
