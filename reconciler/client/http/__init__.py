"""Requests and answers: connections, buffers, retries, and the threads that share them."""
