"""Faster operators for training on one core: see kernels.c. Without a C compiler PyTorch's own are used."""
import ctypes
import os
import subprocess
import tempfile

import torch
import torch.nn.functional as F

ACTS = {"": 0, "relu": 1, "hswish": 2}


def _build():
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kernels.c")
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "kernels.so")
        try:
            subprocess.run(["cc", "-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
            return ctypes.CDLL(library)
        except (OSError, subprocess.CalledProcessError) as err:
            print("kernels.c is not used:", err)
            return None


_lib = _build()


def _p(t):
    return ctypes.c_void_p(t.data_ptr())


def _nhwc(t):
    return t.contiguous(memory_format=torch.channels_last)


class _BNAct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps, act):
        x = _nhwc(x)
        weight, bias = weight.contiguous(), bias.contiguous()
        n, c, h, w = x.shape
        y = torch.empty_like(x)
        mean, inv = torch.empty(c), torch.empty(c)
        _lib.bn_forward(_p(x), _p(y), ctypes.c_long(n * h * w), c, _p(weight), _p(bias), ctypes.c_float(eps), _p(mean), _p(inv), act)
        ctx.save_for_backward(x, weight, bias, mean, inv)
        ctx.act = act
        return y

    @staticmethod
    def backward(ctx, gy):
        x, weight, bias, mean, inv = ctx.saved_tensors
        gy = _nhwc(gy)
        n, c, h, w = x.shape
        gx, gw, gb = torch.empty_like(x), torch.empty(c), torch.empty(c)
        _lib.bn_backward(_p(gy), _p(x), _p(gx), ctypes.c_long(n * h * w), c, _p(weight), _p(bias), _p(mean), _p(inv), _p(gw), _p(gb), ctx.act)
        return gx, gw, gb, None, None


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, stride):
        x = _nhwc(x)
        n, c, size, _ = x.shape
        k = weight.shape[-1]
        out = (size - 1) // stride + 1
        taps = weight.reshape(c, k * k).t().contiguous()
        y = torch.empty((n, c, out, out), memory_format=torch.channels_last)
        _lib.dw_forward(_p(x), _p(taps), _p(y), n, size, c, out, k, stride, 1)
        ctx.save_for_backward(x, taps)
        ctx.k, ctx.stride = k, stride
        return y

    @staticmethod
    def backward(ctx, gy):
        x, taps = ctx.saved_tensors
        gy = _nhwc(gy)
        n, c, size, _ = x.shape
        k, s, out = ctx.k, ctx.stride, gy.shape[-1]
        gx, gw = torch.empty_like(x), torch.empty_like(taps)
        flipped = taps.flip(0).contiguous()
        # For stride 2 gy is spread over a grid of out*2 >= size points.
        if s == 2 and size % 2:
            wide = torch.empty((n, c, 2 * out, 2 * out), memory_format=torch.channels_last)
            _lib.dw_forward(_p(gy), _p(flipped), _p(wide), n, out, c, 2 * out, k, 1, 2)
            gx.copy_(wide[:, :, :size, :size])
        else:
            _lib.dw_forward(_p(gy), _p(flipped), _p(gx), n, out, c, size, k, 1, s)
        _lib.dw_weights(_p(x), _p(gy), _p(gw), n, size, c, out, k, s)
        return gx, gw.t().reshape(c, 1, k, k), None


def bn_act(x, weight, bias, eps, act):
    """Batch normalisation by the batch's own statistics, then an activation ("", "relu", "hswish")."""
    if _lib is not None:
        return _BNAct.apply(x, weight, bias, eps, ACTS[act])
    x = F.batch_norm(x, None, None, weight, bias, True, 0.0, eps)
    return F.relu(x) if act == "relu" else F.hardswish(x) if act == "hswish" else x


def depthwise(x, weight, stride):
    """Depthwise convolution of square maps with a [C, 1, k, k] weight, k in 3, 5, 7, and padding k/2."""
    if _lib is not None and weight.shape[-1] in (3, 5, 7) and x.shape[1] % 8 == 0:
        return _Depthwise.apply(x, weight, stride)
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=x.shape[1])
