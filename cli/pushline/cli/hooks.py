"""The git hooks that tell a line of a push. A hint that is lost does no harm: the trainer looks by itself."""

import shlex
from dataclasses import dataclass

POST_RECEIVE = """\
#!/bin/sh
# Tells Pushline that the branches of this bare repository moved. Install: copy to <repository>.git/hooks/post-receive.
# A hint that is lost does no harm: the trainer looks by itself every few minutes.
{settings}
{command} emit --model {model} --stdin || echo "pushline: the hint was not taken; the push itself is done" >&2
exit 0
"""

PRE_PUSH = """\
#!/bin/sh
# Tells Pushline of a push from a clone, for remotes on which no hook or webhook can be installed.
# Install: copy to .git/hooks/pre-push. It waits in the background until the remote has the commit, and never holds the push up.
{settings}
url=$2
while read -r local_ref local_sha remote_ref remote_sha; do
    case $local_sha in *[!0]*) ;; *) continue ;; esac
    (
        tries=0
        until git ls-remote "$url" "$remote_ref" | grep -q "^$local_sha"; do
            tries=$((tries + 1))
            [ "$tries" -lt 60 ] || exit 0
            sleep 1
        done
        {command} emit --model {model} --sha "$local_sha" --ref "$remote_ref"
    ) </dev/null >/dev/null 2>&1 &
done
exit 0
"""

UNSET = """\
# Either the line.json of `pushline up` on this machine ...
#export PUSHLINE_LINE=/path/to/state/line.json
# ... or the trainer's address and the secret of the operator's file (readable by the owner of this repository alone).
#export PUSHLINE_WEBHOOK_URL=http://trainer.example.com:8080
#export PUSHLINE_WEBHOOK_SECRET_FILE=/path/to/secrets/{model}"""


@dataclass(frozen=True, slots=True)
class HookSettings:
    model: str
    url: str = ""
    line_file: str = ""
    secret_file: str = ""
    command: tuple[str, ...] = ("pushline",)


def post_receive(settings: HookSettings) -> str:
    return _fill(POST_RECEIVE, settings)


def pre_push(settings: HookSettings) -> str:
    return _fill(PRE_PUSH, settings)


def _fill(text: str, settings: HookSettings) -> str:
    return text.format(settings=_exports(settings), command=shlex.join(settings.command), model=settings.model)


def _exports(settings: HookSettings) -> str:
    named = {
        "PUSHLINE_LINE": settings.line_file,
        "PUSHLINE_WEBHOOK_URL": settings.url,
        "PUSHLINE_WEBHOOK_SECRET_FILE": settings.secret_file,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in named.items() if value]
    return "\n".join(lines) if lines else UNSET.format(model=settings.model)
