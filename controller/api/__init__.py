"""The controller's gRPC API: raddle_controller.proto, its server and a client."""
