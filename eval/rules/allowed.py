"""What host code may use of torch and triton: allocation, views, data movement and metadata.

Everything else computes, and computing is the kernels' part. Names are those of torch 2.13.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DTYPES = _words("""
    float16 float32 float64 bfloat16 half float double int8 int16 int32 int64 short int long uint8 uint16
    uint32 uint64 bool complex32 complex64 complex128 cfloat cdouble float8_e4m3fn float8_e5m2
    float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu float4_e2m1fn_x2
""")

ALLOCATION = _words("""
    empty empty_like empty_strided empty_permuted zeros zeros_like ones ones_like full full_like tensor
    as_tensor scalar_tensor arange eye linspace
""")

MOVEMENT = _words("""
    cat concat concatenate stack hstack vstack dstack column_stack row_stack split chunk tensor_split unbind
    split_with_sizes
    reshape ravel flatten unflatten squeeze unsqueeze transpose swapaxes swapdims t permute movedim moveaxis
    narrow select as_strided broadcast_to broadcast_tensors tile repeat_interleave flip fliplr flipud rot90
    roll clone detach view_as_real view_as_complex view_copy diagonal atleast_1d atleast_2d atleast_3d
    index_select gather take_along_dim real imag adjoint hsplit vsplit dsplit select_scatter slice_scatter
    narrow_copy nn.functional.pad
""")

METADATA = _words("""
    Tensor Size dtype device layout memory_format strided sparse_coo contiguous_format channels_last
    channels_last_3d preserve_format finfo iinfo is_tensor numel promote_types result_type can_cast
    get_default_dtype inf nan pi e is_floating_point is_complex broadcast_shapes no_grad enable_grad
    inference_mode set_grad_enabled __version__ version.cuda version.hip _check _check_value _check_type
    _check_index _check_not_implemented _assert autograd.Function
    autograd.function.Function autograd.function.once_differentiable amp.custom_fwd amp.custom_bwd
    cuda.amp.custom_fwd cuda.amp.custom_bwd amp.autocast autocast cuda.amp.autocast cuda.get_device_properties
    cuda.get_device_capability cuda.get_device_name cuda.current_device cuda.is_available cuda.synchronize
    cuda.device cuda.device_of cuda.set_device cuda.is_bf16_supported compiler.disable compiler.allow_in_graph
    nn.Module nn.Parameter nn.Buffer nn.ParameterList nn.ParameterDict nn.ModuleList nn.ModuleDict
    nn.parameter.Parameter nn.parameter.Buffer
""")

TORCH = frozenset(f"torch.{name}" for name in DTYPES | ALLOCATION | MOVEMENT | METADATA)
"""Paths of torch that any host code may name."""
_PLAIN = {name for name in METADATA if not name.startswith("nn.")} - {"Tensor"}
PLAIN_RESULTS = frozenset(f"torch.{name}" for name in DTYPES | _PLAIN)
"""Of these, the ones that give no tensor."""

_TRITON_NAMES = _words("""
    jit autotune heuristics Config cdiv next_power_of_2 set_allocator constexpr_function __version__
    runtime.driver.active.get_current_target runtime.driver.active.get_active_torch_device
    runtime.driver.active.get_current_device runtime.driver.active.utils.get_device_properties
    tools.tensor_descriptor.TensorDescriptor runtime.jit.constexpr_function
""")
TRITON = frozenset(f"triton.{name}" for name in _TRITON_NAMES)
"""Paths of triton that host code may name, beside `triton.language`."""

MODULES = frozenset({
    "torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.cuda", "torch.autograd",
    "torch.linalg", "torch.fft", "torch.special", "torch.sparse", "torch.ops", "torch.version",
    "torch.amp", "torch.jit", "torch.utils", "torch.autograd.function", "torch.nn.parameter",
    "torch.nn.utils", "torch.nn.modules", "triton", "triton.language", "triton.language.math",
    "triton.language.extra", "triton.language.core", "triton.language.standard", "triton.runtime",
    "triton.runtime.driver", "triton.tools",
})  # fmt: skip
"""Modules; one may be looked into, not handed on as a value."""

TENSOR_ATTRIBUTES = _words("""
    shape dtype device ndim dim ndimension size stride numel nelement element_size itemsize nbytes
    storage_offset is_contiguous is_cuda is_cpu is_xpu is_mps layout requires_grad requires_grad_ grad
    grad_fn is_leaf data data_ptr get_device is_floating_point is_complex is_signed is_inference is_conj
    is_neg is_sparse is_nested is_quantized is_pinned is_same_size is_set_to dim_order name names output_nr
    volatile sparse_dim dense_dim mode index view view_as reshape reshape_as flatten unflatten ravel squeeze
    squeeze_ unsqueeze unsqueeze_ transpose transpose_ swapaxes swapaxes_ swapdims swapdims_ t t_ T H mT mH
    adjoint permute movedim moveaxis expand expand_as broadcast_to narrow narrow_copy select chunk split
    split_with_sizes tensor_split hsplit vsplit dsplit unbind unfold as_strided as_strided_ diagonal real
    imag detach detach_ unsafe_chunk unsafe_split unsafe_split_with_sizes clone contiguous copy_ fill_ zero_
    to type type_as float double half bfloat16 int long short char byte bool cpu cuda pin_memory repeat tile
    repeat_interleave flip fliplr flipud roll rot90 index_select gather take_along_dim index_copy
    index_copy_ select_scatter slice_scatter item tolist new new_empty new_empty_strided new_full new_ones
    new_tensor new_zeros resolve_conj resolve_neg retain_grad retains_grad values indices cfloat cdouble
    is_coalesced grad_dtype ipu xpu mtia is_ipu is_maia is_mtia is_xla is_vulkan is_mkldnn is_sparse_csr
    is_distributed
