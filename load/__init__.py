"""Load: inference requests by HTTP and gRPC at a fixed rate, every one of them counted.

It is an open loop: requests leave when the schedule says, however slow the answers are, and a latency counts from the
scheduled time, so that a server that stops for a second shows as a second and not as one slow request. Each answer is
compared with the answers that the versions are known to give, which tells who answered, and a wrong answer from both.

Its clients are those that a change of version promises not to fail. gRPC: channels as they are by default. HTTP: pools
of kept connections, and one thing more that HTTP clients do: when a connection that was *kept from an earlier request*
ends before a byte of the answer came, the request is sent once more on a new connection. Those are counted
(`reconnected`); any other broken connection is a failure.
"""
