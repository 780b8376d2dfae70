// Package checkpoint reads named tensors out of PyTorch checkpoints (the legacy format of
// torch before 1.6 and the zip format since) and out of safetensors files.
//
// A PyTorch checkpoint is a pickle: a program that may construct anything. This package runs none
// of it. Its reader knows the opcodes that torch.save writes (protocol 2) and the constructors of
// tensors: collections.OrderedDict, the storage classes of the data types in the table below,
// torch._utils._rebuild_tensor, _rebuild_tensor_v2 and _rebuild_parameter. Anything else is
// refused by its name, before anything is done with it.
//
// A file is hostile until read: every length is compared with the bytes that are left before
// memory is taken for it, so memory stays in proportion to the file, and an error says which file,
// which entry of an archive and which byte (see Error). A file is read completely or not at all.
//
//	torch storage class   safetensors   Tensor.DType   exact in float32
//	FloatStorage          F32           float32        yes
//	DoubleStorage         F64           float64        rounded to nearest even
//	HalfStorage           F16           float16        yes
//	BFloat16Storage       BF16          bfloat16       yes
//	LongStorage           I64           int64          up to 2^24, else rounded
//	IntStorage            I32           int32          up to 2^24, else rounded
//	ShortStorage          I16           int16          yes
//	CharStorage           I8            int8           yes
//	ByteStorage           U8            uint8          yes
//	BoolStorage           BOOL          bool           0 or 1
//
// The package refuses: pickled modules and any other object, TorchScript archives, compressed
// archives, sparse, quantised and complex tensors, big-endian files, the tar format of torch
// before 0.1.10, pickle protocols other than 2. It writes no files.
//
// Sources: PyTorch 1.13, torch/serialization.py (_legacy_save, _save, _legacy_load, _load),
// torch/_utils.py, torch/_weights_only_unpickler.py (its list of opcodes); Python's pickletools
// for the opcodes; the safetensors format description of huggingface/safetensors.
package checkpoint
