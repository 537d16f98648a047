"""`spec.model.source` and `storage`: where the bundle is, which bytes are expected, and where pods keep their copy."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from slipway.api.base import ApiModel, checked, rule
from slipway.api.scalars import Size, text, value_rule
from slipway.api.v1alpha1.fields import Name, ShortText

DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
URI_LENGTH: Final = 1024
TAG_LENGTH: Final = 128
"""As the OCI distribution specification has it."""

_PORT: Final = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
FOLLOWED: Final = "[$][(]version[)]"
"""Where `follow` puts the version."""
_TAG: Final = f"([A-Za-z0-9_]|{FOLLOWED})([A-Za-z0-9._-]|{FOLLOWED}){{0,{TAG_LENGTH - 1}}}"
_HUB_REVISION: Final = f"([A-Za-z0-9_]|{FOLLOWED})([A-Za-z0-9._/-]|{FOLLOWED})*"
_HOST_AND_PORT: Final = rf"([^/:?#\[\]]+|\[[0-9A-Fa-f:.]+\])(:{_PORT})?"


class VolumeType(StrEnum):
    """Where a pod keeps its copy of the bundle."""

    EMPTY_DIR = "EmptyDir"
    EPHEMERAL = "Ephemeral"


class S3(ApiModel):
    """How to reach an S3-compatible store. Keys come from the Secret named by `secretName`."""

    endpoint: (
        Annotated[
            str,
            text(
                r"^https?://[^/@]+(/.*)?$",
                "is not the address of a store: write it like https://minio.example:9000",
                max_length=512,
                rules=(
                    value_rule(
                        rf"!self.matches(r'^https?://[^/@]+(/.*)?$') || self.matches(r'^https?://{_HOST_AND_PORT}(/.*)?$')",
                        "names no host and port of a store: write it like https://minio.example:9000",
                    ),
                ),
            ),
        ]
        | None
    ) = Field(None, description="URL of the store, for one that is not AWS. http:// is not encrypted.")
    region: ShortText | None = Field(None, description="Region of the bucket; us-east-1 when nothing says otherwise.")
    force_path_style: bool | None = Field(
        None,
        description="Address the bucket in the path, not in the host name. When absent: true if `endpoint` is set.",
    )
    anonymous: bool | None = Field(None, description="Send unsigned requests: the bucket is public.")


class SignatureMode(StrEnum):
    """What follows from a signature that is missing or wrong."""

    REQUIRE = "Require"
    WARN = "Warn"


class Signature(ApiModel):
    """Whose signature the bundle has to carry: `model.sig` in OpenSSF's format, as `slipway sign` makes it."""

    config_map_name: Name = Field(
        description="ConfigMap with public keys in PEM form, one under each name. A change of it restarts nothing."
    )
    threshold: Annotated[int, Field(ge=1, le=16)] = Field(1, description="How many of the keys have to have signed.")
    mode: SignatureMode = Field(
        SignatureMode.REQUIRE,
        description="Require: a version that is not signed so is not fetched. Warn: it is, and status says so.",
    )


class Decryption(ApiModel):
    """With which keys the bundle is decrypted, as `slipway encrypt` made it."""

    secret_name: Name = Field(
        description="Secret with identities of age, a line each, in any of its keys. Mounted into the fetcher only."
    )


