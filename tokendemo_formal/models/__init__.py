"""Models: real files, of several families, to :class:`~tokendemo_formal.attention.Layer`.

====================  ==========================================================================================
module                what it knows
====================  ==========================================================================================
``model``             where models are, which family they belong to: :func:`load_model`, :class:`Model`
``files``             safetensors files and ``config.json``, read without trusting them
``layout``            where in the stored tensors the arrays of a layer lie: :class:`TensorRef`
``tokenizer``         text to ids and back
``bert``, ``gpt2``,   one family's layout each
``llama``,
``transformer_lens``
``native``            the package's own layout, which stores every feature of a layer: :func:`save`
``memory``            layers from arrays: :func:`from_arrays`, :func:`from_multihead_attention`
====================  ==========================================================================================
"""

from tokendemo_formal.models.memory import from_arrays, from_multihead_attention
from tokendemo_formal.models.model import Model, load_model, model_directory
from tokendemo_formal.models.native import save
from tokendemo_formal.models.tokenizer import Tokenizer

__all__ = ["Model", "Tokenizer", "from_arrays", "from_multihead_attention", "load_model", "model_directory", "save"]
