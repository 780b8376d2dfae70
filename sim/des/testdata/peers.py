"""The M/M/1 queue in SimPy's process style, with the numbers of the file that peers_test.go writes: hold increments, then gaps
and service times, all int64 nanoseconds. Prints the sum of the waits and the CPU time per event (two per customer) in ns."""
import array
import sys
import time

import simpy

times, customers = 1 << 14, int(sys.argv[2]) // 2
numbers = array.array("q")
with open(sys.argv[1], "rb") as f:
    numbers.fromfile(f, times)
    numbers = array.array("q")
    numbers.fromfile(f, int(sys.argv[3]) + 1)
    gaps = numbers[:customers]
    numbers = array.array("q")
    numbers.fromfile(f, int(sys.argv[3]) + 1)
    services = numbers[:customers]

waits = 0


def customer(env, server, service):
    global waits
    arrived = env.now
    with server.request() as request:
        yield request
        waits += env.now - arrived
        yield env.timeout(service)


def arrivals(env, server):
    for gap, service in zip(gaps, services):
        yield env.timeout(gap)
        env.process(customer(env, server, service))


start = time.process_time()
env = simpy.Environment()
env.process(arrivals(env, simpy.Resource(env)))
env.run()
print(waits, "%.3f" % ((time.process_time() - start) * 1e9 / (2 * customers)))
