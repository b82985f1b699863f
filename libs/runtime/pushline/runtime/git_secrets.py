"""What git and ssh are told about the operator's secrets: where they lie. Neither the token nor the key is read here."""

import shlex

from pushline.runtime.git_access import GitAccess

_ANY_SSH = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=20")
_OUR_KEY = (
    *("-F", "none"),
    *("-o", "IdentitiesOnly=yes"),
    *("-o", "IdentityAgent=none"),
    *("-o", "PasswordAuthentication=no"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
)


def credential_config(url: str, access: GitAccess) -> str:
    """Give the part of git's config by which git asks for the token when this address demands one, and for no other address.

    The helper is a few words for sh: `printf` is built into it, and the token goes from the file to git through a pipe.
    """
    if access.token_file is None:
        return ""
    user, file = shlex.quote(access.username), shlex.quote(str(access.token_file))
    helper = f"!f() {{ test \"$1\" = get || exit 0; printf 'username=%s\\npassword=' {user}; cat -- {file}; echo; }}; f"
    escaped = helper.replace("\\", "\\\\").replace('"', '\\"')
    return f'[credential "{url}"]\n\tuseHttpPath = true\n\thelper = "{escaped}"\n'


def ssh_command(access: GitAccess) -> str:
    """Give GIT_SSH_COMMAND. A key that the operator names is the only one, and its server must be a known one."""
    words = ["ssh", *_ANY_SSH]
    if access.ssh_key_file is not None:
        words += [*_OUR_KEY, "-i", str(access.ssh_key_file)]
    if access.ssh_key_file is not None or access.ssh_known_hosts_file is not None:
        words += ["-o", "StrictHostKeyChecking=yes"]
    if access.ssh_known_hosts_file is not None:
        words += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", f'UserKnownHostsFile="{access.ssh_known_hosts_file}"']
    return shlex.join(words)