""")
"""Attributes and methods of a tensor that any host code may use."""

PLAIN_TENSOR_ATTRIBUTES = _words("""
    shape dtype device ndim dim ndimension size stride numel nelement element_size itemsize nbytes
    storage_offset is_contiguous is_cuda is_cpu is_xpu is_mps layout requires_grad is_leaf data_ptr
    get_device is_floating_point is_complex is_signed is_inference is_conj is_neg is_sparse is_nested
    is_quantized is_pinned is_same_size is_set_to dim_order name names output_nr item tolist index mode
    type_string
""")
"""Of these, the ones that give numbers, shapes or flags and no tensor."""

COMPUTE_ATTRIBUTES = _words("""
    abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr all allclose amax amin aminmax angle
    any apply_ arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere
    as_strided_scatter asin asinh atan atan2 atanh backward baddbmm bernoulli bincount bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm cauchy ccol_indices ceil
    chalf cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip coalesce col_indices conj
    conj_physical copysign corrcoef cos cosh count_nonzero cov cross crow_indices cummax cummin cumprod
    cumsum deg2rad dequantize det diag diag_embed diagflat diagonal_scatter diff digamma dist div divide dot
    eig eq equal erf erfc erfinv exp exp2 expm1 exponential fill_diagonal fix float_power floor floor_divide
    fmax fmin fmod frac frexp gcd ge geometric geqrf ger greater greater_equal gt hardshrink hash_tensor
    heaviside histc histogram hypot i0 igamma igammac index_add index_fill index_put index_reduce inner
    int_repr inverse is_nonzero isclose isfinite isinf isnan isneginf isposinf isreal istft kron kthvalue
    lcm ldexp le lerp less less_equal lgamma log log10 log1p log2 log_normal log_softmax logaddexp
    logaddexp2 logcumsumexp logdet logical_and logical_not logical_or logical_xor logit logsumexp lstsq lt
    lu lu_solve map2 map masked_fill masked_scatter masked_select matmul matrix_exp matrix_power max maximum
    mean median min minimum mm msort mul multinomial multiply mv mvlgamma nan_to_num nanmean nanmedian
    nanquantile nansum ne neg negative nextafter nonzero nonzero_static norm normal not_equal numpy orgqr
    ormqr outer pinverse polygamma positive pow prelu prod put q_per_channel_axis q_per_channel_scales
    q_per_channel_zero_points q_scale q_zero_point qr qscheme quantile rad2deg random reciprocal reinforce
    relu remainder renorm round row_indices rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign
    signbit sin sinc sinh slice_inverse slogdet smm softmax solve sort sparse_mask sparse_resize
    sparse_resize_and_clear sqrt square sspaddmm std stft sub subtract sum sum_to_size svd symeig take tan
    tanh to_dense to_mkldnn to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo
    to_sparse_csc to_sparse_csr topk trace triangular_solve tril triu true_divide trunc uniform unique
    unique_consecutive var vdot where xlogy
""")
"""Methods of a tensor that compute; each also in place, with an underscore."""

CONTAINER_METHODS = frozenset({"add", "sort"})
"""Of these, the ones that sets and lists have too."""


def computes(attribute: str) -> bool:
    """Tell whether a tensor's attribute of this name does arithmetic."""
    if attribute in TENSOR_ATTRIBUTES:
        return False
    return attribute in COMPUTE_ATTRIBUTES or attribute.removesuffix("_") in COMPUTE_ATTRIBUTES
