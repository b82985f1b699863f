"""May Keras build this model_config? Only Keras' own layers, by name; nothing that runs code, reads a path, or outgrows its file.

What is not listed is refused: Lambda, TFSMLayer, TorchModuleWrapper, classes and functions of a repository, whatever comes later.
"""

import math
from collections.abc import Mapping
from typing import Any

from .preflight import Refused


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LAYERS = _words("""
    Activation ActivityRegularization Add AdditiveAttention AlphaDropout Attention Average AveragePooling1D
    AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate Conv1D
    Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D
    Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Flatten
    Functional GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
    GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell LayerNormalization
    LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum Model MultiHeadAttention
    Multiply Normalization PReLU Permute RMSNormalization RNN RandomBrightness RandomContrast RandomCrop RandomFlip
    RandomHue RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector
    Rescaling Reshape Resizing STFTSpectrogram SeparableConv1D SeparableConv2D Sequential SimpleRNN SimpleRNNCell
    Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup
    Subtract TextVectorization TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
    ZeroPadding3D
""")
PARTS = _words("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform Ones
    Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros L1 L1L2 L2
    OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm DTypePolicy __keras_tensor__ __tuple__
""")
MODULES = frozenset(
    (None, "keras", "keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.models")
)
KEYS = _words("""
    class_name config module registered_name name inbound_nodes build_config build_input_shape shared_object_id items
""")
ACTIVATIONS = _words("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus swish tanh tanh_shrink threshold
""")
NAMES_OF_ACTIVATIONS = frozenset(("activation", "recurrent_activation"))
MAY_BE_PATHS = frozenset(("vocabulary", "idf_weights", "vocabulary_file"))
LOOKUPS = frozenset(("IntegerLookup", "StringLookup", "TextVectorization"))
WORDS = {"standardize": ("lower_and_strip_punctuation", "lower", "strip_punctuation"), "split": ("whitespace", "character")}
ENCODING = "utf-8"
SIZES = _words("""
    units filters input_dim output_dim key_dim value_dim num_heads depth_multiplier head_dim num_query_heads
""")
MAX_PARTS, MAX_LEVELS, MAX_NAME = 200_000, 60, 200
MAX_INPUT_VALUES = 2**28
ONLY = "only Keras' own layers are served from model.h5"


def check(config: dict[str, Any], values: int) -> None:
    """Say no by Refused. `values` is how many numbers the file's weights hold: no layer is larger than that."""
    _Walk(values).check(config, 0)


class _Walk:
    def __init__(self, values: int) -> None:
        self._values, self._parts = values, 0

    def check(self, part: Any, level: int) -> None:  # noqa: ANN401 JSON
        self._parts += 1
        if self._parts > MAX_PARTS or level > MAX_LEVELS:
            raise Refused(f"has a model_config of more than {MAX_PARTS} parts or {MAX_LEVELS} levels")
        if isinstance(part, dict):
            if "class_name" in part:
                _check_class(part)
            for key, value in part.items():
                self._check_value(key, value)
                self.check(value, level + 1)
        elif isinstance(part, list):
            for value in part:
                self.check(value, level + 1)
        elif isinstance(part, float) and not math.isfinite(part):
            raise Refused("has a number in its model_config that is not finite")

    def _check_value(self, key: str, value: Any) -> None:  # noqa: ANN401 JSON
        if key in SIZES and isinstance(value, int | float) and value > self._values:
            raise Refused(f"says {key}={value} in its model_config, and holds {self._values} weights in all")
        if key in NAMES_OF_ACTIVATIONS and isinstance(value, str) and value not in ACTIVATIONS:
            raise Refused(f"uses the activation {value[:80]!r}; {ONLY}")
        if key in MAY_BE_PATHS and isinstance(value, str) and value:
            raise Refused(f"names a file in its model_config ({key})")
        if key in WORDS and value is not None and value not in WORDS[key]:
            raise Refused(f"has {key}={str(value)[:80]!r} in its model_config; known are {', '.join(WORDS[key])}")
        if key == "encoding" and value != ENCODING:
            raise Refused(f"has encoding={str(value)[:80]!r} in its model_config; known is {ENCODING}")
        if key == "name" and (not isinstance(value, str) or not _is_name(value)):
            raise Refused(f"has the name {str(value)[:80]!r} in its model_config")
        if key == "batch_shape":
            _check_input(value)


def _check_class(part: Mapping[str, Any]) -> None:
    name, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
    if not isinstance(name, str) or name not in LAYERS | PARTS:
        raise Refused(f"needs {str(name)[:80]!r}; {ONLY}")
    if not isinstance(module, str | None) or module not in MODULES or registered not in (None, name):
        raise Refused(f"needs {name} of {str(module if module not in MODULES else registered)[:80]!r}; {ONLY}")
    unknown = sorted(set(part) - KEYS)
    if unknown:
        raise Refused(f"says {str(unknown[0])[:80]!r} of {name}, which Keras does not")
    if name in LAYERS and not isinstance(part.get("config"), dict):
        raise Refused(f"has a {name} without a config")
    if name in LOOKUPS and not part["config"].get("vocabulary"):
        raise Refused(f"does not hold the vocabulary of its {name}, as HDF5 keeps none that was adapted: give it as vocabulary=…")


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and text.isprintable() and ".." not in text and not text.startswith("/")


def _check_input(shape: Any) -> None:  # noqa: ANN401 JSON
    sizes = [size for size in shape if size is not None] if isinstance(shape, list) else [-1]
    if any(type(size) is not int or size < 0 for size in sizes) or math.prod(sizes) > MAX_INPUT_VALUES:
        raise Refused(f"takes an input of the shape {str(shape)[:80]}")
