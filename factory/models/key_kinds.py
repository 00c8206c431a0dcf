"""What the keys of providers, hubs and clouds look like: one table, for what a recipe may not hold and what rows do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# A run of twelve letters and digits, one digit among the first of them at least: no words in a row look like that. The
# bounds keep a long text of prefixes alone from being read again and again.
_RUN = r"(?=[\w-]{0,60}?(?=[A-Za-z]*\d)[A-Za-z0-9]{12})"
_REST = r"[\w-]{16,}"

KEY_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "anthropic": rf"sk-ant-{_RUN}{_REST}",
        "stripe": rf"(?:sk|pk|rk)_(?:live|test)_{_RUN}{_REST}",
        "openai": rf"sk-{_RUN}{_REST}",
        "huggingface": rf"hf_{_RUN}{_REST}",
        "github": rf"gh[oprsu]_{_RUN}{_REST}|github_pat_\w{{20,}}",
        "gitlab": rf"glpat[-_]{_RUN}{_REST}",
        "slack": r"xox[abprs]-[\w-]{10,}",
        "google": r"AIza[\w-]{30,}|ya29\.[\w-]{20,}",
        "aws": r"(?:AKIA|ASIA)[A-Za-z0-9]{12,}",
        "alibaba_or_tencent": r"(?:LTAI|AKID)[A-Za-z0-9]{12,}",
        "baidu": r"bce-v3/ALTAK-[\w/-]{16,}",
        "zhipu": r"[0-9a-f]{32}\.[A-Za-z0-9]{16}(?![A-Za-z0-9])",
        "npm": rf"npm_{_RUN}{_REST}",
        "other": rf"(?:sk|pk|rk|csk|dsk|api|key|fc|jina|pplx|tvly|nvapi|xai|vck|voyage|ark)[-_]{_RUN}{_REST}"
        rf"|(?:gsk|r8|fw|lsv2|dop_v1|tgp_v1|esecret|pa)_{_RUN}{_REST}",
        "jwt": r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
    }
)
"""The pattern of each kind of key, none of which has a group. A key is of the first kind that fits."""

BEFORE_KEY = r"(?<![A-Za-z0-9])"
"""What a key stands behind: neither a letter nor a digit."""
PRIVATE_KEY = r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY"
"""How the block of a private key begins (PEM, OpenSSH, PGP)."""
ADDRESS_PASSWORD = r"://[^/@\s:]{0,200}:[^/@\s]{1,200}@"
"""A user's password in an address."""
