"""Images and videos as the model sees them: which frames, at which size, decoded by what.

- `frames`: the rules, pure arithmetic: frame indices and sizes, the same whatever the decoder
- `images`, `video`: files → pixels under a rule; a bad file is a `DataError` that names it
- `decoders`: decord and PyAV behind one interface
- `prefetch`: reading ahead in threads, bounded in memory
"""

from __future__ import annotations

__all__: list[str] = []
