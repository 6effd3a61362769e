"""The 16-bit type that this device computes in, if any."""


def half_of(torch):
    """The 16-bit type to compute in: bfloat16 from compute capability 8, float16 below, None on a
    CPU. torch may call bfloat16 supported on a T4 (7.5), by emulation: it is not asked."""
    if not torch.cuda.is_available():
        return None
    return 'bfloat16' if torch.cuda.get_device_capability()[0] >= 8 else 'float16'


def autocast(half):
    import torch
    kind = 'cuda' if half else 'cpu'
    return torch.autocast(kind, dtype=getattr(torch, half or 'bfloat16'), enabled=half is not None)
