"""What every network can do with weights: take them, say where they are from, be loaded, saved and shared."""

# ruff: noqa: PLC0415  (what builds on this class is imported where it is called)

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from myotype.errors import ModelError
from myotype.network.layers import LogSpectrogram
from myotype.network.streaming import StreamingNetwork
from myotype.runtime import Bundle, Provenance, published
from myotype.runtime.hub import HubOptions, upload

_ORIGINAL: Final = Provenance(
    license=published.LICENSE,
    source="Loaded from a state dict with the names of the original emg2qwerty release.",
    citation=published.CITATION,
    details={"made by": published.MADE_BY},
)


class PretrainedNetwork(StreamingNetwork):
    """Base of the networks.

    Attributes
    ----------
    architecture
        What bundles call the network; see :mod:`myotype.network.architectures`.
    mapping
        Names of weights in the original release, where they differ, and their names here.
    provenance
        Where the weights come from; None for random ones and for those that nobody has said anything of.
    look_ahead
        Seconds from a key's press to the end of the signal that the network reads it from.
    """

    architecture: ClassVar[str]
    mapping: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.provenance: Provenance | None = None
        self.look_ahead = 0.1

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the network, with random weights, from the arguments that `get_config` gives.

        Raises
        ------
        ModelError
            If the configuration has a name that the network does not know, or an impossible value.
        """
        arguments = {name: value for name, value in config.items() if name != "braindecode_version"}
        unknown = arguments.keys() - inspect.signature(cls).parameters.keys()
        if unknown:
            raise ModelError(f"config.json: {cls.__name__} knows no {', '.join(sorted(unknown))}")
        try:
            return cls(**arguments)
        except (TypeError, ValueError) as error:
            raise ModelError(f"config.json: {error}") from error

    @classmethod
    def from_pretrained(
        cls,
        model: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        **overrides: Any,
    ) -> Self:
        """Load a network with its weights: all of them, and no others.

        Parameters
        ----------
        model
            A repository on the Hugging Face Hub ("braindecode/emg2qwerty-generic"); a folder with ``config.json`` and
            ``model.safetensors`` or ``pytorch_model.bin``, as braindecode writes them; a bundle, or a bundled model's
            name; or an original Lightning checkpoint.
        revision, token, cache_dir, local_files_only, force_download
            For the Hub: see :class:`~myotype.runtime.hub.HubOptions`.
        **overrides
            Constructor arguments other than the stored ones. With another ``n_outputs`` the head is made anew, with
            random weights, and that is said on stderr.

        Returns
        -------
        network
            In evaluation mode. Its `provenance` says where the weights come from; the licence of weights that must not
            be used commercially is said on stderr.

        Raises
        ------
        InputError
            If an override is not an argument of the network, or impossible.
        ModelError
            If there is no such model, it cannot be downloaded or read, or it is another network than this.
        """
        from myotype.network.loading import load

        hub = HubOptions(
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        return load(cls, model, hub, **overrides)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Bundle:
        """Write the network as a bundle, which the runtime reads without PyTorch.

        braindecode reads an EMG2QwertyNet from it too.

        Parameters
        ----------
        folder
            Where to; an existing bundle there is replaced. Licence and origin of the weights go with them: set
            `provenance` before, where these are weights of your own.

        Raises
        ------
        InputError
            If the network cannot be streamed.
        OutputError
            If the folder cannot be written, or holds other things.
        """
        from myotype.network.exporting import export

        if self.provenance is None:
            sys.stderr.write(f"{folder}: saved with the licence unknown; set network.provenance to state it\n")
        return export(self, folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str = "Upload a myotype model",
        create_pr: bool = False,
    ) -> str:
        """Write the network as a bundle to a repository on the Hugging Face Hub, which is made where it is missing.

        Parameters
        ----------
        repo_id
            The repository, "owner/name", or "name" for one of the user's own.
        private
            Whether a new repository is private.
        token
            What to log in with; by default ``HF_TOKEN`` or what ``hf auth login`` has stored.
        revision
            The branch to write to; by default "main".
        commit_message
            What the commit says.
        create_pr
            Whether to open a pull request rather than write to the branch.

        Returns
        -------
        str
            Where to see it.

        Raises
        ------
        ModelError
            If it cannot be uploaded.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / repo_id.rsplit("/", maxsplit=1)[-1]
            self.save_pretrained(folder)
            return upload(
                folder,
                repo_id,
                private=private,
                token=token,
                revision=revision,
                commit_message=commit_message,
                create_pr=create_pr,
            )

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,  # noqa: FBT001, FBT002  (torch's own signature)
        assign: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        """Take weights, under the names here or under those of the original release (see `mapping`).

        The original's names are a sign of its weights: `provenance` then says that they are under its licence.

        Parameters
        ----------
        state_dict
            Weights by name; it is not changed.
        strict
            Refuse missing and unknown names.
        assign
            Take the tensors themselves, with their precision and device, rather than copy what they hold.

        Returns
        -------
        incompatible
            The missing and the unknown names, as from :meth:`torch.nn.Module.load_state_dict`.

        Raises
        ------
        ModelError
            If a weight is there under both its names.
        RuntimeError
            As from :meth:`torch.nn.Module.load_state_dict`: if a shape is another, or, where `strict`, a name.
        """
        original = [name for name in self.mapping if name in state_dict]
        for name in original:
            if self.mapping[name] in state_dict:
                raise ModelError(
                    f"the weights hold {name} and {self.mapping[name]}, which are names of the same weight"
                )
        if original:
            renamed = OrderedDict((self.mapping.get(name, name), value) for name, value in state_dict.items())
            # What torch notes of the versions of its modules goes with the weights.
            renamed._metadata = getattr(state_dict, "_metadata", None)  # type: ignore[attr-defined]
            state_dict = renamed
            self.provenance = _ORIGINAL
        incompatible = super().load_state_dict(state_dict, strict, assign)
        if assign:
            for module in self.modules():
                if isinstance(module, LogSpectrogram):
                    module.follow(next(self.parameters()))
        return incompatible