Uri = Annotated[
    str,
    text(
        r"^(s3|gs|az|https|http|oci|hf|pvc)://[^/\x00-\x20]+(/[^\x00-\x1f]*)?$",
        "is not an address that bundles are read from: write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, "
        "az://CONTAINER/PREFIX, https://HOST/PATH, oci://HOST/REPOSITORY:TAG, hf://ORG/REPO@REVISION or "
        "pvc://CLAIM/PATH",
        max_length=URI_LENGTH,
        rules=(
            rule("!self.matches(r'^https?://[^/]*@')", "credentials do not belong in the uri: put them into a Secret"),
            value_rule("!self.matches('/[.][.]([/?#;]|$)')", "must not climb with '..'"),
            value_rule(
                "!self.matches(r'^(s3|gs|az)://[^/]+/+[^/].*//+[^/]') "
                "&& !self.matches(r'^(s3|gs|az)://[^/]+/(.*/)?[.](/.*)?$')",
                "has an empty or '.' part in its path, by which no object is found: take it out",
            ),
            value_rule(
                "!self.matches(r'^https?://[^/]') || self.matches(r'^https?://[^/]*@') "
                f"|| self.matches(r'^https?://{_HOST_AND_PORT}([/?#].*)?$')",
                "names no host and port: write https://HOST/PATH or https://HOST:PORT/PATH",
            ),
            value_rule(
                "!self.startsWith('pvc://') || self.matches(r'^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/.*)?$')",
                "names no volume claim: write pvc://CLAIM/PATH, the claim in lower-case letters, digits and -",
            ),
            value_rule(
                "!self.startsWith('oci://') || self.matches(r'^oci://[^/@]+/[a-z0-9][-a-z0-9._/]*"
                f"(:{_TAG}|(:[A-Za-z0-9_][A-Za-z0-9._-]{{0,{TAG_LENGTH - 1}}})?@sha256:[0-9a-f]{{64}})$')",
                "names no version in a registry: write oci://HOST/REPOSITORY:TAG or "
                "oci://HOST/REPOSITORY@sha256:DIGEST, the repository in lower case",
            ),
            value_rule(
                "!self.startsWith('hf://') || self.matches(r'^hf://[A-Za-z0-9_][A-Za-z0-9._-]*"
                f"/[A-Za-z0-9_][A-Za-z0-9._-]*@{_HUB_REVISION}$')",
                "names no version in the Hugging Face Hub: write hf://ORG/REPO@REVISION, a branch, tag or commit",
            ),
        ),
    ),
]
Digest = Annotated[
    str,
    text(
        DIGEST_PATTERN,
        "is not a digest: write sha256: and 64 hex digits, of the bundle's SHA256SUMS",
        max_length=71,
    ),
]


class Source(ApiModel):
    """Where the bundle is, and which bytes are expected there."""

    model_config = checked(
        rule(
            "!has(self.s3) || self.uri.startsWith('s3://')",
            "s3 is only read for an s3:// uri: take it out, or change the uri",
            ".s3",
        ),
        rule(
            "!has(self.secretName) || !self.uri.startsWith('pvc://')",
            "a pvc:// source needs no credentials: take secretName out",
            ".secretName",
        ),
        rule(
            "!(has(self.s3) && has(self.s3.anonymous) && self.s3.anonymous && has(self.secretName))",
            "s3.anonymous and secretName exclude each other: keep one",
            ".secretName",
        ),
    )

    uri: Uri = Field(
        description="Address of the bundle: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, "
        "https://HOST/PATH (a directory with SHA256SUMS, or a .tar, .tar.gz or .tar.zst archive; http:// works too and "
        "is not encrypted), oci://HOST/REPOSITORY:TAG or @sha256:DIGEST (one file a layer, as slipway push makes it), "
        "hf://ORG/REPO@REVISION (the Hugging Face Hub: branch, tag or commit), pvc://CLAIM/PATH."
    )
    digest: Digest | None = Field(
        None,
        description="SHA-256 of the bundle's SHA256SUMS. When absent, resolved once per revision and held.",
    )
    secret_name: Name | None = Field(
        None,
        description="Secret with the store's credentials. Mounted into the fetcher only; the operator never reads it.",
    )
    s3: S3 | None = None
    signature: Signature | None = Field(
        None,
        description="Who has to have signed a version, asked when it is resolved, before its weights are fetched. "
        "It asks nothing of versions that were resolved before, and its change makes no new revision.",
    )
    decryption: Decryption | None = Field(
        None,
        description="The bundle is encrypted, all but config.pbtxt, golden requests and card, and is decrypted in each "
        "pod into memory. A plain bundle is refused then, and an encrypted one without this.",
    )


class Storage(ApiModel):
    """Room for a pod's copy of the bundle. When absent, an emptyDir sized from the resolved bundle."""

    model_config = checked(
        rule(
            "!has(self.storageClassName) || self.volume == 'Ephemeral'",
            "storageClassName is only read with volume: Ephemeral",
            ".storageClassName",
        )
    )

    size: Size | None = Field(None, description="Size of the volume. When absent, the resolved size and a tenth more.")
    volume: VolumeType = Field(VolumeType.EMPTY_DIR, description="EmptyDir, or Ephemeral for a PVC per pod.")
    storage_class_name: Name | None = Field(None, description="StorageClass of the Ephemeral volume.")
