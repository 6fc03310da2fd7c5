"""The server: one port with HTTP and a websocket, in front of one queue and one workspace."""
