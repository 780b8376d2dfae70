// The hold model and the M/M/1 queue on std::priority_queue, with the numbers of the file that peers_test.go writes: hold
// increments, then gaps and service times, all int64 nanoseconds. Prints a checksum and the CPU time per operation in ns.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <queue>
#include <vector>

struct Event {
	int64_t at;
	uint64_t seq;  // class in the top bits, as in the kernel
	uint64_t arg;
};

struct Later {
	bool operator()(const Event &a, const Event &b) const { return a.at != b.at ? a.at > b.at : a.seq > b.seq; }
};

using Queue = std::priority_queue<Event, std::vector<Event>, Later>;

static double cpu() {
	timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
	if (argc != 5) return 2;
	size_t times = 1 << 14, n = atol(argv[3]), operations = atol(argv[4]);
	FILE *f = fopen(argv[2], "rb");
	if (!f) return 1;
	std::vector<int64_t> numbers(times + 2 * (strcmp(argv[1], "mm1") ? 0 : operations / 2 + 1));
	if (fread(numbers.data(), 8, numbers.size(), f) != numbers.size()) return 1;
	uint64_t seq = 0, sum = 0;
	Queue q;
	if (!strcmp(argv[1], "hold")) {
		size_t next = 0;
		for (size_t i = 0; i < n; i++) q.push({numbers[i], seq++, i});
		double best = 1e18;
		for (int slice = 0; slice < 10; slice++) {  // the fastest counts, as in peers_test.go
			double start = cpu();
			for (size_t i = 0; i < operations; i++) {
				Event e = q.top();
				q.pop();
				sum = sum * 31 + e.at;
				next = (next + 1) & (times - 1);
				q.push({e.at + numbers[next], seq++, e.arg});
			}
			best = std::min(best, cpu() - start);
		}
		printf("%llu %.3f\n", (unsigned long long)sum, best / operations);
		return 0;
	}
	size_t customers = operations / 2;
	const int64_t *gaps = &numbers[times], *services = &numbers[times + customers + 1];
	std::vector<int64_t> arrived(customers + 1);
	size_t in = 0, served = 0;
	double start = cpu();
	q.push({gaps[0], seq++, 0});
	while (!q.empty()) {
		Event e = q.top();
		q.pop();
		if (e.arg == 0) {
			arrived[in++] = e.at;
			if (in < customers) q.push({e.at + gaps[in], seq++, 0});
			if (in - served == 1) q.push({e.at + services[served], seq++, 1});
		} else {
			served++;
			if (served < in) {
				sum += e.at - arrived[served];
				q.push({e.at + services[served], seq++, 1});
			}
		}
	}
	printf("%llu %.3f\n", (unsigned long long)sum, (cpu() - start) / operations);
}
