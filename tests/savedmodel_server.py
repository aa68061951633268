"""Answers as TensorFlow Serving does, by REST and gRPC; plain TensorFlow, none of our code.

    python tests/savedmodel_server.py MODELS      # prints "REST_PORT GRPC_PORT" when ready

Serves the newest version of every MODELS/NAME at http://127.0.0.1:REST_PORT/v1/models/NAME.
"""

import base64
import concurrent.futures
import http.server
import json
import pathlib
import sys

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def load_signatures(models):
    newest = {
        model.name: max(model.iterdir(), key=lambda path: int(path.name))
        for model in models.iterdir()
    }
    loaded = {name: tf.saved_model.load(str(path)) for name, path in newest.items()}
    return loaded, {name: model.signatures for name, model in loaded.items()}


def decoded(value):
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"])
    return value


def as_json(name, array):
    if name.endswith("_bytes"):
        return {"b64": base64.b64encode(array).decode()}
    return array.tolist()


def make_rest_handler(models):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = self.predict(self.path, body)
            encoded = json.dumps(answer, default=bytes.decode).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def predict(self, path, body):
            name = path.removeprefix("/v1/models/").removesuffix(":predict")
            if name not in models:
                return 404, {"error": f"Servable not found for request: Latest({name})"}
            key = body.get("signature_name", "serving_default")
            if key not in models[name]:
                words = f'Serving signature name: "{key}" not found in signature def'
                return 400, {"error": words}
            rows = body["instances"]
            inputs = {each: tf.constant([decoded(row[each]) for row in rows]) for each in rows[0]}
            try:
                outputs = models[name][key](**inputs)
            except tf.errors.InvalidArgumentError as error:
                return 400, {"error": error.message}
            arrays = {name: value.numpy() for name, value in outputs.items()}
            predictions = [
                {name: as_json(name, array[row]) for name, array in arrays.items()}
                for row in range(len(rows))
            ]
            return 200, {"predictions": predictions}

        def log_message(self, *arguments):
            pass

    return Handler


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):
        if request.model_spec.name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        signatures, key = self.models[request.model_spec.name], request.model_spec.signature_name
        if key not in signatures:
            words = f'Serving signature key "{key}" not found.'
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, words)
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        try:
            outputs = signatures[key](**inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response


def main():
    loaded, models = load_signatures(pathlib.Path(sys.argv[1]))
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), make_rest_handler(models))
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models), server
    )
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(rest.server_port, grpc_port, flush=True)
    rest.serve_forever()
    del loaded  # held until here: a signature does not hold its model's variables


if __name__ == "__main__":
    main()
