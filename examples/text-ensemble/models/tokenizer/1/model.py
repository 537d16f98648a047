"""The first step: texts become numbers."""

import numpy as np
import triton_python_backend_utils as pb_utils
from words import counts


class TritonPythonModel:
    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        texts = pb_utils.get_input_tensor_by_name(request, "text").as_numpy()
        rows = [counts(text.decode()) for text in texts.ravel()]
        return pb_utils.InferenceResponse([pb_utils.Tensor("counts", np.array(rows, np.float32))])
