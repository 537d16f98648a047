"""The last step: the likelier class by its name."""

import numpy as np
import triton_python_backend_utils as pb_utils

LABELS = np.array(["complaint", "praise"], object)


class TritonPythonModel:
    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        probabilities = pb_utils.get_input_tensor_by_name(request, "probabilities").as_numpy()
        label = LABELS[probabilities.argmax(axis=1)].reshape(-1, 1)
        return pb_utils.InferenceResponse([pb_utils.Tensor("label", label)])
